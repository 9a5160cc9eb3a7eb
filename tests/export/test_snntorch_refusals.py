"""What cannot be exported is refused by name, all of a model together."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import snntorch as snn
import torch
from torch import nn

from snndeploy.errors import BadInput
from snndeploy.export.snntorch import export_model

SUPPORTED = (
    "supported: Linear, Conv1d, Conv2d, AvgPool1d, AvgPool2d, BatchNorm1d, BatchNorm2d, Flatten, Dropout, Identity,"
    " Leaky, Synaptic, RLeaky, RSynaptic, Lapicque, x.flatten(1)"
)


def leaky(**options: Any) -> nn.Module:
    made: nn.Module = snn.Leaky(0.5, init_hidden=True, **options)
    return made


def refusals(model: nn.Module, sample: Any = (4,), dt: float = 1e-4) -> list[str]:
    with pytest.raises(BadInput) as refused:
        export_model(model, sample, dt)
    return refused.value.lines()


def made(forward: Any, **modules: nn.Module) -> nn.Module:
    """A model of a class of its own with this forward(self, x, ...) and these modules."""
    model: nn.Module = type("Made", (nn.Module,), {"forward": forward})()
    for name, module in modules.items():
        model.add_module(name, module)
    return model


@pytest.mark.filterwarnings("ignore:Inhibition is an unstable feature")
def test_all_problems_of_a_model_together() -> None:
    model = nn.Sequential(
        nn.ConvTranspose2d(1, 2, 1),
        nn.BatchNorm2d(2),
        leaky(inhibition=True),
        nn.Flatten(),
        snn.DeltaLeaky(0.5, 0.1, init_hidden=True),
        nn.Linear(32, 4),
        nn.ReLU(),
        snn.RLeaky(0.5, all_to_all=False, init_hidden=True, state_quant=lambda v: v),
        leaky(graded_spikes_factor=0.0),
    )
    assert refusals(model, (1, 4, 4)) == [
        "model: 0: ConvTranspose2d is not supported; use Conv2d or Linear",
        "model: 2: Leaky with inhibition is not supported; use inhibition=False",
        "model: 4: DeltaLeaky is not supported; use Leaky",
        "model: 6: ReLU is not supported; use Leaky",
        "model: 7: RLeaky with state_quant is not supported; snndeploy quantizes later, train with state_quant=False",
        "model: 8: Leaky with graded_spikes_factor 0.0 is not supported; use numbers other than 0",
    ]


@pytest.mark.parametrize(
    ("neuron", "expected"),
    [
        (snn.Alpha(0.9, 0.5, init_hidden=True), "Alpha is not supported; use Synaptic"),
        (
            snn.SConv2dLSTM(1, 1, 3, init_hidden=True),
            "SConv2dLSTM is not supported; use Conv2d and Synaptic",
        ),
        (nn.Bilinear(4, 4, 4), f"Bilinear is not supported; {SUPPORTED}"),
        (nn.Tanh(), "Tanh is not supported; use Leaky"),
        (nn.LayerNorm(4), "LayerNorm is not supported; use torch.nn.BatchNorm1d or BatchNorm2d"),
        (nn.LSTM(4, 4), "LSTM is not supported; use Linear and RSynaptic"),
        (nn.Softmax(1), "Softmax is not supported; leave it out, and return the spikes"),
        (nn.ZeroPad1d(0), "ZeroPad1d is not supported; use the padding of Conv1d or Conv2d, or give a padded sample"),
    ],
)
def test_classes(neuron: nn.Module, expected: str) -> None:
    assert refusals(nn.Sequential(neuron, leaky())) == [f"model: 0: {expected}"]


def test_parameters() -> None:
    changed = leaky()
    changed.reset_mechanism = "zero"
    model = nn.Sequential(
        leaky(threshold=torch.tensor([1.0, -1.0, 1.0, 0.0])),
        snn.Leaky(torch.tensor([1.0, 0.5, 0.5, 0.5]), init_hidden=True),
        snn.Leaky(torch.ones(3) / 2, init_hidden=True),
        snn.Leaky(float("nan"), init_hidden=True),
        snn.Synaptic(1.0, 1.0, init_hidden=True),
        changed,
    )
    for alone, expected in [
        (model[0], ["0.threshold: expected above 0, found -1.0 at [1] (and 1 more)"]),
        (
            model[1],
            ["0.beta: 1 for some neurons and below 1 for others: NIR has no node for both; use a beta just below 1"],
        ),
        (
            model[2],
            [
                "0.beta: the shape (3,) does not fit a population of the shape (4,); "
                "use a scalar or one value for each neuron"
            ],
        ),
        (model[3], ["0.beta: expected finite numbers, found nan at [0] (and 3 more)"]),
        (
            model[4],
            [
                f"0.{name}: NIR's CubaLIF has no infinite time constant: expected below 1, "
                "found 1.0 at [0] (and 3 more)"
                for name in ("alpha", "beta")
            ],
        ),
        (
            model[5],
            [
                "0: reset_mechanism became 'zero' after construction, which snnTorch follows only in part; "
                "give it to Leaky(...)"
            ],
        ),
    ]:
        assert refusals(alone) == [f"model: {line}" for line in expected]


def test_weights() -> None:
    layer = nn.Linear(4, 4)
    layer.weight.data[0, 0] = torch.inf
    assert refusals(nn.Sequential(layer, leaky())) == [
        "model: 0.weight: expected finite numbers, found NaN or infinity"
    ]


def test_shapes() -> None:
    expected = "Linear expects the shape (4,), found {} (the batch not counted); {}"
    batch = "give the sample (--shape) without a batch dimension, or put a Flatten before it"
    for shape in ((1, 4), (16, 4)):
        assert refusals(nn.Sequential(nn.Linear(4, 2), leaky()), shape) == [
            "model: 0: " + expected.format(shape, batch)
        ]
    assert refusals(nn.Sequential(nn.Linear(4, 2), leaky()), (5,)) == [
        "model: 0: " + expected.format((5,), "give a sample (--shape) of that shape")
    ]
    hidden = nn.Sequential(nn.Linear(4, 3), leaky(), nn.Linear(2, 2), leaky())
    fit = "make the layers fit each other, or give the sample (--shape) that they were made for"
    assert refusals(hidden) == ["model: 2: " + expected.replace("(4,)", "(2,)").format((3,), fit)]
    merged = "Flatten merges the batch; use start_dim=1"
    assert refusals(nn.Sequential(nn.Flatten(0), leaky())) == [f"model: 0: {merged}"]
    recurrent = snn.RLeaky(0.5, linear_features=3, init_hidden=True)
    assert refusals(recurrent) == ["model: 0: linear_features expects the shape (3,), found (4,)"]


AGAIN = "called more than once in forward; write it for one time step, one neuron for each population"
END = "output: forward must return the spikes of a neuron first, found {}; end the model with a neuron"
TUPLE = "all that 'out' returns; use init_hidden=True there, or `spk, mem = ...`"
MADE = "forward makes its mem itself, so that every step starts from it"
UNRETURNED = "forward takes 'mem', the mem of 'out', and does not return it; return it, or use init_hidden=True"
FLOAT = "float is not supported; leave conversions out, the model is compared with the graph in float64"
WHOLE = "use whole populations"
COLUMN = str((slice(None), 0))


def autocast(model: Any, x: torch.Tensor) -> Any:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return model.lif(model.fc(x))


FORWARDS = [
    (lambda m, x: m.lif(torch.relu(x)), "forward: relu is not supported; use Leaky"),
    (
        lambda m, x: m.lif(x * x),
        "forward: mul of two signals is not supported; add them, or let a neuron combine them",
    ),
    (lambda m, x: m.lif(x / x), "forward: div by a signal is not supported; divide by numbers"),
    (lambda m, x: m.lif(x + m.fc(x)[:, 0]), f"forward: a part of a tensor, [{COLUMN}], cannot be taken; {WHOLE}"),
    (lambda m, x: m.lif(torch.exp(x)), "forward: exp is not supported; use Leaky"),
    (lambda m, x: m.lif(x * (x > 1)), "forward: gt is not supported; use Leaky"),
    (lambda m, x: m.lif(torch.cumsum(x, 1)), f"forward: cumsum is not supported; {SUPPORTED}"),
    (
        lambda m, x: m.lif(torch.softmax(x, 1)),
        "forward: softmax is not supported; leave it out, and return the spikes",
    ),
    (
        lambda m, x: m.lif(torch.nn.functional.layer_norm(x, (4,))),
        "forward: layer_norm is not supported; use torch.nn.BatchNorm1d or BatchNorm2d",
    ),
    (lambda m, x: m.lif(x.t()), f"forward: t is not supported; {WHOLE}, in the order of the sample"),
    (lambda m, x: m.lif(x.float()), f"forward: {FLOAT}"),
    (autocast, f"forward: {FLOAT.replace('float is', 'autocast is').replace('conversions', 'it')}"),
    (lambda m, x: m.lif(x.to(torch.int32)), f"forward: {FLOAT}"),
    (
        lambda m, x: m.lif(torch.div(x, 2, rounding_mode="floor")),
        "forward: div with rounding_mode is not supported; leave it out",
    ),
    (lambda m, x: m.lif(x.view(-1)), "view: merges the batch; keep dimension 0"),
    (
        lambda m, x: m.lif(x.view(-1, 2, 2)),
        "view: from the shape (4,) to (2, 2): NIR can only flatten; give the sample that shape",
    ),
    (
        lambda m, x: m.lif(torch.nn.functional.dropout(x)),
        "forward: dropout in training mode, as it is by default; use torch.nn.Dropout, or training=self.training",
    ),
    (
        lambda m, x: m.lif(torch.cat([x, m.fc(x)], 0)),
        "forward: cat is supported along dimension 1 of signals that are alike otherwise, found dimension 0",
    ),
    (
        lambda m, x: m.lif(torch.nn.functional.max_pool1d(x, 2)),
        "max_pool1d: MaxPool1d of currents is not supported; pool after the neuron, or use AvgPool",
    ),
    (
        lambda m, x: m.lif(x) if x.sum() > 0 else x,
        "forward: sum is not supported; return the spikes of every time step",
    ),
    (
        lambda m, x: m.lif(x + 1 if m.fc(x) is None or bool(x) else x),
        "forward: cannot be followed (a condition on the values of a tensor); leave that out",
    ),
    (
        lambda m, x: m.lif(x * x.max().item()),
        "forward: max is not supported; use Leaky",
    ),
    (
        lambda m, x: m.lif(x[:, 0]),
        "forward: takes time steps of its input; give a sample that has them in front, as in --shape 25x4",
    ),
    (
        lambda m, x: m.lif(x.reshape(3, -1)),
        "forward cannot be followed (RuntimeError: shape '[3, -1]' is invalid for input of size 8); take the batch"
        " size from the input, x.size(0)",
    ),
    (
        lambda m, x: torch.stack([m.lif(x) for _ in range(3)]).sum(0),
        "forward: sum gets the record of all time steps; return it as it is",
    ),
    (lambda m, x, y: m.lif(y), "lif: Leaky gets the argument 'y' of forward, for which there is no sample"),
    (lambda m, x: m.lif(m.scale), "lif: Leaky gets 'scale', a tensor of the model itself; use a Linear"),
    (lambda m, x: m.lif(m.fc(m.out(x)[1])), "fc: Linear gets the mem of 'out'; only its spikes can be sent"),
    (lambda m, x: m.lif(m.out(x)), f"lif: Leaky gets {TUPLE}"),
    (lambda m, x: m.lif(m.lif(m.lif(x))), f"lif: {AGAIN}"),
    (lambda m, x: m.fc(x), END.format("the current of 'fc'")),
    (lambda m, x: m.out(x)[1], END.format("the mem of 'out'")),
    (lambda m, x: (), END.format("nothing")),
    (lambda m, x: (m.lif(x), 3), "output: forward returns 3; return the spikes of the last neuron, then states"),
    (lambda m, x: (m.lif(x), m.fc(x)), "output: forward also returns the current of 'fc'; return spikes and states"),
    (lambda m, x, mem: m.out(x, mem)[0], f"output: {UNRETURNED}"),
    (
        lambda m, x: m.out(x, m.out.init_leaky()),
        f"out: {MADE}; use init_hidden=True, or take mem as an argument and return it",
    ),
]


@pytest.mark.parametrize(("forward", "expected"), FORWARDS)
def test_forwards(forward: Any, expected: str) -> None:
    model = made(forward, lif=leaky(), out=snn.Leaky(0.5), fc=nn.Linear(4, 4))
    model.register_buffer("scale", torch.ones(4))
    assert refusals(model) == [f"model: {expected}"]


SAMPLE = "sample: expected one input of finite numbers without a batch dimension, or its shape"


@pytest.mark.parametrize(
    ("sample", "dt", "expected"),
    [
        ((), 1e-4, "sample: expected a shape of lengths above 0, found ()"),
        ((4, 0), 1e-4, "sample: expected a shape of lengths above 0, found (4, 0)"),
        (
            torch.tensor([1.0, torch.nan]),
            1e-4,
            f"{SAMPLE}; found an array of the shape (2,)",
        ),
        ((4,), 0.0, "dt: expected seconds above 0, found 0.0"),
        (torch.ones(2, dtype=torch.complex64), 1e-4, f"{SAMPLE}; found complex64"),
        (["a"], 1e-4, f"{SAMPLE}; found <U1"),
        (torch.ones(2, device="meta"), 1e-4, f"{SAMPLE}; found a tensor without values (on the device 'meta')"),
    ],
)
def test_samples_and_time_steps(sample: Any, dt: float, expected: str) -> None:
    assert refusals(leaky(), sample, dt) == [expected]


@pytest.mark.parametrize("sample", [(np.int64(2), 3), torch.Size((2, 3)), torch.ones(2, 3, dtype=torch.bfloat16)])
def test_other_samples(sample: Any) -> None:
    assert export_model(leaky(), sample).network.population("input").shape == (2, 3)


def test_a_negative_seed() -> None:
    with pytest.raises(BadInput) as refused:
        export_model(leaky(), (4,), seed=-1)
    assert refused.value.lines() == ["seed: expected 0 or more, found -1"]


def test_models_without_values() -> None:
    advice = "no values (on the device 'meta'); make the model on the CPU and load its state, then export it"
    meta = nn.Sequential(nn.Linear(4, 4, device="meta"), leaky())
    assert refusals(meta) == [f"model: 0.weight, 0.bias: {advice}"]
    lazy = nn.Sequential(nn.LazyLinear(4, bias=False), leaky())
    assert refusals(lazy) == ["model: 0.weight: has no shape yet; run the model once, then export it"]


UNUSED = "is not used; use it, or leave it out"


def test_models_without_a_forward() -> None:
    text = "has no forward; write one, or put its modules into a torch.nn.Sequential"
    assert refusals(nn.ModuleList([nn.Linear(4, 3), leaky()])) == [f"model: ModuleList {text}"]
    model: nn.Module = type("Made", (nn.Module,), {})()
    assert refusals(model) == [f"model: Made {text}"]


def test_an_input_that_is_taken_by_its_name_only() -> None:
    def forward(m: Any, *, x: Any) -> Any:
        return m.lif(x)

    expected = "model: forward: takes 'x' by its name only; leave out the * before it"
    assert refusals(made(forward, lif=leaky())) == [expected]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_layers_that_torch_has_quantized() -> None:
    model = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(4, 3), leaky()), {nn.Linear})
    assert refusals(model) == ["model: 0: Linear is quantized by torch; give the model as it was before"]


def test_unused_branches() -> None:
    def branch(self: Any, x: Any) -> Any:
        self.l2(x)
        self.recurrent(x)
        return self.lif(x)

    recurrent = snn.RLeaky(0.5, linear_features=4, init_hidden=True)
    model = made(branch, lif=leaky(), l2=nn.Linear(4, 2), recurrent=recurrent)
    assert refusals(model) == [
        f"model: forward: the result of 'l2' {UNUSED}",
        f"model: forward: the result of 'recurrent' {UNUSED}",
    ]


def test_the_package_loads_no_torch() -> None:
    code = "import sys, snndeploy.export, snndeploy.export.lower; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_neuron_that_spikes_at_its_threshold_is_refused() -> None:
    """No random input would show it: the check could pass, and the integers would differ."""
    model = nn.Sequential(snn.Leaky(0.5, init_hidden=True, spike_grad=lambda x: (x >= 0).float()))
    (line,) = refusals(model)
    assert line.endswith("Leaky spikes AT its threshold: use a spike_grad that is 0 there, as snntorch.surrogate's are")


def test_a_neuron_that_does_not_spike_just_above_its_threshold_is_refused() -> None:
    model = nn.Sequential(snn.Leaky(0.5, init_hidden=True, spike_grad=lambda x: (x > 1e-9).float()))
    (line,) = refusals(model)
    assert line == "model: 0: Leaky gives 0 just above its threshold: use a spike_grad that is 1 there"
