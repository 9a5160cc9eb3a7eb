"""The state that a user's model is in: what stands in the way of an export, and what an export leaves out of it."""

from __future__ import annotations

from typing import Any

from snndeploy.errors import BadInput, Problems, shortened
from snndeploy.extras import extras

with extras():
    import snntorch as snn
    import torch
    from torch import nn
    from torch.nn.modules.batchnorm import _BatchNorm
    from torch.nn.modules.dropout import _DropoutNd
    from torch.nn.parameter import is_lazy

LIBRARIES = ("snntorch.", "torch.nn.", "torch.ao.")
CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
# What wraps a model or a part of it -> what to use instead.
WRAPPERS = {
    "DataParallel": "its .module",
    "DistributedDataParallel": "its .module",
    "OptimizedModule": "its ._orig_mod, which torch.compile was given",
    "RecursiveScriptModule": "what torch.jit was given",
    "TopLevelTracedModule": "what torch.jit was given",
}
MODES: tuple[tuple[type[nn.Module], str], ...] = (
    (_BatchNorm, "with its running mean and variance"),
    (_DropoutNd, "without it"),
)
HALF = (torch.float16, torch.bfloat16)


def is_neuron(module: nn.Module) -> bool:
    return isinstance(module, snn.SpikingNeuron)


def is_leaf(module: nn.Module) -> bool:
    """Whether a graph has a part for it as a whole: not the user's modules and Sequentials, which are followed."""
    library = type(module).__module__.startswith(LIBRARIES)
    return is_neuron(module) or (library and not isinstance(module, CONTAINERS))


def check(model: Any) -> None:
    """Raise BadInput for what is no model, is wrapped, has a replaced forward, or has tensors without values.

    Those are on the device "meta", or lazy and not yet made.
    """
    if not isinstance(model, nn.Module):
        found = f"the class {model.__name__}" if isinstance(model, type) else type(model).__name__
        raise BadInput("model", f"expected a torch.nn.Module, found {found}")
    problems = Problems("model")
    for path, module in model.named_modules():
        kind = type(module).__name__
        problems.require(kind not in WRAPPERS, path, f"{kind} is not supported; use {WRAPPERS.get(kind)}")
        quantized = hasattr(module, "_FLOAT_MODULE")  # what torch made it from
        problems.require(not quantized, path, f"{kind} is quantized by torch; give the model as it was before")
    problems.raise_if_any()
    kind = type(model).__name__
    text = f"{kind} has no forward; write one, or put its modules into a torch.nn.Sequential"
    problems.require(type(model).forward is not nn.Module.forward, "", text)
    for path, module in model.named_modules():
        text = f"the {{}} of this {type(module).__name__} was replaced; put the new one into a class of its own"
        for method in _replaced(module):
            problems.add(path, text.format(method))
    tensors = dict([*model.named_parameters(), *model.named_buffers()])
    for name in (name for name, tensor in tensors.items() if is_lazy(tensor)):
        problems.add(name, "has no shape yet; run the model once, then export it")
    empty = [name for name, tensor in tensors.items() if tensor.is_meta and not is_lazy(tensor)]
    if empty:
        text = "no values (on the device 'meta'); make the model on the CPU and load its state, then export it"
        problems.add(shortened(empty), text)
    problems.raise_if_any()


def notes(model: nn.Module) -> list[str]:
    """What of the state of `model` an export does not keep: the device, the training mode, rounding to half."""
    tensors = [*model.parameters(), *model.buffers()]
    found = []
    devices = sorted({str(tensor.device) for tensor in tensors} - {"cpu"})
    if devices:
        found.append(f"the model is on {', '.join(devices)}: a copy of it on the CPU was exported")
    halves = sorted({str(tensor.dtype).removeprefix("torch.") for tensor in tensors if tensor.dtype in HALF})
    if halves:
        names = ", ".join(halves)
        text = "exported and compared in float64; where that type rounds, the model's own spikes may differ"
        found.append(f"the model is in {names}: {text}")
    for kind, how in MODES:
        own = [path for path, module in model.named_modules() if isinstance(module, kind) and module.training]
        if own:
            names = shortened([f"{path} ({type(model.get_submodule(path)).__name__})" for path in own])
            found.append(f"in train mode: {names}; exported as after model.eval(), {how}")
    return found


def _replaced(module: nn.Module) -> list[str]:
    """Methods in whose place the module has other functions; one of a followed module may be bound to it."""
    kind, own = type(module), vars(module)
    methods = [name for name, value in own.items() if callable(value) and callable(getattr(kind, name, None))]
    if not is_leaf(module):
        return [name for name in methods if getattr(own[name], "__self__", None) is not module]
    patched = kind.__module__.startswith(LIBRARIES) and not kind.forward.__module__.startswith(("torch.", "snntorch."))
    return [*methods, "forward"] if patched else methods


def hooked(model: nn.Module) -> list[str]:
    """The modules whose forward has hooks, which may change what a graph does not see."""
    every = nn.modules.module
    if every._global_forward_hooks or every._global_forward_pre_hooks:
        return ["all modules"]
    modules = model.named_modules()
    return [path or "the model" for path, module in modules if module._forward_hooks or module._forward_pre_hooks]
