"""The 92 small models on which snnTorch's own exporter and importer were measured: a function for each.

Each gives a model and a sample; `refused` holds the lines with which the export is refused, where it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import snntorch as snn
import torch
from torch import nn

STEPS = 40
IN, HIDDEN, OUT = 16, 32, 8
IMAGE = (1, 8, 8)


@dataclass(frozen=True)
class Row:
    """`runs`: "step" (forward makes one), "loop" (it makes all with one input) or "time" (all, time first).

    `arguments`: how many states forward takes after its inputs.
    """

    name: str
    make: Callable[[], tuple[nn.Module, Any]]
    refused: tuple[str, ...] = ()
    runs: str = "step"
    arguments: int = 0


ROWS: list[Row] = []


def row(name: str, *refused: str, runs: str = "step", arguments: int = 0) -> Callable[[Any], Any]:
    def add(make: Callable[[], tuple[nn.Module, Any]]) -> Any:
        ROWS.append(Row(name, make, refused, runs, arguments))
        return make

    return add


class Made(nn.Module):
    """A model with these modules and `forward(model, ...)`."""

    def __init__(self, **modules: nn.Module) -> None:
        super().__init__()
        for name, module in modules.items():
            self.add_module(name, module)


def made(forward: Any, **modules: nn.Module) -> nn.Module:
    model: nn.Module = type("Model", (Made,), {"forward": forward})(**modules)
    return model


def vector(size: int, low: float = 0.5, high: float = 0.95) -> torch.Tensor:
    return torch.linspace(low, high, size)


def leaky(beta: Any = 0.9, **options: Any) -> Any:
    return snn.Leaky(beta, **{"init_hidden": True, **options})


def mlp(hidden: Any, out: Any = None, bias: bool = True) -> tuple[nn.Module, Any]:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(IN, HIDDEN, bias=bias), hidden, nn.Linear(HIDDEN, OUT, bias=bias), out or leaky()), (
        IN,
    )


def convolutional(*layers: nn.Module, features: int, shape: tuple[int, ...] = IMAGE) -> tuple[nn.Module, Any]:
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(features, 10), leaky()), shape


# 01: multilayer perceptrons of Leaky


@row("01 MLP seq Leaky subtract delay")
def r01() -> Any:
    return mlp(leaky(), leaky())


@row("01b MLP Leaky subtract no-delay")
def r01b() -> Any:
    return mlp(leaky(reset_delay=False), leaky(reset_delay=False))


@row("01c MLP Leaky zero delay")
def r01c() -> Any:
    return mlp(leaky(reset_mechanism="zero"), leaky(reset_mechanism="zero"))


@row("01d MLP Leaky zero no-delay")
def r01d() -> Any:
    options = {"reset_mechanism": "zero", "reset_delay": False}
    return mlp(leaky(**options), leaky(**options))


@row("01e MLP Leaky none")
def r01e() -> Any:
    return mlp(leaky(reset_mechanism="none"), leaky(reset_mechanism="none"))


@row("01f as 01d but per-neuron vector beta+thr")
def r01f() -> Any:
    options = {"reset_mechanism": "zero", "reset_delay": False}
    return mlp(
        leaky(torch.full((HIDDEN,), 0.9), threshold=torch.ones(HIDDEN), **options),
        leaky(torch.full((OUT,), 0.9), threshold=torch.ones(OUT), **options),
    )


@row("01g vector beta scalar threshold")
def r01g() -> Any:
    return mlp(leaky(vector(HIDDEN)), leaky(vector(OUT)))


@row("01h heterogenous beta+uniform thr vector")
def r01h() -> Any:
    return mlp(leaky(vector(HIDDEN), threshold=torch.ones(HIDDEN)), leaky(vector(OUT), threshold=torch.ones(OUT)))


@row("01i learned heterogeneous threshold")
def r01i() -> Any:
    return mlp(leaky(threshold=vector(HIDDEN, 0.5, 1.5), learn_threshold=True))


@row("01j learned beta >1 (clamped in fwd)")
def r01j() -> Any:
    return mlp(leaky(torch.full((HIDDEN,), 1.3), learn_beta=True))


@row("01k beta=1")
def r01k() -> Any:
    return mlp(leaky(1.0), leaky(1.0))


@row("01l beta=0")
def r01l() -> Any:
    return mlp(leaky(0.0), leaky(0.0))


@row("01m graded_spikes_factor=2")
def r01m() -> Any:
    return mlp(leaky(graded_spikes_factor=2.0))


@row("01n no-bias Linear")
def r01n() -> Any:
    return mlp(leaky(), leaky(), bias=False)


@row("01o ignore_dims default batch1")
def r01o() -> Any:
    model, shape = mlp(leaky(), leaky())
    return model, torch.rand(shape)


@row("01p inhibition", "model: 1: Leaky with inhibition is not supported; use inhibition=False")
def r01p() -> Any:
    return mlp(leaky(inhibition=True))


# 02: convolutions


@row("02a conv+avgpool+flatten vector")
def r02a() -> Any:
    beta = torch.full((4, 8, 8), 0.9)
    return convolutional(nn.Conv2d(1, 4, 3, padding=1), leaky(beta), nn.AvgPool2d(2), features=64)


@row("02b conv+maxpool", "model: 1: MaxPool2d of currents is not supported; pool after the neuron, or use AvgPool")
def r02b() -> Any:
    return convolutional(nn.Conv2d(1, 4, 3, padding=1), nn.MaxPool2d(2), leaky(), features=64)


@row("02c conv+avgpool scalar beta")
def r02c() -> Any:
    return convolutional(nn.Conv2d(1, 4, 3, padding=1), nn.AvgPool2d(2), leaky(), features=64)


@row("02d conv+BN")
def r02d() -> Any:
    norm = nn.BatchNorm2d(4)
    norm.running_mean, norm.running_var = torch.rand(4) / 4, 0.5 + torch.rand(4)
    norm.weight.data, norm.bias.data = 0.5 + torch.rand(4), torch.rand(4) / 4
    return convolutional(nn.Conv2d(1, 4, 3, padding=1), norm, leaky(), features=256)


@row("02e dropout")
def r02e() -> Any:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(IN, HIDDEN), leaky(), nn.Dropout(0.5), nn.Linear(HIDDEN, OUT), leaky()), (IN,)


@row("02f conv no bias")
def r02f() -> Any:
    return convolutional(nn.Conv2d(1, 4, 3, padding=1, bias=False), leaky(), features=256)


@row("02g conv nonsquare kernel")
def r02g() -> Any:
    return convolutional(nn.Conv2d(1, 4, (3, 5), padding=(1, 2)), leaky(), features=256)


@row("02h conv nonsquare valid")
def r02h() -> Any:
    return convolutional(nn.Conv2d(1, 4, (3, 5)), leaky(), features=96)


@row("02i conv padding=same")
def r02i() -> Any:
    return convolutional(nn.Conv2d(1, 4, 3, padding="same"), leaky(), features=256)


@row("02j depthwise groups")
def r02j() -> Any:
    return convolutional(nn.Conv2d(2, 4, 3, padding=1, groups=2), leaky(), features=256, shape=(2, 8, 8))


@row("02k avgpool padding=1")
def r02k() -> Any:
    return convolutional(nn.Conv2d(1, 4, 3, padding=1), leaky(), nn.AvgPool2d(2, padding=1), features=100)


@row(
    "02l avgpool ceil_mode",
    "model: 2: AvgPool2d with ceil_mode has windows that end outside here; use ceil_mode=False, or pad the input",
)
def r02l() -> Any:
    return convolutional(nn.Conv2d(1, 4, 3, padding=1), leaky(), nn.AvgPool2d(3, ceil_mode=True), features=36)


@row("02m Conv1d")
def r02m() -> Any:
    return convolutional(nn.Conv1d(2, 4, 3, padding=1), leaky(), features=64, shape=(2, 16))


@row("02n padding_mode circular", "model: 0: Conv2d with padding_mode='circular' is not supported; use 'zeros'")
def r02n() -> Any:
    return convolutional(nn.Conv2d(1, 4, 3, padding=1, padding_mode="circular"), leaky(), features=256)


@row("02o convtranspose", "model: 0: ConvTranspose2d is not supported; use Conv2d or Linear")
def r02o() -> Any:
    return convolutional(nn.ConvTranspose2d(1, 4, 3, padding=1), leaky(), features=256)


# 03: recurrence


@row("03a RLeaky all_to_all")
def r03a() -> Any:
    return mlp(snn.RLeaky(0.9, linear_features=HIDDEN, init_hidden=True))


@row("03b RLeaky all_to_all no-delay")
def r03b() -> Any:
    return mlp(snn.RLeaky(0.9, linear_features=HIDDEN, init_hidden=True, reset_delay=False))


@row("03c RLeaky one-to-one vector V")
def r03c() -> Any:
    return mlp(snn.RLeaky(0.9, V=vector(HIDDEN, -0.5, 0.8), all_to_all=False, init_hidden=True))


@row("03d RLeaky one-to-one scalar V")
def r03d() -> Any:
    return mlp(snn.RLeaky(0.9, V=0.4, all_to_all=False, init_hidden=True))


@row("03e RLeaky conv recurrent")
def r03e() -> Any:
    neuron = snn.RLeaky(0.9, conv2d_channels=4, kernel_size=3, init_hidden=True)
    return convolutional(nn.Conv2d(1, 4, 3, padding=1), neuron, features=256)


@row("03f RSynaptic all_to_all")
def r03f() -> Any:
    return mlp(snn.RSynaptic(0.8, 0.9, linear_features=HIDDEN, init_hidden=True))


@row(
    "03g RSynaptic all_to_all no-delay",
    "model: 1: RSynaptic with reset_delay=False ends with an error in snnTorch 1.0; use reset_delay=True",
)
def r03g() -> Any:
    return mlp(snn.RSynaptic(0.8, 0.9, linear_features=HIDDEN, init_hidden=True, reset_delay=False))


@row("03h RSynaptic one-to-one vector V")
def r03h() -> Any:
    return mlp(snn.RSynaptic(0.8, 0.9, V=vector(HIDDEN, -0.5, 0.8), all_to_all=False, init_hidden=True))


# 04: the other neurons


@row("04a Synaptic scalar")
def r04a() -> Any:
    return mlp(snn.Synaptic(0.8, 0.9, init_hidden=True), snn.Synaptic(0.8, 0.9, init_hidden=True))


@row("04b Synaptic vector")
def r04b() -> Any:
    alpha, beta, threshold = torch.full((HIDDEN,), 0.8), torch.full((HIDDEN,), 0.9), torch.ones(HIDDEN)
    return mlp(snn.Synaptic(alpha, beta, threshold=threshold, init_hidden=True))


@row("04c Lapicque")
def r04c() -> Any:
    return mlp(snn.Lapicque(beta=0.9, init_hidden=True), snn.Lapicque(R=2.0, C=4.0, init_hidden=True))


@row("04d Alpha", "model: 1: Alpha is not supported; use Synaptic")
def r04d() -> Any:
    return mlp(snn.Alpha(0.9, 0.8, init_hidden=True))


@row("04e SLSTM", "model: 0: SLSTM is not supported; use Linear and RSynaptic")
def r04e() -> Any:
    return nn.Sequential(snn.SLSTM(IN, HIDDEN, init_hidden=True), nn.Linear(HIDDEN, OUT), leaky()), (IN,)


@row("04f DeltaLeaky(subclass of Leaky)", "model: 1: DeltaLeaky is not supported; use Leaky")
def r04f() -> Any:
    return mlp(snn.DeltaLeaky(0.9, 0.1, init_hidden=True))


# 05: forwards


@row("05a residual add")
def r05a() -> Any:
    def forward(m: Any, x: Any) -> Any:
        s = m.l1(m.fc1(x))
        return m.out(m.fc3(m.l2(m.fc2(s)) + s))

    modules = {"fc1": nn.Linear(IN, 16), "fc2": nn.Linear(16, 16), "fc3": nn.Linear(16, OUT)}
    return made(forward, **modules, l1=leaky(), l2=leaky(), out=leaky()), (IN,)


@row("05b skip from input")
def r05b() -> Any:
    def forward(m: Any, x: Any) -> Any:
        return m.l2(m.fc2(m.l1(m.fc1(x)) + x))

    return made(forward, fc1=nn.Linear(IN, IN), l1=leaky(), fc2=nn.Linear(IN, OUT), l2=leaky()), (IN,)


@row("05c concat")
def r05c() -> Any:
    def forward(m: Any, x: Any) -> Any:
        return m.l3(m.fc3(torch.cat([m.l1(m.fc1(x)), m.l2(m.fc2(x))], dim=1)))

    modules = {"fc1": nn.Linear(IN, 12), "fc2": nn.Linear(IN, 20), "fc3": nn.Linear(32, OUT)}
    return made(forward, **modules, l1=leaky(), l2=leaky(0.7), l3=leaky()), (IN,)


@row("05d shared Linear used twice")
def r05d() -> Any:
    def forward(m: Any, x: Any) -> Any:
        return m.l2(m.fc(m.l1(m.fc(x))))

    return made(forward, fc=nn.Linear(IN, IN), l1=leaky(), l2=leaky()), (IN,)


@row("05e functional scale/shift")
def r05e() -> Any:
    def forward(m: Any, x: Any) -> Any:
        return m.l2(m.fc2(m.l1(m.fc1(x) * 2.0 + 0.1) - 0.5) / 1.5)

    return made(forward, fc1=nn.Linear(IN, HIDDEN), l1=leaky(), fc2=nn.Linear(HIDDEN, OUT), l2=leaky()), (IN,)


@row("05f functional relu", "model: forward: relu is not supported; use Leaky")
def r05f() -> Any:
    def forward(m: Any, x: Any) -> Any:
        return m.l1(torch.relu(m.fc1(x)))

    return made(forward, fc1=nn.Linear(IN, OUT), l1=leaky()), (IN,)


@row("05g two inputs (positional)")
def r05g() -> Any:
    def forward(m: Any, a: Any, b: Any) -> Any:
        return m.l1(m.fa(a) + m.fb(b))

    return made(forward, fa=nn.Linear(IN, OUT), fb=nn.Linear(12, OUT), l1=leaky()), ((IN,), (12,))


@row("05h two outputs")
def r05h() -> Any:
    def forward(m: Any, x: Any) -> Any:
        s = m.l1(m.fc1(x))
        return m.la(m.fa(s)), m.lb(m.fb(s))

    modules = {"fc1": nn.Linear(IN, HIDDEN), "fa": nn.Linear(HIDDEN, 8), "fb": nn.Linear(HIDDEN, 4)}
    return made(forward, **modules, l1=leaky(), la=leaky(), lb=leaky()), (IN,)


def tutorial(steps: int, **options: Any) -> nn.Module:
    """The network of snnTorch's fifth tutorial: `steps` time steps of one input."""

    def forward(m: Any, x: Any) -> Any:
        mem1, mem2 = m.lif1.init_leaky(), m.lif2.init_leaky()
        spk2_rec, mem2_rec = [], []
        for _step in range(steps):
            spk1, mem1 = m.lif1(m.fc1(x), mem1)
            spk2, mem2 = m.lif2(m.fc2(spk1), mem2)
            spk2_rec.append(spk2)
            mem2_rec.append(mem2)
        return torch.stack(spk2_rec, dim=0), torch.stack(mem2_rec, dim=0)

    modules = {"fc1": nn.Linear(IN, HIDDEN), "fc2": nn.Linear(HIDDEN, OUT)}
    beta1, beta2 = options.get("betas", (0.95, 0.95))
    return made(forward, **modules, lif1=snn.Leaky(beta1), lif2=snn.Leaky(beta2))


