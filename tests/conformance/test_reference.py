"""The reference by itself: samples know nothing of one another."""

from __future__ import annotations

import numpy as np

from snndeploy.runs import all_probes
from snndeploy.simulators import reference
from tests.programs import random_program


def test_samples_beyond_a_block_are_what_they_are_alone() -> None:
    program, payloads = random_program(4)
    draw, samples = np.random.default_rng(0), 2 * reference.BLOCK + 3
    many = {name: draw.permuted(np.resize(x, (samples, *x.shape[1:])), axis=0) for name, x in payloads.items()}
    probes = all_probes(program)
    together = reference.simulate(program, many, probes)
    assert max(len(np.unique(together[probe], axis=0)) for probe in probes) > samples // 2
    for i in range(samples):
        alone = reference.simulate(program, {name: x[i : i + 1] for name, x in many.items()}, probes)
        for probe in probes:
            np.testing.assert_array_equal(together[probe][i : i + 1], alone[probe])


def test_no_samples_are_an_empty_answer() -> None:
    for seed in range(20):
        program, payloads = random_program(seed)
        nothing = {name: x[:0] for name, x in payloads.items()}
        expected = reference.simulate(program, payloads, all_probes(program))
        for probe, record in reference.simulate(program, nothing, all_probes(program)).items():
            assert (record.shape, record.dtype) == ((0, *expected[probe].shape[1:]), expected[probe].dtype)
