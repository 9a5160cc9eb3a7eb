"""snnTorch models through NIR, a file and the Network: every spike of every population as the model gives it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
import snntorch as snn
import torch
from torch import nn

from snndeploy.errors import CheckFailed
from snndeploy.export import snntorch as export
from snndeploy.export.lower import lower
from snndeploy.export.snntorch import export_model, to_nir
from snndeploy.floats import simulate

STEPS = 40


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Every test makes its models from the same random numbers, whatever ran before it."""
    torch.manual_seed(1)


RESETS = {
    ("Leaky", "zero", True): "zero",
    ("Leaky", "zero", False): "zero",
    ("Synaptic", "zero", True): "zero-next",
    ("Synaptic", "zero", False): "zero",
    ("RLeaky", "zero", True): "zero-next",
    ("RLeaky", "zero", False): "zero",
    **{(kind, "subtract", True): "subtract-next" for kind in ("Leaky", "Synaptic", "RLeaky")},
    **{(kind, "subtract", False): "subtract" for kind in ("Leaky", "Synaptic", "RLeaky")},
    **{(kind, "none", delay): "none" for kind in ("Leaky", "Synaptic", "RLeaky") for delay in (True, False)},
}


def neuron(kind: str, size: int, vector: bool = False, **options: Any) -> nn.Module:
    """A neuron with parameters that are no short binary fractions, one for all neurons or one each."""
    options = {"init_hidden": True, **options}
    spread = torch.linspace(0, 1, size) if vector else torch.tensor(0.6)
    options["threshold"] = 0.4 + 0.3 * spread
    if kind == "RLeaky":
        options["linear_features"] = size
    if kind == "Synaptic":
        options["alpha"] = 0.9 * spread
    made: nn.Module = getattr(snn, kind)(beta=0.2 + 0.75 * spread, **options)
    return made


def sequential(kind: str, vector: bool, bias: bool, **options: Any) -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(6, 9, bias=bias),
        nn.Sequential(neuron(kind, 9, vector, **options), nn.Dropout(0.5)),
        nn.Linear(9, 4, bias=bias),
        neuron(kind, 4, vector, **options),
    )


class Explicit(nn.Module):
    """Membranes as arguments, as in snnTorch's tutorials."""

    def __init__(self, kind: str, vector: bool, bias: bool, **options: Any) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.kind = kind
        self.fc1, self.fc2 = nn.Linear(6, 9, bias=bias), nn.Linear(9, 4, bias=bias)
        self.lif1 = neuron(kind, 9, vector, init_hidden=False, **options)
        self.lif2 = neuron(kind, 4, vector, init_hidden=False, **options)

    def forward(self, x: Any, a1: Any, b1: Any, a2: Any = None, b2: Any = None) -> Any:
        cur = self.fc1(torch.flatten(x, 1))
        if self.kind == "Leaky":
            spk, b1 = self.lif1(cur, mem=b1)
            out, b2 = self.lif2(self.fc2(spk), b2)
            return out, b1, b2
        if self.kind == "Synaptic":
            spk, a1, b1 = self.lif1(cur, a1, mem=b1)
            out, a2, b2 = self.lif2(self.fc2(spk), a2, b2)
            return out, (a1, b1), [a2, b2]
        a1, b1 = self.lif1(cur, a1, b1)
        a2, b2 = self.lif2(self.fc2(a1), a2, b2)
        return a2, b2, a1, b1