@row("05i tutorial style loop-in-forward explicit mem", runs="loop")
def r05i() -> Any:
    return tutorial(STEPS), (IN,)


@row("05j explicit mem one step", arguments=2)
def r05j() -> Any:
    def forward(m: Any, x: Any, mem1: Any, mem2: Any) -> Any:
        spk1, mem1 = m.lif1(m.fc1(x), mem1)
        spk2, mem2 = m.lif2(m.fc2(spk1), mem2)
        return spk2, mem1, mem2

    modules = {"fc1": nn.Linear(IN, HIDDEN), "fc2": nn.Linear(HIDDEN, OUT)}
    return made(forward, **modules, lif1=snn.Leaky(0.9), lif2=snn.Leaky(0.9)), (IN,)


@row("05k nested Sequential")
def r05k() -> Any:
    block = nn.Sequential(nn.Linear(IN, HIDDEN), leaky())
    return nn.Sequential(block, nn.Sequential(nn.Sequential(nn.Linear(HIDDEN, OUT)), leaky())), (IN,)


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.fc, self.lif = nn.Linear(inputs, outputs), leaky()

    def forward(self, x: Any) -> Any:
        return self.lif(self.fc(x))


@row("05l nested custom modules")
def r05l() -> Any:
    return nn.Sequential(Block(IN, HIDDEN), Block(HIDDEN, OUT)), (IN,)


