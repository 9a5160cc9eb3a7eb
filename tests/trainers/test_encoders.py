"""The digits and the encoders."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from snndeploy.errors import BadInput
from snndeploy.registry import part, parts
from snndeploy.trainers.datasets import digits
from snndeploy.trainers.encoders import constant, rate

PIXELS = arrays(np.int64, st.tuples(st.integers(1, 5), st.integers(1, 7)), elements=st.integers(0, 16))


def test_the_digits_are_split_as_agreed() -> None:
    data = digits.load()
    assert (data.train_x.shape, data.test_x.shape) == ((1257, 64), (540, 64))
    assert (data.train_x.min(), data.train_x.max()) == (0, 16)
    assert np.bincount(data.test_y).tolist() == [54, 55, 53, 55, 54, 55, 54, 54, 52, 54]
    assert data.test_y[:12].tolist() == [1, 4, 5, 6, 9, 1, 2, 2, 2, 0, 7, 5]
    with pytest.raises(ValueError, match="read-only"):
        data.test_x[0, 0] = 1


@given(PIXELS, st.integers(1, 9))
def test_constant_sends_the_value_in_every_step(x: np.ndarray, steps: int) -> None:
    sent = constant.encode(x, steps, seed=0)
    assert sent.shape == (x.shape[0], steps, x.shape[1])
    assert (sent == x[:, None]).all()


@given(PIXELS, st.integers(1, 9), st.integers(0, 2**40))
def test_rate_sends_binary_spikes_that_other_samples_do_not_change(x: np.ndarray, steps: int, seed: int) -> None:
    sent = rate.encode(x, steps, seed)
    assert set(np.unique(sent)) <= {0, 1}
    assert (sent[:, :, :] <= (x[:, None] > 0)).all()
    assert (sent >= (x[:, None] == 16)).all()
    np.testing.assert_array_equal(rate.encode(x[:1], steps, seed), sent[:1])


def test_rate_is_the_pixel_over_sixteen() -> None:
    x = np.tile(np.arange(17), (200, 1))
    frequency = rate.encode(x, 500, seed=1).mean(axis=(0, 1))  # 100,000 draws: standard error at most 0.0016
    np.testing.assert_allclose(frequency, np.arange(17) / 16, atol=0.008)
    assert (rate.encode(x, 5, seed=1) != rate.encode(x, 5, seed=2)).any()


def test_rate_is_the_same_on_every_machine() -> None:
    assert rate.encode(np.array([[8, 8, 8, 8]]), 4, seed=0).reshape(-1).tolist() == [
        0,
        1,
        1,
        0,
        0,
        0,
        0,
        1,
        1,
        1,
        0,
        1,
        0,
        0,
        1,
        1,
    ]


@pytest.mark.parametrize("name", sorted(parts("trainers.encoders")))
@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.array([[0, 17]]), "encode: expected integers 0 to 16, found 17 at [0, 1]"),
        (np.array([[-1, -2]]), "encode: expected integers 0 to 16, found -1 at [0, 0] (and 1 more)"),
        (np.array([[0.5]]), "encode: expected integers 0 to 16, found float64"),
    ],
)
def test_other_values_are_refused(name: str, x: np.ndarray, message: str) -> None:
    with pytest.raises(BadInput) as refusal:
        part("trainers.encoders", name).encode(x, 2, seed=0)
    assert str(refusal.value) == message