class Forward(nn.Module):
    """An ordinary forward: a block, a part of a neuron's return value, something for training only."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.block = sequential("Leaky", True, True, reset_mechanism="zero")
        self.last = snn.Leaky(0.8)

    def forward(self, x: Any) -> Any:
        if self.training:
            x = x + torch.rand_like(x)
        spk = self.block(x)
        return self.last(input_=spk)[0]


def model_spikes(model: nn.Module, x: np.ndarray[Any, Any]) -> list[Any]:
    """What every neuron of the model gives in float64, in order; nothing here is the exporter's."""
    twin = copy.deepcopy(model).double().eval()
    records: list[list[Any]] = []

    def recorder(record: list[Any]) -> Callable[..., None]:
        return lambda _module, _inputs, out: record.append(out[0] if isinstance(out, tuple) else out)

    for module in neurons(twin):
        module.reset_mem()
        vars(module)["spike_grad"] = lambda v: (v > 0).double()
        records.append([])
        module.register_forward_hook(recorder(records[-1]))
    explicit = [None] * 2 if isinstance(model, Explicit) else []
    with torch.no_grad():
        for t in range(x.shape[1]):
            twin(torch.tensor(x[:, t]), *explicit)
    return [torch.stack(record, 1).numpy() for record in records]


def neurons(model: nn.Module) -> list[Any]:
    return [module for module in model.modules() if isinstance(module, snn.SpikingNeuron)]


def assert_round_trip(model: nn.Module, shape: tuple[int, ...], path: Path) -> nir.NIRGraph:
    """Export, write, read, lower: the spikes are those of the model for batches of 1 and 4, and there are some."""
    exported = export_model(model, shape)
    nir.write(path / "model.nir", exported.graph)
    graph = nir.read(path / "model.nir")
    network = lower(graph)
    names = [name for name in exported.graph.nodes if name in exported.spikes]
    for batch in (1, 4):
        x = np.random.default_rng(batch).uniform(0, 3, (batch, STEPS, *shape))
        found = simulate(network, x)
        for name, expected in zip(names, model_spikes(model, x), strict=True):
            np.testing.assert_array_equal(found[name], expected, err_msg=name)
        assert any(0 < found[name].mean() < 1 for name in names)
    return graph


TABLE = [
    (build, kind, reset, delay, vector, bias)
    for build, (kind, reset, delay), vector, bias in product(
        (sequential, Explicit), RESETS, (False, True), (False, True)
    )
]


@pytest.mark.parametrize(("build", "kind", "reset", "delay", "vector", "bias"), TABLE)
def test_round_trips(build: Any, kind: str, reset: str, delay: bool, vector: bool, bias: bool, tmp_path: Path) -> None:
    model = build(kind, vector, bias, reset_mechanism=reset, reset_delay=delay)
    graph = assert_round_trip(model, (2, 3), tmp_path)
    assert {p.reset for p in lower(graph).populations[1:]} == {RESETS[kind, reset, delay]}


def test_an_ordinary_forward(tmp_path: Path) -> None:
    model = Forward()
    assert_round_trip(model, (2, 3), tmp_path)


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Sequential(nn.Linear(3, 5), snn.Leaky(1.0, init_hidden=True)),
        lambda: nn.Sequential(nn.Linear(3, 5), snn.Leaky(0.0, init_hidden=True, reset_mechanism="zero")),
        lambda: nn.Sequential(nn.Linear(3, 5), snn.Leaky(1.7, init_hidden=True), nn.Identity()),
        lambda: nn.Sequential(nn.Linear(3, 5), snn.Leaky(torch.rand(1, 5), threshold=torch.rand(5) + 0.1, output=True)),
        lambda: nn.Sequential(
            nn.Linear(3, 5), nn.Linear(5, 4), snn.Leaky(0.5, threshold=0.1, init_hidden=True, learn_beta=True)
        ),
        lambda: nn.Sequential(snn.Leaky(0.5, init_hidden=True), nn.Linear(3, 3), snn.Leaky(0.5, init_hidden=True)),
        lambda: nn.Sequential(nn.Linear(3, 5), snn.Leaky(0.5, init_hidden=True, surrogate_disable=True)).double(),
    ],
)
def test_special_parameters(make: Callable[[], nn.Module], tmp_path: Path) -> None:
    assert_round_trip(make(), (3,), tmp_path)


def test_a_single_neuron_is_a_model() -> None:
    exported = export_model(snn.Leaky(0.5), torch.rand(3))
    assert list(exported.graph.nodes) == ["input", "lif_0", "output"]


