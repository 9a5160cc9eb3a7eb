"""Decays through NIR's time constants and back."""

from __future__ import annotations

import nir
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from snndeploy.errors import Problems
from snndeploy.export import nir_neurons

STEPS_OF_TIME = st.floats(1e-9, 1e3)
float32_decays = st.one_of(st.just(0.0), st.floats(2.0**-27, 1, exclude_max=True, width=32))


@given(beta=float32_decays, alpha=float32_decays, dt=STEPS_OF_TIME)
def test_decays_of_float32_come_back_exactly_with_a_gain_of_one(beta: float, alpha: float, dt: float) -> None:
    node = nir_neurons.to_nir(np.full(1, alpha), np.full(1, beta), np.ones(1), dt)
    problems = Problems("")
    back = nir_neurons.from_nir("n", node, dt, problems)
    assert problems.found == []
    assert back is not None
    assert (back.alpha[0], back.beta[0], back.gain[0], back.bias[0]) == (alpha, beta, 1.0, 0.0)


@given(beta=st.floats(0, 1 - 2.0**-30), dt=STEPS_OF_TIME)
def test_decays_of_float64_come_back_within_a_rounding(beta: float, dt: float) -> None:
    back = nir_neurons.kept(dt / (1 - np.full(1, beta)), dt)
    assert abs(back[0] - beta) <= 2 * nir_neurons.ROUNDING
    assert back[0] >= 0


@given(dt=STEPS_OF_TIME)
def test_no_decay_is_an_integrator(dt: float) -> None:
    node = nir_neurons.to_nir(None, np.ones(2), np.ones(2), dt)
    assert isinstance(node, nir.IF)
    back = nir_neurons.from_nir("n", node, dt, Problems(""))
    assert back is not None
    assert back.beta.tolist() == [1, 1]
    assert back.gain.tolist() == [1, 1]
