"""The float meaning of each reset, computed by hand, and of projections and inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from snndeploy.errors import BadInput
from snndeploy.floats import simulate
from snndeploy.network import Network, Population, Projection


def one_neuron(reset: str, beta: float = 0.5, alpha: float = 0.0, bias: Any = None) -> Network:
    parameters: Any = {"alpha": alpha, "beta": beta, "threshold": 1.0}
    neuron = Population("n", (1,), "lif", parameters, bias, reset)
    return Network((Population("x", (1,), "input"), neuron), (Projection("x-n", "x", "n", np.eye(1)),), ("n",), 1e-3)


def train(network: Network, values: list[float], steps: int | None = None) -> list[int]:
    return simulate(network, np.array(values).reshape(1, -1, 1), steps)["n"][0, :, 0].astype(int).tolist()


# Drive 3, 0.75, 0.75, 0.75 into beta = 0.5, threshold 1. v before and after each reset:
#   zero            3 -> 0       0.75          1.125 -> 0             0.75
#   zero-next       3            0 (swallowed) 0.75                   1.125
#   subtract        3 -> 2       1.75 - 1 = 0.75 (no spike, and the threshold back) -> 1.75
#                                              1.625 - 1 = 0.625 -> 1.625   1.5625 - 1 = 0.5625
#   subtract-next   3            2.25 - 1 = 1.25     1.375 - 1 = 0.375      0.9375
#   none            3            2.25          1.875                  1.6875
@pytest.mark.parametrize(
    ("reset", "spikes"),
    [
        ("zero", [1, 0, 1, 0]),
        ("zero-next", [1, 0, 0, 1]),
        ("subtract", [1, 0, 0, 0]),
        ("subtract-next", [1, 1, 0, 0]),
        ("none", [1, 1, 1, 1]),
    ],
)
def test_resets_by_hand(reset: str, spikes: list[int]) -> None:
    assert train(one_neuron(reset), [3, 0.75, 0.75, 0.75]) == spikes


def test_the_threshold_is_strict() -> None:
    # v = 1, 1, 1 + 2**-52
    assert train(one_neuron("zero"), [1.0, 0.5, 0.5 + 2.0**-52]) == [0, 0, 1]


def test_subtract_without_delay_rests_above_its_threshold() -> None:
    """snnTorch, measured: overdrive 3.5 and beta 1 spikes twice without a delay and three times with it."""
    assert train(one_neuron("subtract", beta=1.0), [3.5, 0, 0, 0, 0]) == [1, 1, 0, 0, 0]
    assert train(one_neuron("subtract-next", beta=1.0), [3.5, 0, 0, 0, 0]) == [1, 1, 1, 0, 0]


def test_synaptic_current_and_bias() -> None:
    # i = 1, 0.5, 0.25, 0.125; v = 1, 1.5 -> spike.
    assert train(one_neuron("zero", beta=1.0, alpha=0.5), [1, 0, 0, 0]) == [0, 1, 0, 0]
    # A bias of 0.75 alone: v = 0.75, 1.125 -> 0, 0.75, 1.125; the input ends after one step.
    assert train(one_neuron("zero", bias=0.75), [0], steps=4) == [0, 1, 0, 1]


def test_projections_without_delay_act_in_the_same_step_and_others_later() -> None:
    cell: Any = {"alpha": 0.0, "beta": 0.0, "threshold": 0.5}
    populations = (
        Population("b", (1,), "lif", cell),
        Population("a", (1,), "lif", cell),
        Population("x", (1,), "input"),
    )
    projections = (
        Projection("x-a", "x", "a", np.eye(1)),
        Projection("a-b", "a", "b", np.eye(1), delay=2),
        Projection("b-a", "b", "a", np.eye(1)),
    )
    spikes = simulate(Network(populations, projections, ("b",), 1.0), np.array([[[1.0]]]), steps=6)
    assert spikes["a"][0, :, 0].tolist() == [True, False, True, False, True, False]
    assert spikes["b"][0, :, 0].tolist() == [False, False, True, False, True, False]


def test_shapes_and_samples() -> None:
    network = one_neuron("zero")
    spikes = simulate(network, {"x": np.full((3, 5, 1), 2.0)})
    assert spikes["n"].shape == (3, 5, 1)
    assert spikes["n"].dtype == bool
    assert simulate(network, np.ones((2, 5, 1)), steps=2)["n"].shape == (2, 2, 1)


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (np.zeros((1, 4, 2)), "input: x: expected the shape (samples, steps, 1), found (1, 4, 2)"),
        (np.array([[[np.nan]]]), "input: x: expected finite numbers, found nan at [0, 0, 0]"),
        ({"y": np.zeros((1, 4, 1))}, "input: expected x, found y"),
    ],
)
def test_inputs_that_do_not_fit(x: Any, text: str) -> None:
    with pytest.raises(BadInput) as refused:
        simulate(one_neuron("zero"), x)
    assert str(refused.value) == text
