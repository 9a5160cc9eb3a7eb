"""Ways to write a forward: each exported to the graph that it should be, with the spikes of the model.

`export_model` compares every spike of every neuron with the model; here it is what the graph looks like that counts.
"""

from __future__ import annotations

from typing import Any

import nir
import numpy as np
import pytest
import snntorch as snn
import torch
import torch.nn.functional as torch_functions
from torch import nn

from snndeploy.errors import BadInput
from snndeploy.export.snntorch import Export, export_model
from tests.export.matrix_models import made


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(3)


def leaky(beta: Any = 0.8, **options: Any) -> Any:
    return snn.Leaky(beta, **{"init_hidden": True, "threshold": 0.4, **options})


def edges(exported: Export) -> set[str]:
    return {f"{source} {target}" for source, target in exported.graph.edges}


def refused(model: nn.Module, sample: Any) -> list[str]:
    with pytest.raises(BadInput) as error:
        export_model(model, sample)
    return error.value.lines()


# Loops over time


def batch_first(m: Any, x: Any) -> Any:
    record = [m.lif(m.fc(x[:, t])) for t in range(x.shape[1])]
    return torch.stack(record, dim=1)


def time_first(m: Any, x: Any) -> Any:
    return torch.stack([m.lif(m.fc(step)) for step in x])


def unbound(m: Any, x: Any) -> Any:
    return torch.stack([m.lif(m.fc(step)) for step in torch.unbind(x, dim=1)])


def list_of_steps(m: Any, x: Any) -> Any:
    return [m.lif(m.fc(step)) for step in x]


def last_step(m: Any, x: Any) -> Any:
    for t in range(x.size(0)):
        spk = m.lif(m.fc(x[t, ...]))
    return spk


@pytest.mark.parametrize("forward", [batch_first, time_first, unbound, list_of_steps, last_step])
def test_loops_over_the_time_of_the_input(forward: Any) -> None:
    exported = export_model(made(forward, fc=nn.Linear(4, 3), lif=leaky()), (7, 4))
    assert edges(exported) == {"input fc", "fc lif", "lif output"}
    assert exported.graph.nodes["input"].input_type["input"].tolist() == [4]
    assert exported.steps == 7
    assert exported.silent == []


def test_a_loop_with_one_input_and_hidden_states() -> None:
    def forward(m: Any, x: Any) -> Any:
        return torch.stack([m.lif(m.fc(x)) for _ in range(12)])

    exported = export_model(made(forward, fc=nn.Linear(4, 3), lif=leaky()), (4,))
    assert (exported.steps, edges(exported)) == (12, {"input fc", "fc lif", "lif output"})


def test_loops_that_are_no_steps_of_one_network() -> None:
    def twice(m: Any, x: Any) -> Any:
        for t in range(4):
            spk = m.lif(m.fc(x[t]))
            out = m.out(m.out_fc(spk)) if t % 2 else None
        return out

    modules = {"fc": nn.Linear(4, 3), "lif": leaky(), "out_fc": nn.Linear(3, 3), "out": leaky()}
    assert refused(made(twice, **modules), (4, 4)) == [
        "model: out: called 2 times in forward, where others are called 4 times; call each once a step"
    ]

    def few(m: Any, x: Any) -> Any:
        return [m.lif(m.fc(x[t])) for t in range(2)]

    assert refused(made(few, fc=nn.Linear(4, 3), lif=leaky()), (4, 4)) == [
        "model: forward: it makes 2 of the 4 time steps of its input; give a sample with as many as it makes"
    ]

    def recurrent(m: Any, x: Any) -> Any:
        spk = m.lif(m.fc(x[0]))
        for t in range(1, 4):
            spk = m.lif(m.fc(x[t]) + m.rec(spk))
        return spk

    (line,) = refused(made(recurrent, fc=nn.Linear(4, 3), rec=nn.Linear(3, 3), lif=leaky()), (4, 4))
    assert line.startswith("model: forward: a layer or function gets what an earlier time step made;")

    def everything(m: Any, x: Any) -> Any:
        currents = m.fc(x)
        return [m.lif(currents[t]) for t in range(4)]

    (line,) = refused(made(everything, fc=nn.Linear(4, 3), lif=leaky()), (4, 4))
    assert line.startswith("model: fc: Linear expects the shape (4,), found (4, 4)")


# States


