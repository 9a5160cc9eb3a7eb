"""NIR to snnTorch: the module's spikes are the graph's, it can be trained, and it goes back to NIR."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
import snntorch as snn
import torch

import snndeploy
from snndeploy.errors import BadInput, CheckFailed
from snndeploy.export import metadata, to_snntorch
from snndeploy.export.lower import lower
from snndeploy.export.metadata import Metadata
from snndeploy.export.nir_file import read_nir
from snndeploy.export.to_snntorch import NirModule, import_graph
from snndeploy.floats import simulate
from snndeploy.network import RESETS

DT = 1e-4
EARLIER = "model: forward: linear gets what an earlier time step made; only a neuron's own states go from step to"


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    """The same random tensors in every order of tests, and other tests see theirs."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def between(count: int, low: float, high: float) -> Any:
    """One value for each neuron."""
    return np.linspace(low, high, count)


def lif(count: int) -> nir.LIF:
    full = between(count, 2 * DT, 9 * DT), between(count, 2, 5), between(count, -0.1, 0.3), between(count, 0.5, 1.5)
    return nir.LIF(tau=full[0], r=full[1], v_leak=full[2], v_threshold=full[3], v_reset=np.zeros(count))


def cuba(count: int) -> nir.CubaLIF:
    full = {"tau_syn": (2 * DT, 5 * DT), "tau_mem": (3 * DT, 9 * DT), "r": (2, 4), "w_in": (1, 3)}
    parameters: dict[str, Any] = {key: between(count, *ends) for key, ends in full.items()}
    return nir.CubaLIF(
        **parameters, v_leak=np.zeros(count), v_threshold=between(count, 0.5, 1), v_reset=np.zeros(count)
    )


def affine(rows: int, columns: int, seed: int = 0) -> nir.Affine:
    dice = np.random.default_rng(seed)
    return nir.Affine(dice.normal(0.1, 1, (rows, columns)), dice.normal(0, 0.2, rows))


def graph(nodes: dict[str, Any], edges: str, reset: str = "zero", **delays: int) -> nir.NIRGraph:
    """Edges as "a b, b c"; delays as a__b=1, in steps."""
    made = nir.NIRGraph(nodes, [tuple(edge.split()) for edge in edges.split(", ")], type_check=False)  # type: ignore[misc]
    resets = {name: reset for name, node in nodes.items() if isinstance(node, (nir.LIF, nir.CubaLIF, nir.IF))}
    late = {(key.split("__")[0], key.split("__")[1]): steps for key, steps in delays.items()}
    metadata.write(made, Metadata(DT, resets, late))
    return made


def chain(*nodes: Any, reset: str = "zero") -> nir.NIRGraph:
    named = {f"n{i}": node for i, node in enumerate(nodes)}
    return graph(named, ", ".join(f"{a} {b}" for a, b in pairwise(named)), reset)


def ends(inputs: Any, outputs: Any) -> tuple[nir.Input, nir.Output]:
    return nir.Input(np.array(inputs)), nir.Output(np.array(outputs))


def small(reset: str = "zero", last: Any = None) -> nir.NIRGraph:
    source, target = ends([5], [3])
    return chain(source, affine(6, 5), lif(6), affine(3, 6, 1), last or cuba(3), target, reset=reset)


def images() -> nir.NIRGraph:
    """Two convolutions, the first with groups and a bias, and pools before the second and before the matrix."""
    dice, (source, target) = np.random.default_rng(3), ends([2, 9, 9], [4])
    maps: dict[str, Any] = {"stride": 1, "dilation": 1}
    neurons = [
        nir.IF(r=np.full(s, 1 / DT), v_threshold=np.full(s, 0.7), v_reset=np.zeros(s)) for s in [(4, 8, 8), (3, 4, 4)]
    ]
    one = nir.Conv2d(
        (9, 9), dice.normal(0, 0.5, (4, 1, 2, 2)), padding=0, groups=2, bias=dice.normal(0, 0.1, 4), **maps
    )
    two = nir.Conv2d((4, 4), dice.normal(0, 0.5, (3, 4, 3, 3)), padding=1, groups=1, bias=np.zeros(3), **maps)
    pools = [kind(*(np.array([n, n]) for n in (2, 2, 0))) for kind in (nir.AvgPool2d, nir.SumPool2d)]
    flat = nir.Flatten({"input": np.array([3, 2, 2])}, start_dim=0)
    return chain(source, one, neurons[0], pools[0], two, neurons[1], pools[1], flat, affine(4, 12), lif(4), target)


