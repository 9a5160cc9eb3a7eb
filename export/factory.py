"""A user's own model, named on the command line as MODULE:FACTORY. Whatever is wrong is said in one line."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import inspect
import os
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from snndeploy.errors import BadInput, shortened
from snndeploy.export.weights import load_state
from snndeploy.extras import extras

with extras():
    import torch
    from torch import nn

FORM = "expected MODULE:FACTORY, as in `my_models:build`, or a checkpoint NAME.safetensors"


def make_model(name: str, weights: str | os.PathLike[str] | None = None) -> nn.Module:
    """The model that FACTORY() of MODULE makes, with the state from `weights`; the working folder is searched too.

    Raises BadInput where the module, the factory or the weights are not what they should be.
    """
    module_name, factory_name = _parts(name)
    folder = Path.cwd()
    sys.path.insert(0, str(folder))
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what the user's code prints is no result of the command
            module = _imported(name, module_name, folder)
            model = _factory(name, module, factory_name)()
    except BadInput:
        raise
    except (Exception, SystemExit) as error:  # the user's own code may raise anything
        raise BadInput(name, _failure(error, name, folder)) from error
    finally:
        os.chdir(folder)  # the other paths of the command are relative to it
        with contextlib.suppress(ValueError):
            sys.path.remove(str(folder))
    if not isinstance(model, nn.Module):
        raise BadInput(name, _not_a_model(factory_name, model))
    if weights is not None:
        load_state(model, weights)
    return model


def _parts(name: str) -> tuple[str, str]:
    """MODULE and FACTORY. Raises BadInput, with what to type where that can be told."""
    module, colon, factory = name.partition(":")
    if Path(module).suffix in (".py", ".ipynb") or os.sep in module:
        raise BadInput(name, _not_a_file(Path(module), factory or "FACTORY"))
    start, _, last = module.rpartition(".")
    if not factory and _is_here(module):
        raise BadInput(name, f"names no function; use {module}:FACTORY, the one in {module!r} that makes the model")
    if not colon and _is_here(start):
        raise BadInput(name, f"expected MODULE:FACTORY; use {start}:{last}")
    if not (module and factory):
        raise BadInput(name, FORM)
    if factory.endswith("()"):
        raise BadInput(name, f"the function is called later; use {name.removesuffix('()')}")
    return module, factory


def _is_here(module: str) -> bool:
    return bool(module) and Path(*module.split(".")).with_suffix(".py").is_file()


def _not_a_file(path: Path, factory: str) -> str:
    """What to type instead of the file of a module."""
    if path.suffix == ".ipynb":
        return f"a notebook is no module; save it as {path.stem}.py, and use {path.stem}:{factory}"
    path = path if path.suffix else path.with_suffix(".py")
    if not path.is_file():
        return f"no file {path}; {FORM}"
    own = Path(os.path.abspath(path)).with_suffix("")
    text = "expected the name of a module, found that of its file"
    if own.is_relative_to(Path.cwd()):
        return f"{text}; use {'.'.join(own.relative_to(Path.cwd()).parts)}:{factory}"
    return f"{text}; run the command in {own.parent}, with {own.name}:{factory}"


def _imported(name: str, module_name: str, folder: Path) -> ModuleType:
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if f"{module_name}.".startswith(f"{error.name}."):
            raise BadInput(name, _no_module(module_name, folder)) from None
        raise
    own = folder / f"{module_name}.py"
    if own.is_file() and Path(module.__file__ or "") != own:
        raise BadInput(name, f"{own.name} has the name of another module, {module.__file__}; rename it")
    return module


def _no_module(module_name: str, folder: Path) -> str:
    here = sorted(path.stem for path in folder.glob("*.py"))
    near = difflib.get_close_matches(module_name, here, 1)
    text = f"no module {module_name!r} in {folder}, where the command runs, and none is installed"
    if near:
        return f"{text}; did you mean {near[0]}?"
    return f"{text}; {f'there are {shortened(here)}' if here else 'run it in the folder of your file'}"


def _factory(name: str, module: ModuleType, factory_name: str) -> Any:
    """The function, which takes no arguments."""
    where = f"in {module.__name__!r} ({Path(module.__file__ or '').name or 'a folder'})"
    if not hasattr(module, factory_name):
        own = [k for k, v in vars(module).items() if callable(v) and getattr(v, "__module__", "") == module.__name__]
        near = difflib.get_close_matches(factory_name, own, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {shortened(own)}" if own else "write it"
        raise BadInput(name, f"no function {factory_name!r} {where}; {hint}")
    factory = getattr(module, factory_name)
    if isinstance(factory, nn.Module):
        text = f"{factory_name!r} is a model, expected a function that makes it; add one {where}"
        raise BadInput(name, f"{text}: def make(): return {factory_name}")
    if not callable(factory):
        text = f"expected a function {factory_name!r} {where} that makes the model"
        raise BadInput(name, f"{text}, found {type(factory).__name__}")
    needed = _needed(factory)
    if needed:
        text = f"{factory_name}() needs values for {', '.join(needed)}; add a function without arguments {where}"
        raise BadInput(name, f"{text}: def make(): return {factory_name}({needed[0]}=...)")
    return factory


def _needed(factory: Any) -> list[str]:
    """The arguments without a default."""
    try:
        parameters = inspect.signature(factory).parameters.values()
    except ValueError:  # functions of other languages need not have a signature
        return []
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in parameters if p.default is p.empty and p.kind not in several]


def _failure(error: BaseException, name: str, folder: Path) -> str:
    """What the user's code raised, where in it, and what to do about the usual causes."""
    said, place = " ".join(str(error).split()), _place(error, folder)
    if isinstance(error, ModuleNotFoundError):
        return f"needs the module {error.name!r}, which is not installed{place}; install it beside snndeploy"
    text = f"failed with {type(error).__name__}: {said}{place}"
    if isinstance(error, SystemExit):
        return f'{text}; what the file runs as a program belongs under `if __name__ == "__main__":`'
    if isinstance(error, ImportError) and "relative import" in said:
        return f"{text}; run the command in {folder.parent}, with {folder.name}.{name}"
    if not torch.cuda.is_available() and any(word in said for word in ("CUDA", "NVIDIA")):
        return f"{text}; torch finds no GPU here: make the model on the CPU"
    return text


def _place(error: BaseException, folder: Path) -> str:
    """The last line of the user's own code on the way to `error`, in brackets."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_relative_to(folder) and "site-packages" not in path.parts and path != Path(__file__):
            return f" ({path.relative_to(folder)}, line {frame.lineno})"
    return ""


def _not_a_model(factory_name: str, found: Any) -> str:
    """What a factory returned instead of a model."""
    text = f"expected {factory_name}() to return a torch.nn.Module, found"
    if found is None:
        return f"{text} nothing; end it with `return model`"
    if isinstance(found, type) and issubclass(found, nn.Module):
        return f"{text} the class {found.__name__}; return {found.__name__}()"
    if isinstance(found, (tuple, list)) and any(isinstance(item, nn.Module) for item in found):
        kinds = ", ".join(type(item).__name__ for item in found)
        return f"{text} a {type(found).__name__} of {kinds}; return the model alone"
    if isinstance(found, Mapping) and any(isinstance(item, torch.Tensor) for item in found.values()):
        return f"{text} a state dict; return the model, and give its state with --weights NAME.safetensors"
    return f"{text} {type(found).__name__}"