@row("05m identity layer")
def r05m() -> Any:
    return nn.Sequential(nn.Linear(IN, HIDDEN), nn.Identity(), leaky(), nn.Linear(HIDDEN, OUT), leaky()), (IN,)


@row("05n input is neuron first")
def r05n() -> Any:
    return nn.Sequential(leaky(), nn.Linear(IN, OUT), leaky()), (IN,)


@row(
    "05o reused neuron object",
    "model: lif: called more than once in forward; write it for one time step, one neuron for each population",
)
def r05o() -> Any:
    def forward(m: Any, x: Any) -> Any:
        return m.lif(m.fc2(m.lif(m.fc1(x))))

    return made(forward, fc1=nn.Linear(IN, IN), fc2=nn.Linear(IN, IN), lif=leaky()), (IN,)


@row(
    "05p hand-written recurrence",
    "model: rec: Linear gets what an earlier time step made; only a neuron's own states go from step to step,"
    " so use RLeaky",
)
def r05p() -> Any:
    def forward(m: Any, x: Any) -> Any:
        m.spk = m.lif(m.fc(x) + m.rec(m.spk))
        return m.spk

    model = made(forward, fc=nn.Linear(IN, OUT), rec=nn.Linear(OUT, OUT), lif=leaky())
    model.spk = torch.zeros(1, OUT)
    return model, (IN,)