def test_states_that_the_model_keeps_itself() -> None:
    def forward(m: Any, x: Any) -> Any:
        spk, m.mem = m.lif(m.fc(x), m.mem)
        return spk

    model = made(forward, fc=nn.Linear(4, 3), lif=leaky(init_hidden=False))
    model.mem = torch.zeros(1, 3)
    assert edges(export_model(model, (4,))) == {"input fc", "fc lif", "lif output"}


def test_states_that_are_not_a_neurons_own() -> None:
    def swapped(m: Any, x: Any) -> Any:
        mem1 = mem2 = torch.zeros(1, 4)
        for _ in range(3):
            spk, new1 = m.lif1(x, mem1)
            out, new2 = m.lif2(spk, mem2)
            mem1, mem2 = new2, new1
        return out

    model = made(swapped, lif1=leaky(init_hidden=False), lif2=leaky(init_hidden=False))
    lines = refused(model, (4,))
    assert lines == [
        f"model: {name}: its mem is not what it returned in the step before; give it back as it is"
        for name in ("lif1", "lif2")
    ]

    def started(m: Any, x: Any) -> Any:
        mem = torch.ones(1, 4)
        for _ in range(3):
            spk, mem = m.lif(x, mem)
        return spk

    assert refused(made(started, lif=leaky(init_hidden=False)), (4,)) == [
        "model: lif: starts from a mem other than 0; start from 0"
    ]


def test_a_model_that_changes_after_its_first_step() -> None:
    def forward(m: Any, x: Any) -> Any:
        m.count += 1
        return m.lif(m.fc1(x) if m.count == 1 else m.fc2(x))

    model = made(forward, fc1=nn.Linear(4, 3), fc2=nn.Linear(4, 3), lif=leaky())
    model.count = 0
    assert refused(model, (4,)) != []


# Functions


def test_sums_and_constants_are_folded_into_weights() -> None:
    def forward(m: Any, x: Any) -> Any:
        current = m.fc(x) * 2 - torch.tensor([0.5, 0.0, 0.25])
        return m.out(m.last(m.lif(current)) / 0.5)

    model = made(forward, fc=nn.Linear(4, 3), lif=leaky(), last=nn.Linear(3, 2, bias=False), out=leaky())
    exported = export_model(model, (4,))
    weight, bias = model.fc.weight.detach().double().numpy(), model.fc.bias.detach().double().numpy()
    np.testing.assert_array_equal(exported.graph.nodes["fc"].weight, 2 * weight)
    np.testing.assert_array_equal(exported.graph.nodes["fc"].bias, 2 * bias - [0.5, 0.0, 0.25])
    assert edges(exported) == {"input fc", "fc lif", "lif last", "last out", "out output"}
    assert isinstance(exported.graph.nodes["last"], nir.Linear)


def test_a_layer_that_is_also_used_without_the_factor_stays() -> None:
    def forward(m: Any, x: Any) -> Any:
        current = m.fc(x)
        return m.out(m.a(m.lif(current * 3)) + m.b(m.other(current)))

    layers = {"fc": nn.Linear(4, 3), "a": nn.Linear(3, 2), "b": nn.Linear(3, 2)}
    exported = export_model(made(forward, **layers, lif=leaky(), other=leaky(), out=leaky()), (4,))
    assert {"fc other", "fc.2 lif", "a out", "b out"} <= edges(exported)


def test_the_same_signal_twice_in_a_sum() -> None:
    def forward(m: Any, x: Any) -> Any:
        return m.lif(x + x)

    exported = export_model(made(forward, lif=leaky()), (4,))
    assert exported.graph.nodes["add"].scale.tolist() == [2.0] * 4


def test_other_functions() -> None:
    def forward(m: Any, x: Any) -> Any:
        x = x.clone().detach().to(x.device)
        spk = m.lif(torch_functions.linear(x, m.weight, m.bias))
        spk = torch_functions.dropout(torch.relu(spk), 0.5, m.training)
        current = 1.0 - (spk @ m.matrix)
        current += 0.25
        return m.out(sum([-current]))

    model = made(forward, lif=leaky(), out=leaky())
    model.weight, model.bias = nn.Parameter(torch.rand(3, 4)), nn.Parameter(torch.rand(3))
    model.register_buffer("matrix", torch.randn(3, 2))
    exported = export_model(model, (4,))
    assert edges(exported) == {"input linear", "linear lif", "lif matmul", "matmul out", "out output"}
    np.testing.assert_array_equal(exported.graph.nodes["matmul"].bias, [-1.25, -1.25])
    assert exported.silent == []


