"""What to use instead of a snnTorch or torch part that cannot be exported."""

from __future__ import annotations

SUPPORTED = (
    "Linear, Conv1d, Conv2d, AvgPool1d, AvgPool2d, BatchNorm1d, BatchNorm2d, Flatten, Dropout, Identity,"
    " Leaky, Synaptic, RLeaky, RSynaptic, Lapicque"
)

INSTEAD = {
    "Alpha": "use Synaptic",
    "AssociativeLeaky": "use Leaky, one time step a call",
    "BatchNorm3d": "use BatchNorm2d",
    "BatchNormTT1d": "use one BatchNorm1d for all time steps",
    "BatchNormTT2d": "use one BatchNorm2d for all time steps",
    "ConvTranspose1d": "use Conv1d or Linear",
    "ConvTranspose2d": "use Conv2d or Linear",
    "DeltaLeaky": "use Leaky",
    "GELU": "use Leaky",
    "LeakyParallel": "use Leaky, one time step a call",
    "LinearLeaky": "use Linear and Leaky, one time step a call",
    "ReLU": "use Leaky",
    "SConv2dLSTM": "use Conv2d and Synaptic",
    "SLSTM": "use Linear and RSynaptic",
    "Sigmoid": "use Leaky",
    "StateLeaky": "use Leaky, one time step a call",
    "autocast": "leave it out, the model is compared with the graph in float64",
    "float": "leave conversions out, the model is compared with the graph in float64",
    "mean": "use AvgPool2d",
    "relu": "use Leaky",
    "sigmoid": "use Leaky",
    "sum": "return the spikes of every time step",
}


def refusal(name: str) -> str:
    """Why the class or function `name` is refused, and what to do."""
    return f"{name} is not supported; {INSTEAD.get(name, f'supported: {SUPPORTED}, x.flatten(1)')}"
