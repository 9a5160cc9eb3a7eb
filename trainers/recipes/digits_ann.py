"""digits-ann: the MLP of digits-snn with ReLU and without time, which says what the spikes cost."""

from __future__ import annotations

from snndeploy.extras import extras
from snndeploy.trainers.values import Recipe

with extras():
    import torch
    from torch import nn


def build() -> nn.Sequential:
    """The untrained network, 64-128-64-10, with first weights that suit pixels of 0 to 16."""
    model = nn.Sequential(
        nn.Linear(64, 128),
        nn.ReLU(),
        nn.Linear(128, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )
    with torch.no_grad():
        next(model.parameters()).div_(8)
    return model


RECIPE = Recipe(
    description="MLP 64-128-64-10 with ReLU on scikit-learn's digits, the yardstick without spikes",
    dataset="digits",
    encoder="constant",
    steps=1,
    build=build,
    epochs=40,
    batch=128,
    learning_rate=4e-3,
    label_smoothing=0.1,
    logit_scale=1.0,
)
