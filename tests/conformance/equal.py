"""What the tests of the fast engine share: the comparison with the reference, and a network of dense layers."""

from __future__ import annotations

import numpy as np

from snndeploy.integers import Ints
from snndeploy.program import Input, Population, Program, Projection
from snndeploy.runs import all_probes
from snndeploy.simulators import fast, reference

LIF = {"du": 1000, "dv": 300, "bias_mant": 20, "bias_exp": 3, "vth": 900}


def require_equal(program: Program, payloads: dict[str, Ints], what: str) -> None:
    """Fails with the first value that differs; compares every probe in every raw step."""
    probes = all_probes(program)
    expected = reference.simulate(program, payloads, probes)
    found = fast.simulate(program, payloads, probes)
    for probe in probes:
        assert found[probe].dtype == expected[probe].dtype, f"{what}: {probe}"
        np.testing.assert_array_equal(found[probe], expected[probe], err_msg=f"{what}: {probe}")


def dense_network(sizes: tuple[int, ...], draw: np.random.Generator, **changes: int) -> Program:
    """Dense layers, binary, weights of 8 bits with both signs."""
    layers = [Population(f"l{i}", (n,), "lif", {**LIF, **changes}, i) for i, n in enumerate(sizes[1:], 1)]
    names = ["in", *(layer.name for layer in layers)]
    projections = [
        Projection(f"q{i}", names[i], names[i + 1], draw.integers(-128, 128, (sizes[i + 1], sizes[i])) * 2)
        for i in range(len(layers))
    ]
    program = Program((Input("in", (sizes[0],)),), tuple(layers), tuple(projections), (names[-1],))
    program.check()
    return program
