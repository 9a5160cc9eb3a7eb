"""digits-rate: the network of digits-snn on binary spikes, whose rate is the pixel."""

from __future__ import annotations

from snndeploy.trainers.recipes.digits_snn import spiking_mlp
from snndeploy.trainers.values import Recipe

RECIPE = Recipe(
    description="spiking MLP 64-128-64-10 on scikit-learn's digits, pixels as rates of binary spikes",
    dataset="digits",
    encoder="rate",
    steps=16,
    build=spiking_mlp,
    epochs=40,
    batch=128,
    learning_rate=4e-3,
    label_smoothing=0.1,
    logit_scale=0.5,
)
