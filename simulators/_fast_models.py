"""The step of a neuron model, compiled from the very function that the reference runs.

`step` and every function that it uses are compiled for single integers; the loop over neurons around it is written for
the model's number of states and parameters. The machine code is cached on disk, under a hash of all that went into it.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numba
import numpy as np
from numba import carray, types

from snndeploy.simulators._fast_intrinsics import pointer
from snndeploy.simulators._lava_env import cache_folder

# Addresses of: activations (size) int32, messages (size) int32, states and parameters (each, row) int64; size, row.
SIGNATURE = types.void(*[types.int64] * 6)


def compiled_step(model: ModuleType) -> int:
    """The address of the model's step over all neurons of a population (`SIGNATURE`)."""
    address: int = _compiled(model.step, len(model.STATES), len(model.PARAMETERS)).address
    return address


@cache
def _compiled(step: FunctionType, states: int, parameters: int) -> Any:
    text = "\n".join([_source("", states, parameters), sys.version, numba.__version__, *content(step)])
    name = f"step_{hashlib.sha256(text.encode()).hexdigest()[:24]}"
    source, path = _source(name, states, parameters), _kernel_folder() / f"{name}.py"
    if not path.exists():
        unfinished = path.with_suffix(f".{os.getpid()}")
        unfinished.write_text(source)
        unfinished.replace(path)
    names: dict[str, Any] = {"__name__": __name__, "step": jitted(step), "pointer": pointer, "carray": carray, "np": np}
    exec(compile(source, str(path), "exec"), names)  # the text above this line: Numba caches code that has a file
    return numba.cfunc(SIGNATURE, cache=True, nopython=True)(names[name])


def _source(name: str, states: int, parameters: int) -> str:
    """A function of that name: a loop over neurons around `step`."""
    old = [f"s[{i}, j]" for i in range(states)]
    given = ", ".join(["np.int64(a[j])", *old, *(f"p[{i}, j]" for i in range(parameters))])
    got = ", ".join(["m[j]", *old])
    return f"""\
def {name}(activations, messages, states, parameters, size, row):
    a = carray(pointer(activations), size, np.int32)
    m = carray(pointer(messages), size, np.int32)
    s = carray(pointer(states), ({states}, row), np.int64)
    p = carray(pointer(parameters), ({parameters}, row), np.int64)
    for j in range(size):
        {got}, = step({given})
"""


def jitted(function: FunctionType) -> Any:
    """`function` compiled by Numba, with every Python function that it uses compiled likewise."""
    own = {name: jitted(value) if isinstance(value, FunctionType) else value for name, value in _used(function)}
    names = {**function.__globals__, **own}
    return numba.njit(FunctionType(function.__code__, names, function.__name__, function.__defaults__))


def _used(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """The globals that a function names, modules left out: those are numpy's."""
    for name in _names(function.__code__):
        if name in function.__globals__:
            yield name, function.__globals__[name]


def _names(code: CodeType) -> list[str]:
    inner = [name for value in code.co_consts if isinstance(value, CodeType) for name in _names(value)]
    return sorted({*code.co_names, *inner})


def content(function: FunctionType) -> Iterator[str]:
    """All that decides what a function computes: its code, its defaults, and the globals that it uses."""
    code = function.__code__
    yield repr((function.__name__, code.co_code, code.co_varnames, code.co_names, function.__defaults__))
    yield repr([value for value in code.co_consts if not isinstance(value, CodeType)])
    for name, value in _used(function):
        yield name
        if isinstance(value, FunctionType):
            yield from content(value)
        elif not isinstance(value, ModuleType):
            yield repr(value)


@cache
def _kernel_folder() -> Path:
    """Where kernels are cached: the user's cache folder, or one for this process where that cannot be written."""
    folder = cache_folder() / "kernels"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        return Path(tempfile.mkdtemp(prefix="snndeploy-kernels-"))


Step = Callable[..., Any]
