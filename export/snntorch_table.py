"""What to use instead of a snnTorch or torch part that cannot be exported."""

from __future__ import annotations

SUPPORTED = (
    "Linear, Conv1d, Conv2d, AvgPool1d, AvgPool2d, BatchNorm1d, BatchNorm2d, Flatten, Dropout, Identity,"
    " Leaky, Synaptic, RLeaky, RSynaptic, Lapicque"
)

# Functions of numbers: NIR 1.0.8 has nodes for linear maps and for neurons only.
OF_NUMBERS = """CELU ELU GELU GLU Hardshrink Hardsigmoid Hardswish Hardtanh LeakyReLU LogSigmoid Mish PReLU RReLU
ReLU ReLU6 SELU SiLU Sigmoid Softplus Softshrink Softsign Tanh Tanhshrink Threshold abs absolute celu clamp clamp_max
clamp_min clip elu eq exp ge gelu gt hardsigmoid hardswish hardtanh heaviside le leaky_relu log logsigmoid lt max
maximum min minimum mish ne pow prelu relu relu6 round selu sigmoid sign silu softplus softsign sqrt square
tanh where"""
NORMS = (
    "GroupNorm InstanceNorm1d InstanceNorm2d LayerNorm RMSNorm batch_norm group_norm instance_norm layer_norm normalize"
)
GATED = "GRU GRUCell LSTM LSTMCell RNN RNNCell"
PARTS = "chunk flip gather index_select movedim narrow permute roll split swapaxes t transpose"
PADS = "ConstantPad1d ConstantPad2d ReflectionPad1d ReflectionPad2d ZeroPad1d ZeroPad2d pad"

INSTEAD = {
    **dict.fromkeys(OF_NUMBERS.split(), "use Leaky"),
    **dict.fromkeys(NORMS.split(), "use torch.nn.BatchNorm1d or BatchNorm2d"),
    **dict.fromkeys(GATED.split(), "use Linear and RSynaptic"),
    **dict.fromkeys(PARTS.split(), "use whole populations, in the order of the sample"),
    **dict.fromkeys(PADS.split(), "use the padding of Conv1d or Conv2d, or give a padded sample"),
    **dict.fromkeys(("LogSoftmax", "Softmax", "log_softmax", "softmax"), "leave it out, and return the spikes"),
    "AdaptiveMaxPool1d": "use MaxPool1d of spikes",
    "AdaptiveMaxPool2d": "use MaxPool2d of spikes",
    "Alpha": "use Synaptic",
    "AssociativeLeaky": "use Leaky, one time step a call",
    **dict.fromkeys(
        ("bernoulli", "poisson", "rand_like", "repeat"), "encode the sample before, and give it time steps"
    ),
    "BatchNorm3d": "use BatchNorm2d",
    "BatchNormTT1d": "use one BatchNorm1d for all time steps",
    "BatchNormTT2d": "use one BatchNorm2d for all time steps",
    "Conv3d": "use Conv2d",
    "ConvTranspose1d": "use Conv1d or Linear",
    "ConvTranspose2d": "use Conv2d or Linear",
    "DeltaLeaky": "use Leaky",
    "Embedding": "use Linear, of spikes",
    "LeakyParallel": "use Leaky, one time step a call",
    "LinearLeaky": "use Linear and Leaky, one time step a call",
    "SConv2dLSTM": "use Conv2d and Synaptic",
    "SLSTM": "use Linear and RSynaptic",
    "StateLeaky": "use Leaky, one time step a call",
    "Upsample": "use Linear",
    "adaptive_avg_pool1d": "use torch.nn.AdaptiveAvgPool1d",
    "adaptive_avg_pool2d": "use torch.nn.AdaptiveAvgPool2d",
    "autocast": "leave it out, the model is compared with the graph in float64",
    "float": "leave conversions out, the model is compared with the graph in float64",
    "interpolate": "use Linear",
    "mean": "use AvgPool2d",
    "sum": "return the spikes of every time step",
}


def refusal(name: str) -> str:
    """Why the class or function `name` is refused, and what to do."""
    return f"{name} is not supported; {INSTEAD.get(name, f'supported: {SUPPORTED}, x.flatten(1)')}"