def test_the_graph_of_a_recurrent_model() -> None:
    model = nn.Sequential(nn.Linear(3, 5), snn.RLeaky(0.5, linear_features=5, init_hidden=True))
    graph = export_model(model, (3,), dt=1e-3).graph
    names = {name: type(node).__name__ for name, node in graph.nodes.items()}
    assert names == {
        "input": "Input",
        "affine_0": "Affine",
        "lif_1": "LIF",
        "lif_1.recurrent": "Affine",
        "output": "Output",
    }
    assert graph.edges == [
        ("input", "affine_0"),
        ("affine_0", "lif_1"),
        ("lif_1", "lif_1.recurrent"),
        ("lif_1.recurrent", "lif_1"),
        ("lif_1", "output"),
    ]
    expected = '{"delays":[["lif_1","lif_1.recurrent",1]],"dt":0.001,"format":1,"resets":{"lif_1":"subtract-next"}}'
    assert graph.metadata["snndeploy"] == expected
    assert graph.nodes["lif_1"].tau.tolist() == [2e-3] * 5


def test_weights_are_carried_exactly_and_dt_changes_no_spike() -> None:
    model = sequential("Synaptic", True, True)
    slow, fast = (export_model(model, (2, 3), dt=dt) for dt in (1e-2, 3e-7))
    np.testing.assert_array_equal(slow.graph.nodes["affine_1"].weight, model[1].weight.detach().numpy())  # type: ignore[index]
    assert slow.spikes == fast.spikes
    for a, b in zip(slow.network.populations[1:], fast.network.populations[1:], strict=True):
        for name in ("alpha", "beta", "threshold"):
            np.testing.assert_array_equal(a.parameters[name], b.parameters[name])


def test_the_model_comes_back_untouched() -> None:
    model = Forward()
    model.train()
    spk = model(torch.ones(2, 2, 3))  # states now belong to autograd's graph
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    states = [(module, module.mem) for module in model.modules() if isinstance(module, snn.Leaky)]
    instances = list(snn.SpikingNeuron.instances)
    export_model(model, (2, 3))
    assert all(module.mem is mem for module, mem in states)
    assert model.training
    assert snn.SpikingNeuron.instances == instances
    assert {name: tensor.dtype for name, tensor in model.state_dict().items()} == {
        k: v.dtype for k, v in before.items()
    }
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    spk.sum().backward()


def test_the_same_model_and_seed_give_the_same_check() -> None:
    model = sequential("Leaky", False, True)
    one, two, other = (export_model(model, (2, 3), seed=seed) for seed in (0, 0, 1))
    assert one.spikes == two.spikes != other.spikes
    assert (one.steps, one.samples) == (40, 17)


def test_a_difference_is_reported_and_nothing_exported(monkeypatch: pytest.MonkeyPatch) -> None:
    class Doubled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lif = snn.Leaky(0.5, init_hidden=True, spike_grad=lambda x: (x > 0).float() + (x > 0.5).float())

        def forward(self, x: Any) -> Any:
            return self.lif(x)

    with pytest.raises(CheckFailed) as failed:
        export_model(Doubled(), torch.tensor([2.0, 0.5]))
    (line,) = failed.value.lines()
    assert line.startswith("lif: neuron [0] in step 0 of run 0: the model gives 2, the graph 1 (")
    assert line.endswith(" values differ); nothing was exported, please report this model")


def test_a_silent_population_is_told() -> None:
    model = nn.Sequential(snn.Leaky(0.5, init_hidden=True), nn.Linear(2, 2), snn.Leaky(0.5, 1e9, init_hidden=True))
    exported = export_model(model, (2,))
    assert exported.silent == ["lif_2"]
    with pytest.warns(UserWarning, match="never spiked in the check, so threshold and reset were not tried: lif_2"):
        to_nir(model, (2,))


def test_the_example_is_among_the_drives() -> None:
    example = np.array([0.5, -2.0])
    x = export.drives(example, 0)
    assert (x[0] == example).all()
    assert x.min() < -2
    assert (export.drives(abs(example), 0) >= 0).all()
