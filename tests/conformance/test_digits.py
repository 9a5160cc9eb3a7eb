"""The trained digits network: snnTorch and its exported graph, both in float64, spike alike on every test image."""

from __future__ import annotations

import numpy as np
import pytest

from snndeploy.export.lower import lower
from snndeploy.export.snntorch import export_model
from snndeploy.floats import simulate
from snndeploy.trainers.training import encoded_test, recipe_of, train
from tests.snntorch_spikes import spikes_of


@pytest.mark.long
@pytest.mark.parametrize("recipe", ["digits-snn", "digits-rate"])
def test_model_and_graph_spike_alike_on_the_test_split(recipe: str) -> None:
    model = train(recipe).model
    x, _ = encoded_test(recipe_of(recipe))
    network = lower(export_model(model, x[0, 0]).graph)
    found = simulate(network, x)
    layers = [name for name in network.order() if name in found]
    for name, expected in zip(layers, spikes_of(model, x).values(), strict=True):
        assert expected.shape == (540, 16, network.population(name).size)
        assert expected.any()
        np.testing.assert_array_equal(found[name], expected)