def own_loop(neuron: Any, reset: str) -> nir.NIRGraph:
    """A loop of one step, and a population behind it."""
    source, target = ends([5], [3])
    nodes = {"in": source, "fc": affine(6, 5), "own": neuron(6), "loop": nir.Linear(affine(6, 6, 2).weight)}
    nodes |= {"fc2": affine(3, 6, 3), "last": lif(3), "out": target}
    return graph(nodes, "in fc, fc own, own loop, loop own, own fc2, fc2 last, last out", reset, loop__own=1)


def recurrent() -> nir.NIRGraph:
    """A loop of one step, and a Delay of 2 or 3 steps on the way to the second population."""
    source, target = ends([5], [3])
    nodes = {"in": source, "fc": affine(6, 5), "lif": lif(6), "loop": nir.Linear(affine(6, 6, 2).weight)}
    nodes |= {"wait": nir.Delay(np.array([2, 2, 3, 3, 0, 0]) * DT), "fc2": nir.Linear(affine(3, 6, 3).weight)}
    nodes |= {"out_lif": cuba(3), "out": target}
    return graph(nodes, "in fc, fc lif, lif loop, loop lif, lif wait, wait fc2, fc2 out_lif, out_lif out", lif__loop=1)


def two_ends() -> nir.NIRGraph:
    """Inputs of 5 and 2 values; the spikes of one neuron node and of another are read."""
    nodes = {"a": nir.Input(np.array([5])), "b": nir.Input(np.array([2])), "fa": affine(4, 5), "fb": affine(4, 2)}
    nodes |= {"one": lif(4), "fc": affine(3, 4), "two": cuba(3)}
    nodes |= {"output.1": nir.Output(np.array([4])), "output.2": nir.Output(np.array([3]))}
    return graph(nodes, "a fa, b fb, fa one, fb one, one fc, fc two, one output.1, two output.2")


def scaled() -> nir.NIRGraph:
    """64 inputs, each to a neuron of its own; then a matrix."""
    source, target = ends([64], [3])
    return chain(source, nir.Scale(between(64, 0.3, 2)), lif(64), affine(3, 64), cuba(3), target)


def pooled() -> nir.NIRGraph:
    """A pool with padding into neurons of different gains: one kernel for all cannot say that."""
    source, target = ends([2, 5, 5], [2, 3, 3])
    cells = [nir.IF(r=np.full(s, 1 / DT), v_threshold=np.ones(s), v_reset=np.zeros(s)) for s in [(2, 5, 5), (2, 3, 3)]]
    cells[1].r = cells[1].r * between(18, 0.5, 1).reshape(2, 3, 3)
    pool = nir.SumPool2d(*(np.array([n, n]) for n in (3, 2, 1)))
    return chain(source, cells[0], pool, cells[1], target)


def kinds(made: nir.NIRGraph) -> list[type]:
    return [type(synapses) for synapses in snndeploy.to_snntorch(made).synapses.values()]


def spiking(made: nir.NIRGraph, seed: int = 7) -> dict[str, int]:
    """Assert that module and graph are equal on inputs of both signs, which the check itself does not make; counts."""
    module, network = snndeploy.to_snntorch(made), lower(made)
    assert isinstance(module, NirModule)
    dice = np.random.default_rng(seed)
    x = {p.name: dice.normal(0, 2, (3, 60, *p.shape)) for p in network.inputs()}
    expected = simulate(network, x)
    for again in range(2):  # a reset forgets everything
        module.reset()
        with torch.no_grad():
            steps = [module.step(*(torch.from_numpy(x[name][:, t]) for name in module.inputs)) for t in range(60)]
        for name, values in expected.items():
            found = np.stack([step[name].numpy() for step in steps], axis=1)
            if values.dtype == bool:
                assert np.array_equal(found, values), (name, again)
            else:
                np.testing.assert_allclose(found, values, rtol=1e-9, atol=1e-9)
    return {name: int(values.sum()) for name, values in expected.items() if values.dtype == bool}


