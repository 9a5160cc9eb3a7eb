"""The float meaning of each reset, computed by hand, and of projections and inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

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


def passed(q: Projection, source: tuple[int, ...], target: tuple[int, ...], x: Any) -> Any:
    """What the projection brings, (samples, *target), of messages (samples, *source), all at once."""
    populations = (
        Population("x", source, "input"),
        Population("n", target, "lif", {"alpha": 0, "beta": 0, "threshold": 1}),
    )
    network = Network(populations, (q,), ("n",), 1e-3)
    network.check()
    return sum(weighted(x.reshape(len(x), -1)) for _, weighted in network.brought(q)).reshape(len(x), *target)


@pytest.mark.parametrize("seed", range(20))
def test_a_conv_is_torch_in_float64(seed: int) -> None:
    draw = np.random.default_rng(seed)
    axes, groups = 1 + seed % 2, int(draw.integers(1, 4))
    stride, padding, dilation = (draw.integers(low, 4, axes) for low in (1, 0, 1))
    kernel = draw.integers(1, 4, axes)
    weights = draw.normal(size=(2 * groups, int(draw.integers(1, 4)), *kernel))
    x = draw.normal(size=(3, weights.shape[1] * groups, *draw.integers(8, 14, axes)))
    of_torch = (torch.nn.functional.conv1d, torch.nn.functional.conv2d)[axes - 1](
        torch.tensor(x), torch.tensor(weights), None, tuple(stride), tuple(padding), tuple(dilation), groups
    ).numpy()
    extra = {"stride": stride, "padding": padding, "dilation": dilation, "groups": np.array(groups)}
    q = Projection("q", "x", "n", weights, kind="conv", extra=extra)
    np.testing.assert_allclose(passed(q, x.shape[1:], of_torch.shape[1:], x), of_torch, rtol=1e-12, atol=1e-12)


def test_a_sparse_projection_is_its_matrix() -> None:
    draw = np.random.default_rng(0)
    matrix = draw.normal(size=(6, 9)) * (draw.random((6, 9)) < 0.3)
    matrix[[0, 3]] = 0  # targets without a synapse
    _, sources = np.nonzero(matrix)
    indptr = np.append(0, np.cumsum((matrix != 0).sum(axis=1)))
    extra = {"indices": sources, "indptr": indptr}
    q = Projection("q", "x", "n", matrix[matrix != 0], kind="sparse", extra=extra)
    x = draw.normal(size=(4, 9))
    np.testing.assert_allclose(passed(q, (9,), (6,), x), x @ matrix.T, rtol=1e-12, atol=1e-12)


def test_delays_per_synapse_act_that_many_steps_later() -> None:
    cell: Any = {"alpha": 0.0, "beta": 0.0, "threshold": 0.5}
    q = Projection("q", "x", "n", np.ones((2, 1)), delay=1, extra={"delays": np.array([[0], [2]])})
    network = Network((Population("x", (1,), "input"), Population("n", (2,), "lif", cell)), (q,), ("n",), 1.0)
    spikes = simulate(network, np.array([[[1.0]]]), steps=5)["n"][0]
    assert spikes.T.tolist() == [[False, True, False, False, False], [False, False, False, True, False]]


@pytest.mark.parametrize(
    ("q", "text"),
    [
        (Projection("q", "x", "n", np.ones((2, 2)), kind="full"), "network: q: unknown kind 'full'"),
        (
            Projection("q", "x", "n", np.ones((1, 1)), extra={"stride": np.array([1])}),
            "network: q: a dense projection has no stride",
        ),
        (
            Projection("q", "x", "n", np.ones((1, 1, 2)), kind="conv"),
            "network: q: expected ends (channels, length), found (1,) and (1,)",
        ),
    ],
)
def test_projections_that_do_not_fit(q: Projection, text: str) -> None:
    neuron = Population("n", (1,), "lif", {"alpha": 0.0, "beta": 0.0, "threshold": 0.5})
    with pytest.raises(BadInput) as refused:
        Network((Population("x", (1,), "input"), neuron), (q,), ("n",), 1.0).check()
    assert str(refused.value) == text


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
