"""NIR's convolutions and pools to projections: against torch in float64, in the kind that is exact and small."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import snndeploy
from snndeploy.errors import BadInput
from snndeploy.export import linear
from snndeploy.export.lower import lower
from snndeploy.export.nir_file import read_nir
from snndeploy.floats import simulate
from snndeploy.network import Network
from snndeploy.runs import all_probes

DT = 1e-4
Shape = tuple[int, ...]
functional = torch.nn.functional


def neurons(shape: Shape, r: float = 1 / DT) -> nir.IF:
    """Integrators with a gain of r * DT."""
    return nir.IF(r=np.full(shape, r), v_threshold=np.ones(shape), v_reset=np.zeros(shape))


def conv(weights: Any, bias: Any = None, shape: Any = None, **options: Any) -> nir.NIRNode:
    settings: dict[str, Any] = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, **options}
    kind = nir.Conv1d if np.ndim(weights) == 3 else nir.Conv2d
    return kind(shape, weights, bias=np.zeros(len(weights)) if bias is None else bias, **settings)


def pool(kind: type, kernel: int, stride: int | None = None, padding: int = 0) -> nir.NIRNode:
    return kind(*(np.array([size, size]) for size in (kernel, stride or kernel, padding)))


def flatten(shape: Shape) -> nir.Flatten:
    return nir.Flatten({"input": np.array(shape)}, start_dim=0)


def lowered(source: Shape, *nodes: Any) -> Network:
    """in -> n0 -> n1 -> ... -> out, where the last node is a neuron."""
    ends = nir.Input(np.array(source)), nir.Output(np.array(nodes[-1].v_threshold.shape))
    named = {"in": ends[0], **{f"n{i}": node for i, node in enumerate(nodes)}, "out": ends[1]}
    return lower(nir.NIRGraph(named, list(pairwise(named)), type_check=False), DT, where="g")


def refusals(*nodes: Any, source: Shape = (2, 6, 6)) -> list[str]:
    with pytest.raises(BadInput) as refused:
        lowered(source, *nodes)
    return refused.value.lines()


def brought(network: Network, x: Any) -> NDArray[Any]:
    """What the only projection and the bias bring the only neurons, of x (samples, *shape)."""
    (q,) = network.projections
    target = network.population(q.target)
    ((delay, weighted),) = network.brought(q)
    assert delay == 0
    bias = 0 if target.bias is None else target.bias
    return weighted(x.reshape(len(x), -1)).reshape(len(x), *target.shape) + bias


def assert_is(network: Network, kind: str, x: Any, expected: torch.Tensor) -> None:
    assert [q.kind for q in network.projections] == [kind]
    np.testing.assert_allclose(brought(network, x), expected.numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("seed", range(30))
def test_a_convolution_is_torchs(seed: int) -> None:
    draw = np.random.default_rng(seed)
    axes, groups = 1 + seed % 2, int(draw.integers(1, 4))
    weights = draw.normal(size=(2 * groups, int(draw.integers(1, 4)), *draw.integers(1, 5, axes)))
    bias = draw.normal(size=2 * groups)
    x = draw.normal(size=(3, weights.shape[1] * groups, *draw.integers(10, 14, axes)))
    dilation = tuple(draw.integers(1, 4, axes).tolist())
    stride, padding = tuple(draw.integers(1, 4, axes).tolist()), tuple(draw.integers(0, 4, axes).tolist())
    if seed % 3 == 0:
        stride, padding = (1,) * axes, ("same", "valid")[seed % 2]  # type: ignore[assignment]
    function = (functional.conv1d, functional.conv2d)[axes - 1]
    expected = function(*map(torch.tensor, (x, weights, bias)), stride, padding, dilation, groups)
    options = {"stride": stride, "padding": padding, "dilation": dilation}
    if axes == 1:
        options = {key: value if isinstance(value, str) else value[0] for key, value in options.items()}
    shape = None if seed % 4 else (x.shape[2] if axes == 1 else x.shape[2:])
    node = conv(weights, bias, None, groups=groups, **options)
    node.input_shape = shape  # nir 1.0.8 cannot infer the type of every "same"
    network = lowered(x.shape[1:], node, neurons(tuple(expected.shape[1:])))
    assert_is(network, "conv", x, expected)


@pytest.mark.parametrize("kind", [nir.SumPool2d, nir.AvgPool2d])
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(2, 2, 0), (3, 2, 1), (2, 3, 0)])
def test_a_pool_is_a_convolution(kind: type, kernel: int, stride: int, padding: int) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 7, 8))
    expected = functional.avg_pool2d(torch.tensor(x), kernel, stride, padding)
    expected = expected * (kernel**2 if kind is nir.SumPool2d else 1)
    network = lowered((3, 7, 8), pool(kind, kernel, stride, padding), neurons(tuple(expected.shape[1:])))
    assert_is(network, "conv", x, expected)
    assert network.projections[0].weights.shape == (3, 1, kernel, kernel)


# Pool, then convolution, from a source of 3 channels, height, width -> whether one kernel is exact.
POOL_THEN_CONV = {
    "the usual": ((2, 2, 0), (1, 0), (8, 8), "conv"),
    "a padded convolution": ((2, 2, 0), (1, 1), (8, 8), "conv"),
    "strides multiply": ((2, 2, 0), (2, 1), (12, 10), "conv"),
    "a remainder that nothing reads": ((2, 2, 0), (1, 0), (9, 9), "conv"),
    "a remainder behind padding": ((2, 2, 0), (1, 1), (9, 8), "sparse"),
    "a remainder behind padding that a stride skips": ((2, 2, 0), (2, 1), (13, 13), "conv"),
    "windows that overlap": ((3, 2, 0), (1, 0), (9, 9), "conv"),
    "windows that overlap, behind padding": ((3, 2, 0), (1, 1), (9, 9), "sparse"),
    "windows with gaps": ((2, 3, 0), (1, 1), (9, 9), "conv"),
    "a padded pool": ((2, 2, 1), (1, 0), (8, 8), "conv"),
}


@pytest.mark.parametrize("name", POOL_THEN_CONV)
@pytest.mark.parametrize("groups", [1, 3])
def test_a_pool_becomes_part_of_the_next_convolution(name: str, groups: int) -> None:
    (kernel, stride, around), (step, padding), size, kind = POOL_THEN_CONV[name]
    draw = np.random.default_rng(1)
    weights, bias, x = draw.normal(size=(6, 3 // groups, 3, 3)), draw.normal(size=6), draw.normal(size=(2, 3, *size))
    pooled = functional.avg_pool2d(torch.tensor(x), kernel, stride, around)
    expected = functional.conv2d(pooled, *map(torch.tensor, (weights, bias)), step, padding, 1, groups)
    nodes = (
        pool(nir.AvgPool2d, kernel, stride, around),
        conv(weights, bias, stride=step, padding=padding, groups=groups),
    )
    assert_is(lowered((3, *size), *nodes, neurons(tuple(expected.shape[1:]))), kind, x, expected)


@pytest.mark.parametrize("seed", range(40))
def test_a_pool_and_a_convolution_of_any_geometry_are_torchs(seed: int) -> None:
    draw = np.random.default_rng(seed)
    kernel, stride, step, dilation = (int(draw.integers(1, 4)) for _ in range(4))
    around, padding = int(draw.integers(0, kernel // 2 + 1)), int(draw.integers(0, 3))
    weights, x = draw.normal(size=(4, 2, 2, 3)), draw.normal(size=(2, 2, *draw.integers(14, 18, 2)))
    pooled = functional.avg_pool2d(torch.tensor(x), kernel, stride, around)
    expected = functional.conv2d(pooled, torch.tensor(weights), None, step, padding, dilation)
    nodes = pool(nir.AvgPool2d, kernel, stride, around), conv(weights, stride=step, padding=padding, dilation=dilation)
    network = lowered(x.shape[1:], *nodes, neurons(tuple(expected.shape[1:])))
    exact = padding == 0 or (kernel <= stride + around and network.projections[0].kind == "conv")
    assert_is(network, "conv" if exact else "sparse", x, expected)


def test_a_pool_behind_a_convolution_joins_it_with_its_bias() -> None:
    draw = np.random.default_rng(2)
    weights, bias, x = draw.normal(size=(4, 2, 3, 3)), draw.normal(size=4), draw.normal(size=(2, 2, 9, 9))
    made = functional.conv2d(*map(torch.tensor, (x, weights, bias)), 1, 1, 2)
    expected = functional.avg_pool2d(made, 2) * 4
    node = conv(weights, bias, padding=1, dilation=2)
    network = lowered((2, 9, 9), node, pool(nir.SumPool2d, 2), neurons(tuple(expected.shape[1:])))
    assert_is(network, "conv", x, expected)


def test_two_convolutions_without_neurons_in_between_are_listed() -> None:
    draw = np.random.default_rng(3)
    first, second, x = draw.normal(size=(3, 2, 3, 3)), draw.normal(size=(2, 3, 2, 2)), draw.normal(size=(2, 2, 6, 6))
    expected = functional.conv2d(functional.conv2d(torch.tensor(x), torch.tensor(first)), torch.tensor(second))
    network = lowered((2, 6, 6), conv(first), conv(second), neurons(tuple(expected.shape[1:])))
    assert_is(network, "sparse", x, expected)


def test_a_flattened_pool_and_a_matrix_are_a_matrix() -> None:
    draw = np.random.default_rng(4)
    weights, bias, x = draw.normal(size=(5, 18)), draw.normal(size=5), draw.normal(size=(3, 2, 7, 6))
    pooled = functional.avg_pool2d(torch.tensor(x), 2)
    expected = functional.linear(pooled.flatten(1), *map(torch.tensor, (weights, bias)))
    nodes = pool(nir.AvgPool2d, 2), flatten((2, 3, 3)), nir.Affine(weights, bias), neurons((5,))
    assert_is(lowered((2, 7, 6), *nodes), "dense", x, expected)


def test_a_matrix_before_a_convolution_is_a_matrix() -> None:
    draw = np.random.default_rng(5)
    matrix, weights, x = draw.normal(size=(18, 4)), draw.normal(size=(3, 2, 2, 2)), draw.normal(size=(3, 4))
    made = functional.linear(torch.tensor(x), torch.tensor(matrix)).reshape(3, 2, 3, 3)
    expected = functional.conv2d(made, torch.tensor(weights))
    network = lowered((4,), nir.Linear(matrix), conv(weights, None, (3, 3)), neurons((3, 2, 2)))
    assert_is(network, "dense", x, expected)


def test_flat_neurons_behind_a_convolution_get_its_synapses() -> None:
    draw = np.random.default_rng(6)
    weights, x = draw.normal(size=(3, 2, 3, 3)), draw.normal(size=(2, 2, 5, 5))
    expected = functional.conv2d(torch.tensor(x), torch.tensor(weights)).flatten(1)
    assert_is(lowered((2, 5, 5), conv(weights), flatten((3, 3, 3)), neurons((27,))), "sparse", x, expected)


def test_gains_are_multiplied_in_for_each_channel_or_for_each_neuron() -> None:
    draw = np.random.default_rng(7)
    weights, x = draw.normal(size=(3, 2, 3, 3)), draw.normal(size=(2, 2, 5, 5))
    expected = functional.conv2d(torch.tensor(x), torch.tensor(weights))
    for gain, kind in ((draw.normal(size=(3, 1, 1)), "conv"), (draw.normal(size=(3, 3, 3)), "sparse")):
        cell = nir.IF(r=np.broadcast_to(gain / DT, (3, 3, 3)).copy(), v_threshold=np.ones((3, 3, 3)))
        assert_is(lowered((2, 5, 5), conv(weights), cell), kind, x, expected * torch.tensor(gain))


def test_a_sum_of_convolutions_and_of_a_shortcut() -> None:
    draw = np.random.default_rng(8)
    a, b, x = draw.normal(size=(2, 2, 3, 3)), draw.normal(size=(2, 2, 3, 3)), draw.normal(size=(2, 2, 4, 4))
    ends = {"in": nir.Input(np.array([2, 4, 4])), "n": neurons((2, 4, 4)), "out": nir.Output(np.array([2, 4, 4]))}
    nodes = {"a": conv(a, padding=1), "b": conv(b, padding=1)}
    edges = [("in", "a"), ("in", "b"), ("a", "n"), ("b", "n"), ("n", "out")]
    of_both = sum(functional.conv2d(torch.tensor(x), torch.tensor(w), padding=1) for w in (a, b))
    assert isinstance(of_both, torch.Tensor)
    assert_is(lower(nir.NIRGraph({**ends, **nodes}, edges, type_check=False), DT), "conv", x, of_both)
    edges.append(("in", "n"))
    shortcut = lower(nir.NIRGraph({**ends, **nodes}, edges, type_check=False), DT)
    assert_is(shortcut, "sparse", x, of_both + torch.tensor(x))


def test_a_whole_network_spikes_in_integers_and_in_lava_as_in_floats() -> None:
    """Weights that are powers of two: convolution, pool and convolution, flattened into a matrix."""
    draw = np.random.default_rng(9)

    def powers(*shape: int) -> Any:
        return draw.choice([-1, 1, 1], shape) * 2.0 ** draw.integers(-3, 0, shape)

    nodes = {
        "in": nir.Input(np.array([2, 8, 8])),
        "c1": conv(powers(4, 2, 3, 3), powers(4) / 4, (8, 8), padding="same"),
        "s1": neurons((4, 8, 8)),
        "p1": pool(nir.AvgPool2d, 2),
        "c2": conv(powers(4, 2, 2, 2), powers(4), (4, 4), groups=2),
        "s2": neurons((4, 3, 3)),
        "f": flatten((4, 3, 3)),
        "l": nir.Linear(powers(3, 36)),
        "s3": neurons((3,)),
        "out": nir.Output(np.array([3])),
    }
    graph = nir.NIRGraph(nodes, list(pairwise(nodes)), type_check=False)  # nir 1.0.8 takes groups for fewer channels
    network, artifact = lower(graph), snndeploy.compile(graph)
    assert [q.kind for q in artifact.program.projections] == ["conv", "conv", "dense"]
    assert [row.error for row in artifact.program.report] == [0, 0, 0]
    x = (draw.random((2, 8, 2, 8, 8)) < 0.4).astype(int)
    found = snndeploy.run(artifact, x, target="reference", probes=all_probes(artifact.program))
    for name, spikes in simulate(network, x).items():
        assert spikes.any()
        np.testing.assert_array_equal(found.probes[f"{name}.spikes"], spikes)
    for target in ("loihi2-sim", "loihi2-lava"):
        other = snndeploy.run(artifact, x, target=target, probes=all_probes(artifact.program))
        for probe, record in found.probes.items():
            np.testing.assert_array_equal(other.probes[probe], record)


K = np.ones((3, 2, 3, 3))


@pytest.mark.parametrize(
    ("node", "line"),
    [
        (conv(np.ones((3, 3, 3, 3))), "expected values of the shape (3, height, width), (2, 6, 6) arrive"),
        (conv(K, shape=(5, 5)), "expected values of the shape (2, 5, 5), (2, 6, 6) arrive"),
        (conv(np.ones((3, 2, 3))), "expected values of the shape (2, length), (2, 6, 6) arrive"),
        (conv(np.ones((3, 2, 7, 7))), "expected a source that the kernel (7, 7) fits, found (2, 6, 6)"),
        (conv(K * np.nan), ".weight: expected finite numbers"),
        (conv(K, np.ones(2)), ".bias: expected the shape (3,), found (2,)"),
        (conv(K, stride=(2, 0)), ".stride: expected whole numbers from 1, below 2**31, one or 2, found (2, 0)"),
        (conv(K, dilation=(1.5, 1)), ".dilation: expected whole numbers from 1, below 2**31, one or 2, found (1.5, 1)"),
        (conv(K, padding=(1, 1, 1)), ".padding: expected whole numbers from 0, below 2**31, one or 2, found (1, 1, 1)"),
        (conv(K, stride=(2, 2), padding="same"), ".padding: 'same' needs a stride of 1"),
        (
            conv(np.ones((64, 64, 2, 2)), dilation=(127, 127), padding="same"),
            ".padding: expected numbers: 'same' needs a kernel of 68161536 weights here, at most 8388608 fit",
        ),
        (conv(K, padding=(200, 0)), ".padding: expected 0 to 127, found 200 at [0]"),
        (conv(np.ones((4, 1, 1, 1)), groups=3), ".groups: expected a divisor of 4 target channels, found 3"),
        (pool(nir.SumPool2d, 7), "expected a source that the kernel (7, 7) fits, found (2, 6, 6)"),
        (pool(nir.SumPool2d, 0, 1), ".kernel_size: expected whole numbers from 1, below 2**31, one or 2, found [0 0]"),
        (pool(nir.AvgPool2d, 10**6), ".kernel_size: expected a kernel that fits (2, 6, 6), found (1000000, 1000000)"),
    ],
)
def test_what_does_not_fit_is_refused(node: nir.NIRNode, line: str) -> None:
    place = "g: n0" if line.startswith(".") else "g: n0: "
    assert refusals(node, neurons((3, 4, 4)))[0] == place + line


def test_a_pool_needs_a_height_and_a_width() -> None:
    expected = ["g: n0: expected values of the shape (channels, height, width), (6,) arrive"]
    assert refusals(pool(nir.AvgPool2d, 2), neurons((3,)), source=(6,)) == expected


def test_what_lists_too_many_synapses_is_refused_before_it_does() -> None:
    big = conv(np.ones((64, 64, 3, 3)), padding=1)
    source = (64, 32, 32)
    line = (
        f"its weights take more than {linear.MAX_LISTED} synapses, one by one, the limit; "
        "put a convolution alone between neurons of its shapes, with one gain for each channel"
    )
    assert refusals(big, big, neurons(source), source=source) == [f"g: n1: {line}"]
    assert refusals(big, flatten(source), neurons((2**16,)), source=source) == [f"g: n2: {line}"]
    mixed = neurons(source)
    mixed.r = mixed.r * np.arange(1.0, 33)
    assert refusals(big, mixed, source=source) == [f"g: n1: {line}"]


def test_a_convolution_takes_the_room_of_its_kernel() -> None:
    weights = np.ones((64, 64, 3, 3))
    network = lowered((64, 64, 64), conv(weights, padding=1), neurons((64, 64, 64)))
    assert math.prod(network.projections[0].weights.shape) == weights.size


def test_the_nmnist_network_of_the_nir_paper(shared: Path) -> None:
    """Its first pool is in the convolution behind it, its second one in the matrix."""
    network = lower(read_nir(shared / "nir" / "nmnist_scnn.nir"))
    assert {q.name: (q.kind, q.weights.shape) for q in network.projections} == {
        "input-if_1": ("conv", (16, 2, 5, 5)),
        "if_1-if_3": ("conv", (16, 16, 3, 3)),
        "if_3-if_6": ("conv", (8, 16, 6, 6)),  # 2 x 2 summed, then 3 x 3
        "if_6-if_10": ("dense", (256, 512)),
        "if_10-if_12": ("dense", (10, 256)),
    }