@pytest.mark.parametrize("reset", RESETS)
def test_every_reset(reset: str) -> None:
    assert min(spiking(small(reset)).values()) > 0


@pytest.mark.parametrize("make", [images, pooled, recurrent, scaled, two_ends])
def test_every_form(make: Any) -> None:
    assert min(spiking(make()).values()) > 0


def test_integrators() -> None:
    tau = between(3, 3 * DT, 9 * DT)
    made = small(last=nir.LI(tau=tau, r=between(3, 1, 2), v_leak=between(3, -0.1, 0.1)))
    assert list(spiking(made)) == ["n2"]
    module = snndeploy.to_snntorch(made)
    assert module(torch.full((1, 5), 3.0, dtype=torch.float64)).abs().min() > 0  # the membrane potential


def test_classes_and_parameters() -> None:
    module = snndeploy.to_snntorch(small())
    assert [type(neuron) for neuron in module.neurons.values()] == [snn.Leaky, snn.Synaptic]
    assert {name: tuple(p.shape) for name, p in module.named_parameters()} == {
        "synapses.n0-n2.weight": (6, 5),
        "synapses.n2-n4.weight": (3, 6),
        "biases.n2": (6,),
        "biases.n4": (3,),
    }
    np.testing.assert_allclose(module.neurons["n2"].beta, 1 - DT / between(6, 2 * DT, 9 * DT))
    assert kinds(images()) == [torch.nn.Conv2d, torch.nn.Conv2d, to_snntorch.Dense]
    assert kinds(scaled()) == [to_snntorch.OneToOne, to_snntorch.Dense]
    assert kinds(pooled()) == [to_snntorch.OneToOne, to_snntorch.Sparse]


REAL = {
    "braille_subtract_flat": {"lif1.lif", "lif2"},
    "braille_zero_flat": {"lif1.lif", "lif2"},
    "braille_zero_subgraph": {"lif1.lif1", "lif2"},
    "lif_norse": {"lif_1"},
}


@pytest.mark.parametrize("name", REAL)
def test_graphs_of_other_tools(name: str, shared: Path) -> None:
    made = import_graph(read_nir(shared / "nir" / f"{name}.nir"))
    assert (set(made.spikes), made.silent, made.steps, made.samples) == (REAL[name], [], 40, 17)
    assert "NIR does not say the time step: assumed 0.0001 s" in made.module.notes


def test_a_population_that_never_spikes_is_said(shared: Path) -> None:
    with pytest.warns(UserWarning, match="^never spiked in the check, so threshold and reset were not tried: lif2$"):
        snndeploy.to_snntorch(read_nir(shared / "nir" / "two_lif_v_leak.nir"))
    made = import_graph(read_nir(shared / "nir" / "two_lif_v_leak.nir"))
    assert (made.silent, made.samples) == (["lif2"], 51)  # stronger inputs were tried


def test_the_nmnist_network(shared: Path) -> None:
    made = import_graph(read_nir(shared / "nir" / "nmnist_scnn.nir"), dt=1.0)  # its IF has r = 1
    assert not made.silent


@pytest.mark.parametrize("make", [small, images, scaled])
def test_back_to_nir(make: Any) -> None:
    made = make()
    module, (source,) = snndeploy.to_snntorch(made), lower(made).inputs()
    back = lower(snndeploy.to_nir(module, source.shape))
    x = np.random.default_rng(2).normal(0, 2, (3, 50, *source.shape))
    before, after = (simulate(network, x)[network.outputs[0]] for network in (lower(made), back))
    assert before.any()
    assert np.array_equal(before, after)


@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("neuron", [lif, cuba])
def test_own_loops(neuron: Any, reset: str) -> None:
    """They go back to NIR, but for a Synaptic with a reset in the spiking step: RSynaptic of snnTorch 1.0 has none."""
    made = own_loop(neuron, reset)
    assert min(spiking(made).values()) > 0
    module = snndeploy.to_snntorch(made)
    if neuron is cuba and reset in ("zero", "subtract"):
        assert type(module.neurons["own"]) is snn.Synaptic
        with pytest.raises(BadInput) as refused:
            snndeploy.to_nir(module, (5,))
        assert refused.value.lines() == [f"{EARLIER} step, so use RLeaky"]
        return
    assert type(module.neurons["own"]) is (snn.RLeaky if neuron is lif else snn.RSynaptic)
    x = np.random.default_rng(2).normal(0, 2, (3, 50, 5))
    networks = lower(made), lower(snndeploy.to_nir(module, (5,)))
    before, after = (simulate(network, x)[network.outputs[0]] for network in networks)
    assert before.any()
    assert np.array_equal(before, after)