# 06: reset kinds, with vectors


def resetting(mechanism: str, delay: bool) -> tuple[nn.Module, Any]:
    options = {"reset_mechanism": mechanism, "reset_delay": delay}
    return mlp(
        leaky(vector(HIDDEN), threshold=torch.ones(HIDDEN), **options),
        leaky(vector(OUT), threshold=torch.ones(OUT), **options),
    )


@row("06 vec subtract delay=True")
def r06a() -> Any:
    return resetting("subtract", True)


@row("06 vec subtract delay=False")
def r06b() -> Any:
    return resetting("subtract", False)


@row("06 vec zero delay=True")
def r06c() -> Any:
    return resetting("zero", True)


@row("06 vec zero delay=False")
def r06d() -> Any:
    return resetting("zero", False)


@row("06 vec none delay=True")
def r06e() -> Any:
    return resetting("none", True)


@row("06 vec none delay=False")
def r06f() -> Any:
    return resetting("none", False)


@row("06b strong drive subtract nodelay")
def r06g() -> Any:
    model, shape = resetting("subtract", False)
    model[0].weight.data *= 4  # type: ignore[index, operator]
    return model, shape


# 07: batches, shapes, several signals into one


@row("07 batch4 conv flatten")
def r07() -> Any:
    return convolutional(nn.Conv2d(1, 4, 3, padding=1), leaky(torch.full((4, 8, 8), 0.9)), features=256)


