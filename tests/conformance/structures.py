"""Small snnTorch models, one for each structure that a network can have, with a bias in every layer."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import nir
import numpy as np
import snntorch as snn
import torch
import torch.nn.functional as torch_functions
from torch import nn

from snndeploy.export import metadata
from snndeploy.export.nir_neurons import to_nir
from snndeploy.export.snntorch import export_model
from tests.export.matrix_models import made

ZERO = {"reset_mechanism": "zero", "reset_delay": False, "init_hidden": True}
IMAGE = (2, 8, 8)
DT = 1e-4


def leaky() -> Any:
    return snn.Leaky(beta=0.5, threshold=1.0, **ZERO)


def synaptic() -> Any:
    return snn.Synaptic(alpha=0.5, beta=0.5, threshold=2.0, **ZERO)


@dataclass(frozen=True)
class Structure:
    """`make` gives a model for inputs of `shapes`; `projections` is what the compiler makes: name, kind and delay."""

    make: Callable[[], nn.Module]
    shapes: tuple[tuple[int, ...], ...]
    projections: set[str]

    def graph(self, model: nn.Module) -> nir.NIRGraph:
        """`model` as NIR; its export compares every spike, too."""
        if isinstance(model, Loop):
            return model.graph()
        return export_model(model, self.shapes if len(self.shapes) > 1 else self.shapes[0], DT).graph


STRUCTURES: dict[str, Structure] = {}


def structure(name: str, projections: str, *shapes: tuple[int, ...]) -> Any:
    """Adds what makes a model to STRUCTURES."""

    def add(make: Callable[[], nn.Module]) -> Any:
        STRUCTURES[name] = Structure(make, shapes, set(projections.split(", ")))
        return make

    return add


def sequential(**layers: nn.Module) -> nn.Module:
    model = nn.Sequential()
    for name, layer in layers.items():
        model.add_module(name, layer)
    return model


class Loop(nn.Module):
    """Two populations in a loop: what `b` sends comes back to `a` as many steps later as `steps` says."""

    def __init__(self, steps: int, neuron: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.steps, self.past = steps, deque[torch.Tensor](maxlen=steps)
        self.fc_a, self.fc_b, self.back = nn.Linear(10, 8), nn.Linear(8, 8), nn.Linear(8, 8)
        self.a, self.b = neuron(), neuron()

    def forward(self, x: Any) -> Any:
        late = self.past[0] if len(self.past) == self.steps else torch.zeros(len(x), 8, dtype=x.dtype)
        a = self.a(self.fc_a(x) + self.back(late))
        self.past.append(self.b(self.fc_b(a)))
        return self.past[-1]

    def graph(self) -> nir.NIRGraph:
        """The same in NIR, for the exporter refuses recurrence that is written by hand."""
        nodes = {"input": nir.Input(np.array([10])), "output": nir.Output(np.array([8]))}
        for name in ("fc_a", "fc_b", "back"):
            layer = getattr(self, name)
            nodes[name] = nir.Affine(layer.weight.detach().numpy(), layer.bias.detach().numpy())
        for name in ("a", "b"):
            neuron = getattr(self, name)
            alpha = np.full(8, float(neuron.alpha)) if hasattr(neuron, "alpha") else None
            nodes[name] = to_nir(alpha, np.full(8, float(neuron.beta)), np.full(8, float(neuron.threshold)), DT)
        path = ("input", "fc_a", "a", "fc_b", "b", "back", "a")
        graph = nir.NIRGraph(nodes, [*pairwise(path), ("b", "output")])
        metadata.write(graph, metadata.Metadata(DT, {"a": "zero", "b": "zero"}, {("b", "back"): self.steps}))
        return graph


@structure("a loop through two populations in two steps", "input-a dense 0, a-b dense 0, b-a dense 0", (10,))
def loop_of_two_steps() -> nn.Module:
    return Loop(2, leaky)


@structure(
    "a loop through two populations with synaptic current in three steps",
    "input-a dense 0, a-b dense 0, b-a dense 1, a.bias dense 0, b.bias dense 1",
    (10,),
)
def loop_of_three_steps() -> nn.Module:
    return Loop(3, synaptic)


@structure(
    "a residual network, paths of one, two, three and four layers",
    "input-a dense 0, a-b dense 0, b-c dense 0, c-d dense 0, a-c dense 1, a-d dense 2, input-d dense 3",
    (12,),
)
def residual() -> nn.Module:
    def forward(m: Any, x: Any) -> Any:
        a = m.a(m.fc_a(x))
        b = m.b(m.fc_b(a))
        c = m.c(m.fc_c(b) + a)
        return m.d(m.fc_d(c) + m.skip(a) + m.short(x))

    layers = {f"fc_{name}": nn.Linear(12, 12) for name in "abcd"}
    ends = {"skip": nn.Linear(12, 12), "short": nn.Linear(12, 12)}
    return made(forward, **layers, **ends, **{name: leaky() for name in "abcd"})


@structure("a residual block of convolutions", "input-a conv 0, a-b conv 0, b-c conv 0, input-c conv 2", IMAGE)
def residual_block() -> nn.Module:
    def forward(m: Any, x: Any) -> Any:
        a = m.a(m.conv_a(x))
        b = m.b(m.conv_b(a))
        return m.c(m.conv_c(b) + m.short(x))

    layers = {
        "conv_a": nn.Conv2d(2, 4, 3, padding=1),
        "conv_b": nn.Conv2d(4, 4, 3, padding=1),
        "conv_c": nn.Conv2d(4, 4, 3, padding=1, stride=2),
        "short": nn.Conv2d(2, 4, 1, stride=2),
    }
    return made(forward, **layers, a=leaky(), b=leaky(), c=leaky())


@structure(
    "a residual block whose shortcut has no weights", "input-a conv 0, a-b conv 0, b-c conv 0, a-c sparse 1", IMAGE
)
def identity_block() -> nn.Module:
    def forward(m: Any, x: Any) -> Any:
        a = m.a(m.conv_a(x))
        return m.c(m.conv_c(m.b(m.conv_b(a))) + a)

    layers = {"conv_a": nn.Conv2d(2, 3, 3, padding=1), "conv_b": nn.Conv2d(3, 3, 3, padding=1)}
    return made(forward, **layers, conv_c=nn.Conv2d(3, 3, 3, padding=1), a=leaky(), b=leaky(), c=leaky())


@structure("average pooling before a convolution", "input-a conv 0, a-b conv 0", IMAGE)
def average_then_conv() -> nn.Module:
    return sequential(
        conv_a=nn.Conv2d(2, 3, 3, padding=1), a=leaky(), pool=nn.AvgPool2d(2), conv_b=nn.Conv2d(3, 4, 3), b=leaky()
    )


@structure(
    "sum pooling before a convolution, with a remainder behind padding", "input-a conv 0, a-b sparse 0", (2, 9, 9)
)
def sum_then_conv() -> nn.Module:
    def forward(m: Any, x: Any) -> Any:
        return m.b(m.conv_b(torch_functions.avg_pool2d(m.a(m.conv_a(x)), 2) * 4))

    layers = {"conv_a": nn.Conv2d(2, 3, 3, padding=1), "conv_b": nn.Conv2d(3, 4, 2, padding=1)}
    return made(forward, **layers, a=leaky(), b=leaky())


@structure("average pooling behind a convolution and before a matrix", "input-a conv 0, a-b dense 0", IMAGE)
def average_then_dense() -> nn.Module:
    return sequential(
        conv_a=nn.Conv2d(2, 3, 3, padding=1),
        pool_a=nn.AvgPool2d(2),
        a=leaky(),
        pool_b=nn.AvgPool2d(2),
        flatten=nn.Flatten(),
        fc=nn.Linear(12, 6),
        b=leaky(),
    )


@structure("max pooling of spikes", "input-a conv 0, a-pool conv 0, pool-c conv 0, a-c conv 1", IMAGE)
def max_pooling() -> nn.Module:
    def forward(m: Any, x: Any) -> Any:
        a = m.a(m.conv_a(x))
        return m.c(m.conv_c(m.pool(a)) + m.short(a))

    layers = {
        "conv_a": nn.Conv2d(2, 3, 3, padding=1),
        "pool": nn.MaxPool2d(2),
        "conv_c": nn.Conv2d(3, 4, 3, padding=1),
        "short": nn.Conv2d(3, 4, 2, stride=2),
    }
    return made(forward, **layers, a=leaky(), c=leaky())


@structure("grouped and depthwise convolutions", "input-a conv 0, a-b conv 0", (4, 6, 6))
def grouped() -> nn.Module:
    return sequential(
        conv_a=nn.Conv2d(4, 4, 3, padding=1, groups=2),
        a=leaky(),
        conv_b=nn.Conv2d(4, 8, 3, groups=4),
        b=leaky(),
    )


@structure("dilated convolutions", "input-a conv 0, a-b conv 0", IMAGE)
def dilated() -> nn.Module:
    return sequential(
        conv_a=nn.Conv2d(2, 3, 3, padding=2, dilation=2),
        a=leaky(),
        conv_b=nn.Conv2d(3, 4, 2, dilation=(3, 1)),
        b=leaky(),
    )


@structure("kernels and images that are no squares", "input-a conv 0, a-b conv 0, b-c dense 0", (2, 5, 9))
def no_squares() -> nn.Module:
    return sequential(
        conv_a=nn.Conv2d(2, 3, (1, 4), stride=(1, 2), padding=(0, 1)),
        a=leaky(),
        conv_b=nn.Conv2d(3, 3, (3, 2)),
        b=leaky(),
        flatten=nn.Flatten(),
        fc=nn.Linear(27, 5),
        c=leaky(),
    )


@structure("convolutions in one dimension", "input-a conv 0, a-b conv 0", (3, 16))
def one_dimension() -> nn.Module:
    return sequential(
        conv_a=nn.Conv1d(3, 4, 4, stride=2, padding=1),
        a=leaky(),
        pool=nn.AvgPool1d(2),
        conv_b=nn.Conv1d(4, 4, 2, dilation=2, groups=2),
        b=leaky(),
    )


@structure("two inputs", "x-a dense 0, a-b dense 0, y-b dense 1", (10,), (6,))
def two_inputs() -> nn.Module:
    def forward(m: Any, x: Any, y: Any) -> Any:
        return m.b(m.fc_b(m.a(m.fc_a(x))) + m.late(y))

    layers = {"fc_a": nn.Linear(10, 8), "fc_b": nn.Linear(8, 8), "late": nn.Linear(6, 8)}
    return made(forward, **layers, a=leaky(), b=leaky())


@structure("two outputs", "input-a dense 0, a-b dense 0, b-c dense 0", (10,))
def two_outputs() -> nn.Module:
    def forward(m: Any, x: Any) -> Any:
        a = m.a(m.fc_a(x))
        b = m.b(m.fc_b(a))
        return m.c(m.fc_c(b)), a

    layers = {"fc_a": nn.Linear(10, 8), "fc_b": nn.Linear(8, 8), "fc_c": nn.Linear(8, 6)}
    return made(forward, **layers, a=leaky(), b=leaky(), c=leaky())


@structure(
    "biases of neurons with synaptic current",
    "input-a conv 0, a-b dense 0, b-c dense 0, a-c dense 1, a.bias dense 0, b.bias dense 1, c.bias dense 2",
    IMAGE,
)
def synaptic_currents() -> nn.Module:
    def forward(m: Any, x: Any) -> Any:
        a = m.a(m.conv_a(x))
        b = m.b(m.fc_b(a.flatten(1)))
        return m.c(m.fc_c(b) + m.skip(a.flatten(1)))

    layers = {
        "conv_a": nn.Conv2d(2, 3, 4, stride=2),
        "fc_b": nn.Linear(27, 8),
        "fc_c": nn.Linear(8, 6),
        "skip": nn.Linear(27, 6),
    }
    return made(forward, **layers, a=synaptic(), b=synaptic(), c=synaptic())


@structure(
    "recurrence within two layers, and a shortcut around one",
    "input-a dense 0, a-b dense 0, b-c dense 0, a-c dense 1, a-a dense 0, b-b dense 0",
    (10,),
)
def recurrent() -> nn.Module:
    def forward(m: Any, x: Any) -> Any:
        a = m.a(m.fc_a(x))
        return m.c(m.fc_c(m.b(m.fc_b(a))) + m.skip(a))

    layers = {"fc_a": nn.Linear(10, 8), "fc_b": nn.Linear(8, 8), "fc_c": nn.Linear(8, 6), "skip": nn.Linear(8, 6)}
    own = {name: snn.RLeaky(beta=0.5, threshold=1.0, linear_features=8, all_to_all=True, **ZERO) for name in "ab"}
    return made(forward, **layers, **own, c=leaky())