def test_shapes_and_flags_may_decide() -> None:
    def forward(m: Any, x: Any, scale: Any = None, steps: int = 1) -> Any:
        if x.dim() > 2 and x.shape[-1] == 3 and not m.training:
            x = x.view(x.size(0), -1)
        if scale is None:
            return m.lif(m.fc(x))
        return m.lif(m.fc(x))

    assert "flatten_view fc" not in edges(export_model(made(forward, fc=nn.Linear(6, 3), lif=leaky()), (2, 3)))


def test_concatenated_spikes_and_inputs() -> None:
    def forward(m: Any, x: Any) -> Any:
        return m.out(m.fc(torch.cat((m.lif(x), x), -1)))

    exported = export_model(made(forward, lif=leaky(), fc=nn.Linear(8, 3), out=leaky()), (4,))
    assert edges(exported) == {
        "input lif",
        "lif cat",
        "input cat.2",
        "cat fc",
        "cat.2 fc",
        "fc out",
        "out output",
    }


def test_weight_normalization_is_the_weight_that_it_makes() -> None:
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(4, 4))
    exported = export_model(nn.Sequential(layer, leaky()), (4,))
    np.testing.assert_allclose(exported.graph.nodes["affine_0"].weight, layer.weight.detach().numpy(), rtol=1e-6)


# Neurons


@pytest.mark.parametrize("factor", [2.0, -1.5, torch.tensor([1.0, 0.5, 3.0])])
def test_graded_spikes_go_into_the_next_weights(factor: Any) -> None:
    model = nn.Sequential(
        nn.Linear(4, 3), leaky(graded_spikes_factor=factor, reset_delay=False), nn.Linear(3, 2), leaky(0.9)
    )
    exported = export_model(model, (4,))
    assert {"lif_1 lif_1.factor", "lif_1.factor affine_2"} <= edges(exported)
    assert exported.silent == []
    assert refused(nn.Sequential(nn.Linear(4, 3), leaky(graded_spikes_factor=factor)), (4,)) == [
        "model: output: the spikes are multiplied by the graded_spikes_factor (lif_1.factor); use 1 in the last neuron"
    ]


@pytest.mark.parametrize("mechanism", ["subtract", "zero", "none"])
@pytest.mark.parametrize(
    "make",
    [
        lambda **o: snn.Lapicque(R=2.0, C=3.0, time_step=0.5, **o),
        lambda **o: snn.Lapicque(beta=0.7, R=0.7, **o),
        lambda **o: snn.RSynaptic(0.7, 0.8, linear_features=5, **o),
        lambda **o: snn.RSynaptic(torch.linspace(0, 0.9, 5), 0.8, V=-0.5, all_to_all=False, **o),
        lambda **o: snn.RLeaky(0.8, V=torch.linspace(-1, 1, 5), all_to_all=False, reset_delay=False, **o),
    ],
)
def test_further_neurons_with_every_reset(make: Any, mechanism: str) -> None:
    neuron = make(init_hidden=True, threshold=0.3, reset_mechanism=mechanism)
    exported = export_model(nn.Sequential(nn.Linear(4, 5), neuron, nn.Linear(5, 3), leaky()), (4,))
    assert exported.silent == []


def test_a_lapicque_whose_membrane_would_change_its_sign() -> None:
    (line,) = refused(nn.Sequential(snn.Lapicque(beta=0.3, init_hidden=True)), (2,))
    assert line.startswith("model: 0.1 - time_step/(R*C): expected 0 to below 1 (a beta above 0.37): a membrane")


def test_wrong_samples() -> None:
    def forward(m: Any, x: Any) -> Any:
        return m.lif(x)

    model = made(forward, lif=leaky())
    assert refused(model, ((4,), (4,))) == [
        "model: forward: takes 1 input, but there are samples for 2; --shape 1x28x28 is one input, 64,16 are two"
    ]


def test_a_relu_of_spikes_is_nothing() -> None:
    exported = export_model(nn.Sequential(nn.Linear(4, 5), leaky(), nn.ReLU(), nn.Linear(5, 3), leaky()), (4,))
    assert edges(exported) == {"input affine_0", "affine_0 lif_1", "lif_1 affine_3", "affine_3 lif_4", "lif_4 output"}
