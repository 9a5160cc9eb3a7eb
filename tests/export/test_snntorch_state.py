"""What a model holds beside its weights: hidden states, hooks, replaced methods, the training mode."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import snntorch as snn
import torch
from torch import nn
from torch.nn.utils import prune

import snndeploy
from snndeploy.errors import CheckFailed
from snndeploy.export.snntorch import export_model
from tests.export.matrix_models import made
from tests.export.test_snntorch_forms import leaky, refused

Forward = Callable[..., Any]


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(3)


def model(forward: Forward = lambda m, x: m.lif(m.fc(x)), neuron: nn.Module | None = None) -> Any:
    return made(forward, fc=nn.Linear(4, 5), lif=neuron or leaky())


def with_state(m: Any, x: Any) -> Any:
    return m.lif(m.fc(x)), m.lif.mem


def with_copy(m: Any, x: Any) -> Any:
    return m.lif(m.fc(x)), m.lif.mem.detach().clone()


def records(m: Any, x: Any) -> Any:
    steps = [(m.lif(m.fc(x)), m.lif.mem) for _ in range(40)]
    return torch.stack([spikes for spikes, _ in steps]), torch.stack([mem for _, mem in steps])


def truncates(m: Any, x: Any) -> Any:
    spikes = m.lif(m.fc(x))
    m.lif.mem = m.lif.mem.detach()
    return spikes


def starts_anew(m: Any, x: Any) -> Any:
    m.lif.reset_mem()
    return torch.stack([m.lif(m.fc(x)) for _ in range(40)])


@pytest.mark.parametrize("forward", [with_state, with_copy, records, truncates, starts_anew])
def test_hidden_states_may_be_read(forward: Forward) -> None:
    exported = export_model(model(forward), (4,))
    assert (exported.silent, exported.notes) == ([], [])


def test_the_states_of_a_synaptic() -> None:
    def forward(m: Any, x: Any) -> Any:
        return m.lif(m.fc(x)), m.lif.syn, m.lif.mem

    assert export_model(model(forward, snn.Synaptic(0.5, 0.8, threshold=0.4, init_hidden=True)), (4,)).silent == []


def test_the_hidden_spikes_of_an_rleaky() -> None:
    def forward(m: Any, x: Any) -> Any:
        m.lif(m.fc(x))
        return m.lif.spk, m.lif.mem

    neuron = snn.RLeaky(0.8, linear_features=5, threshold=0.4, init_hidden=True)
    assert export_model(model(forward, neuron), (4,)).silent == []


def forgets(m: Any, x: Any) -> Any:
    m.lif.reset_mem()
    return m.lif(m.fc(x))


def halves(m: Any, x: Any) -> Any:
    spikes = m.lif(m.fc(x))
    m.lif.mem = torch.zeros(2, 5)
    return spikes


CHANGES = "lif: forward changes its mem between the steps; leave the states to the neuron"
SENT = "gets the mem of 'lif'; only its spikes can be sent"


@pytest.mark.parametrize(
    ("forward", "expected"),
    [
        (forgets, CHANGES),
        (halves, CHANGES),
        (lambda m, x: (m.lif(m.fc(x)), torch.sigmoid(m.lif.mem)), f"forward: sigmoid {SENT}"),
        (
            lambda m, x: (m.lif(m.fc(x)), m.fc.weight),
            "output: forward returns 'fc.weight', a tensor of the model itself; return the spikes of the last neuron,"
            " then states",
        ),
    ],
)
def test_what_is_made_of_states(forward: Forward, expected: str) -> None:
    assert refused(model(forward), (4,)) == [f"model: {expected}"]


def looks(module: nn.Module, given: Any, output: Any) -> None:
    output.mean()


def doubles(module: nn.Module, given: Any, output: Any) -> Any:
    return 2 * output


def test_a_hook_that_changes_a_current_is_followed() -> None:
    hooked = model()
    hooked.fc.register_forward_hook(doubles)
    weight = export_model(hooked, (4,)).graph.nodes["fc"].weight
    assert torch.equal(torch.from_numpy(weight), 2 * hooked.fc.weight.detach().double())


def test_a_hook_that_cannot_be_followed_is_named() -> None:
    hooked = model()
    hooked.fc.register_forward_hook(looks)
    assert refused(hooked, (4,)) == [
        "model: forward: mean is not supported; use AvgPool2d",
        "model: fc: forward hooks were followed too; remove those that only look",
    ]


@pytest.fixture
def silenced() -> Iterator[None]:
    """A hook on all modules that a trace does not see."""

    def hook(module: nn.Module, given: Any, output: Any) -> Any:
        return 0 * output if isinstance(module, snn.Leaky) and type(output) is torch.Tensor else None

    handle = torch.nn.modules.module.register_module_forward_hook(hook)
    yield
    handle.remove()


@pytest.mark.usefixtures("silenced")
def test_a_hook_that_changes_spikes_is_named() -> None:
    with pytest.raises(CheckFailed) as failed:
        export_model(model(), (4,))
    (line,) = failed.value.lines()
    assert line.endswith(
        "values differ); nothing was exported, remove the forward hooks of all modules, which the graph does not have"
    )


REPLACED = "was replaced; put the new one into a class of its own"


def test_replaced_methods_are_named() -> None:
    changed = model()
    changed.lif.forward = lambda x: x
    changed.lif.fire = lambda mem: mem
    changed.fc.forward = lambda x: x
    changed.forward = lambda x: x
    assert refused(changed, (4,)) == [
        f"model: the forward of this Model {REPLACED}",
        f"model: fc: the forward of this Linear {REPLACED}",
        f"model: lif: the forward of this Leaky {REPLACED}",
        f"model: lif: the fire of this Leaky {REPLACED}",
    ]


def test_a_replaced_method_of_a_class_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    original = snn.Leaky.forward
    monkeypatch.setattr(snn.Leaky, "forward", lambda self, x, mem=None: original(self, 2 * x, mem))
    assert refused(model(), (4,)) == [f"model: lif: the forward of this Leaky {REPLACED}"]


def test_a_forward_bound_to_the_model_is_followed() -> None:
    changed = model(lambda m, x: x)
    changed.forward = (lambda m, x: m.lif(m.fc(x))).__get__(changed)
    assert export_model(changed, (4,)).silent == []


def test_pruned_and_normalized_weights_are_followed() -> None:
    pruned = model()
    prune.l1_unstructured(pruned.fc, "weight", 0.5)
    assert (export_model(pruned, (4,)).graph.nodes["fc"].weight == 0).sum() == 10
    normal = model()
    torch.nn.utils.parametrizations.weight_norm(normal.fc)
    assert export_model(normal, (4,)).silent == []


@pytest.mark.parametrize(
    ("given", "found"), [(nn.Linear, "the class Linear"), ({"weight": 1}, "dict"), (None, "NoneType"), ("m", "str")]
)
def test_no_model(given: Any, found: str) -> None:
    assert refused(given, (4,)) == [f"model: expected a torch.nn.Module, found {found}"]


def test_to_nir_warns_of_the_training_mode() -> None:
    with pytest.warns(UserWarning, match=r"^in train mode: 1 \(BatchNorm1d\); exported as after model.eval\(\), with"):
        snndeploy.to_nir(nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), leaky()), (4,))