@row("07b batch4 mlp")
def r07b() -> Any:
    return mlp(leaky(torch.full((HIDDEN,), 0.9)), leaky(torch.full((OUT,), 0.9)))


@row("07c circular pad", "model: 0: Conv2d with padding_mode='circular' is not supported; use 'zeros'")
def r07c() -> Any:
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1, padding_mode="circular"), leaky()), IMAGE


@row("07d avgpool tuple kernel")
def r07d() -> Any:
    return convolutional(nn.Conv2d(1, 4, 3, padding=1), leaky(), nn.AvgPool2d((2, 4)), features=32)


@row("07e channel-shaped beta (4,1,1)")
def r07e() -> Any:
    return convolutional(nn.Conv2d(1, 4, 3, padding=1), leaky(vector(4).reshape(4, 1, 1)), features=256)


@row("07f 2 outputs same size")
def r07f() -> Any:
    def forward(m: Any, x: Any) -> Any:
        s = m.l1(m.fc1(x))
        return m.la(m.fa(s)), m.lb(m.fb(s))

    modules = {"fc1": nn.Linear(IN, HIDDEN), "fa": nn.Linear(HIDDEN, 8), "fb": nn.Linear(HIDDEN, 8)}
    return made(forward, **modules, l1=leaky(), la=leaky(), lb=leaky()), (IN,)


@row("07g residual all same width")
def r07g() -> Any:
    def forward(m: Any, x: Any) -> Any:
        s = m.l1(m.fc1(x))
        return m.l2(m.fc2(s) + s)

    return made(forward, fc1=nn.Linear(IN, IN), l1=leaky(), fc2=nn.Linear(IN, IN), l2=leaky()), (IN,)


@row("07h two currents into one neuron")
def r07h() -> Any:
    def forward(m: Any, x: Any) -> Any:
        return m.l1(m.fa(x) + m.fb(x))

    return made(forward, fa=nn.Linear(IN, OUT), fb=nn.Linear(IN, OUT), l1=leaky()), (IN,)


