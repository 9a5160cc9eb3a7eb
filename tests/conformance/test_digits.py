"""The trained digits network: snnTorch and its exported graph, both in float64, spike alike on every test image."""

from __future__ import annotations

import numpy as np
import pytest
from torch import nn

from snndeploy.export.lower import lower
from snndeploy.export.snntorch import export_model
from snndeploy.floats import simulate
from snndeploy.trainers.training import encoded_test, recipe_of, train
from tests.conformance.test_exact import snntorch_spikes


@pytest.mark.long
@pytest.mark.parametrize("recipe", ["digits-snn", "digits-rate"])
def test_model_and_graph_spike_alike_on_the_test_split(recipe: str) -> None:
    model = train(recipe).model
    assert isinstance(model, nn.Sequential)
    x, _ = encoded_test(recipe_of(recipe))
    network = lower(export_model(model, x[0, 0]).graph)
    found = simulate(network, x)
    layers = [name for name in network.order() if name in found]
    for name, expected in zip(layers, snntorch_spikes(model, x), strict=True):
        assert expected.shape == (540, 16, network.population(name).size)
        assert expected.any()
        np.testing.assert_array_equal(found[name], expected)
