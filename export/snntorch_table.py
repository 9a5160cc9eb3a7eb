"""What to use instead of a snnTorch or torch part that cannot be exported."""

from __future__ import annotations

SUPPORTED = "Linear, Flatten, Dropout, Identity, Leaky, Synaptic, RLeaky"

INSTEAD = {
    "Alpha": "use Synaptic",
    "BatchNorm1d": "fold it into the Linear before it (torch.nn.utils.fusion.fuse_linear_bn_eval)",
    "DeltaLeaky": "use Leaky",
    "Lapicque": "use Leaky",
    "LeakyParallel": "use Leaky, one time step a call",
    "LinearLeaky": "use Linear and Leaky, one time step a call",
    "RSynaptic": "use RLeaky",
    "ReLU": "use Leaky",
    "Sigmoid": "use Leaky",
    "StateLeaky": "use Leaky, one time step a call",
    "dropout": "use the module torch.nn.Dropout",
    "linear": "use the module torch.nn.Linear",
    "relu": "use Leaky",
    "reshape": "use x.flatten(1)",
    "view": "use x.flatten(1)",
}


def refusal(name: str) -> str:
    """Why the class or function `name` is refused, and what to do."""
    return f"{name} is not supported; {INSTEAD.get(name, f'supported: {SUPPORTED}, x.flatten(1)')}"