@row("07i tutorial T-loop vector", runs="loop")
def r07i() -> Any:
    return tutorial(STEPS, betas=(vector(HIDDEN), vector(OUT))), (IN,)


@row("07j time-first input T,B,F", runs="time")
def r07j() -> Any:
    def forward(m: Any, x: Any) -> Any:
        mem1, mem2 = m.lif1.init_leaky(), m.lif2.init_leaky()
        record = []
        for step in range(x.size(0)):
            spk1, mem1 = m.lif1(m.fc1(x[step]), mem1)
            spk2, mem2 = m.lif2(m.fc2(spk1), mem2)
            record.append(spk2)
        return torch.stack(record)

    modules = {"fc1": nn.Linear(IN, HIDDEN), "fc2": nn.Linear(HIDDEN, OUT)}
    return made(forward, **modules, lif1=snn.Leaky(0.9), lif2=snn.Leaky(0.9)), (STEPS, IN)


@row("07k functional flatten")
def r07k() -> Any:
    def forward(m: Any, x: Any) -> Any:
        return m.out(m.fc(torch.flatten(m.l(m.conv(x)), 1)))

    return made(forward, conv=nn.Conv2d(1, 4, 3, padding=1), l=leaky(), fc=nn.Linear(256, 10), out=leaky()), IMAGE


# 08: the rest


@row("08a RLeaky last layer")
def r08a() -> Any:
    return mlp(leaky(), snn.RLeaky(0.9, linear_features=OUT, init_hidden=True))


@row("08b two RLeaky")
def r08b() -> Any:
    return mlp(
        snn.RLeaky(0.9, linear_features=HIDDEN, init_hidden=True),
        snn.RLeaky(0.9, linear_features=OUT, init_hidden=True),
    )


@row("08c Synaptic hetero alpha")
def r08c() -> Any:
    return mlp(snn.Synaptic(vector(HIDDEN), torch.full((HIDDEN,), 0.9), init_hidden=True))


@row("08d StateLeaky", "model: 0: StateLeaky is not supported; use Leaky, one time step a call")
def r08d() -> Any:
    return nn.Sequential(snn.StateLeaky(0.9, IN)), (5, IN)


@row("08e LeakyParallel", "model: 0: LeakyParallel is not supported; use Leaky, one time step a call")
def r08e() -> Any:
    return nn.Sequential(snn.LeakyParallel(IN, OUT)), (5, IN)


@row("08f LinearLeaky", "model: 0: LinearLeaky is not supported; use Linear and Leaky, one time step a call")
def r08f() -> Any:
    return nn.Sequential(snn.LinearLeaky(0.9, IN, OUT)), (5, IN)


@row("08g AssociativeLeaky", "model: 0: AssociativeLeaky is not supported; use Leaky, one time step a call")
def r08g() -> Any:
    return nn.Sequential(snn.AssociativeLeaky(IN, 4, 4, 16)), (5, IN)


@row("08h single Leaky module")
def r08h() -> Any:
    return leaky(), (IN,)


@row("08i float64 model")
def r08i() -> Any:
    model, shape = mlp(leaky(vector(HIDDEN)), leaky())
    return model.double(), shape


@row("08k Alpha learn_alpha", "model: 1: Alpha is not supported; use Synaptic")
def r08k() -> Any:
    # learn_alpha=True is an error in snnTorch itself
    return mlp(snn.Alpha(vector(HIDDEN, 0.9, 0.95), 0.8, init_hidden=True, learn_beta=True))


@row("08l Sequential with ReLU/spike encode", "model: 1: ReLU is not supported; use Leaky")
def r08l() -> Any:
    return nn.Sequential(nn.Linear(IN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, OUT), leaky()), (IN,)


@row("08m learned beta parameter vec")
def r08m() -> Any:
    return mlp(leaky(vector(HIDDEN), learn_beta=True), leaky(vector(OUT), learn_beta=True))


@row("08n learn_beta scalar after train")
def r08n() -> Any:
    torch.manual_seed(0)
    model, shape = mlp(leaky(learn_beta=True, learn_threshold=True), leaky(learn_beta=True, output=False))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for _ in range(3):
        spk = model(torch.rand(4, *shape))
        optimizer.zero_grad()
        (spk.sum() / 8).backward()
        optimizer.step()
        for module in model.modules():
            if isinstance(module, snn.Leaky):
                module.reset_mem()
    return model, shape