def test_what_does_not_go_back_to_nir() -> None:
    for made, line in (
        (recurrent(), f"{EARLIER} step, so use RLeaky"),
        (pooled(), "model: forward: a part of a tensor"),
    ):
        module, (source,) = snndeploy.to_snntorch(made), lower(made).inputs()
        with pytest.raises(BadInput) as refused:
            snndeploy.to_nir(module, source.shape)
        assert len(refused.value.lines()) == 1
        assert refused.value.lines()[0].startswith(line)
    with pytest.raises(BadInput) as refused:
        snndeploy.to_nir(snndeploy.to_snntorch(two_ends()), ((5,), (2,)))
    text = "takes 1 input, but there are samples for 2; --shape 1x28x28 is one input, 64,16 are two"
    assert refused.value.lines() == [f"model: forward: {text}"]


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("make", [small, images, recurrent, scaled])
def test_training(make: Any, single: bool) -> None:
    made = make()
    module, (source,) = snndeploy.to_snntorch(made), lower(made).inputs()
    module = module.float() if single else module
    x = torch.rand(20, 4, *source.shape, dtype=torch.float32 if single else torch.float64) * 3
    before = copy.deepcopy(module.state_dict())
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    for _ in range(2):
        module.reset()
        rate = torch.stack([module(step) for step in x]).mean(0)
        optimizer.zero_grad()
        (rate - 0.5).square().sum().backward()
        optimizer.step()
    for name, parameter in module.named_parameters():
        assert parameter.isfinite().all(), name
        assert not torch.equal(parameter, before[name]), name
    module.reset()
    assert torch.stack([module(step) for step in x]).isfinite().all()


def test_another_batch_starts_from_rest() -> None:
    module = snndeploy.to_snntorch(recurrent())
    x = torch.rand(30, 4, 5, dtype=torch.float64) * 3
    first = torch.stack([module(step[:2]) for step in x])
    assert first.any()
    module(x[0])
    assert torch.equal(torch.stack([module(step[:2]) for step in x]), first)


def test_state_that_was_saved(tmp_path: Path) -> None:
    module, other = snndeploy.to_snntorch(two_ends()), snndeploy.to_snntorch(two_ends())
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(1.5)
    other.load_state_dict(module.state_dict())
    x = torch.rand(4, 5, dtype=torch.float64) * 3, torch.rand(4, 2, dtype=torch.float64) * 3
    for a, b in zip(module(*x), other(*x), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("name", ["keys", "training", "type", "a.b"])
def test_names_that_torch_does_not_take(name: str) -> None:
    source, target = ends([5], [6])
    made = graph({"in": source, "fc": affine(6, 5), name: lif(6), "out": target}, f"in fc, fc {name}, {name} out")
    assert spiking(made)[name] > 0


def test_refusals() -> None:
    with pytest.raises(BadInput) as refused:
        snndeploy.to_snntorch(small(), dt=2e-4)
    line = "NIR graph: dt: the graph was exported with 0.0001 s, not 0.0002 s; leave dt out"
    assert refused.value.lines() == [line]
    module = snndeploy.to_snntorch(two_ends())
    with pytest.raises(BadInput) as refused:
        module(torch.zeros(1, 5))
    assert refused.value.lines() == ["input: expected a, b, found 1 tensors"]
    with pytest.raises(BadInput) as refused:
        module(torch.zeros(1, 5), torch.zeros(2))
    assert refused.value.lines() == ["b: expected the shape (batch, 2), found (2,)"]


def test_a_module_that_differs_is_not_handed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(to_snntorch.RESETS, "zero", ("subtract", True))
    with pytest.raises(
        CheckFailed, match=r"^n2: neuron \[\d\] in step \d+ of run \d+: the module gives .*nothing was imported$"
    ):
        snndeploy.to_snntorch(small())
