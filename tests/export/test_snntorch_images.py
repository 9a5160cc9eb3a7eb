"""Layers for images and sequences: `export_model` compares every spike with the model; here it is what is made."""

from __future__ import annotations

from typing import Any

import nir
import numpy as np
import pytest
import snntorch as snn
import torch
import torch.nn.functional as torch_functions
from torch import nn

from snndeploy.errors import BadInput
from snndeploy.export.nir_file import read_nir, write_nir
from snndeploy.export.snntorch import export_model
from tests.export.matrix_models import made


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(3)


def leaky(beta: Any = 0.8, **options: Any) -> Any:
    return snn.Leaky(beta, **{"init_hidden": True, "threshold": 0.4, **options})


def refused(model: nn.Module, sample: Any) -> list[str]:
    with pytest.raises(BadInput) as error:
        export_model(model, sample)
    return error.value.lines()


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Conv2d(2, 4, (2, 3), stride=(2, 1), padding=(1, 0), dilation=(1, 2)), (2, 6, 7)),
        (nn.Conv2d(4, 4, 3, padding=1, groups=4, bias=False), (4, 5, 6)),
        (nn.Conv2d(1, 2, (2, 4), padding="same"), (1, 5, 6)),
        (nn.Conv2d(1, 2, 3, padding="valid", padding_mode="reflect"), (1, 5, 6)),
        (nn.Conv1d(2, 4, 3, stride=2, padding=2, dilation=2, groups=2), (2, 9)),
        (nn.Sequential(nn.Conv1d(2, 4, 4, padding="same"), nn.BatchNorm1d(4)), (2, 9)),
        (nn.Sequential(nn.Conv1d(2, 2, 1), nn.AvgPool1d(3, 2, padding=1)), (2, 9)),
        (nn.AvgPool2d(2, ceil_mode=True), (2, 6, 4)),
        (nn.AdaptiveAvgPool2d((2, None)), (2, 6, 4)),
        (nn.Sequential(nn.BatchNorm2d(2), nn.Dropout2d(0.5)), (2, 3, 4)),
        (nn.Sequential(nn.Flatten(), nn.BatchNorm1d(6, affine=False)), (6, 1)),
    ],
)
def test_layers(layer: Any, shape: tuple[int, ...], tmp_path: Any) -> None:
    for module in layer.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean, module.running_var = torch.rand(len(module.running_mean)), torch.rand(1) + 0.5  # type: ignore[arg-type, assignment]
            module.running_var = module.running_var.expand(module.num_features).clone()
    exported = export_model(nn.Sequential(layer, leaky(threshold=0.2)), shape)
    assert exported.silent == []
    write_nir(exported.graph, tmp_path / "net.nir")
    read = read_nir(tmp_path / "net.nir")
    for name, node in exported.graph.nodes.items():
        np.testing.assert_array_equal(read.nodes[name].output_type["output"], node.output_type["output"])


@pytest.mark.parametrize(
    ("pool", "shape"),
    [(nn.MaxPool2d(2), (2, 4, 6)), (nn.MaxPool2d(3, 2, padding=1), (2, 5, 6)), (nn.MaxPool1d(2), (2, 8))],
)
def test_max_pooling_of_spikes_is_a_neuron_that_any_of_them_makes_spike(pool: nn.Module, shape: Any) -> None:
    exported = export_model(nn.Sequential(leaky(), pool, leaky(0.9)), shape)
    assert {"lif_0", "lif_2"} < exported.spikes.keys()
    assert len(exported.spikes) == 3
    assert exported.silent == []
    kinds = [type(node) for node in exported.graph.nodes.values()]
    assert nir.IF in kinds


def test_functions_on_images() -> None:
    def forward(m: Any, x: Any) -> Any:
        spk = m.l1(torch_functions.conv2d(x, m.kernel, padding=1) + 0.1)
        pooled = torch_functions.max_pool2d(spk, 2)
        both = torch.cat([pooled, torch_functions.avg_pool2d(x, 2)], dim=1)
        return m.l2(m.fc(both.view(both.size(0), -1)))

    model = made(forward, l1=leaky(), fc=nn.Linear(16, 3), l2=leaky())
    model.kernel = nn.Parameter(torch.randn(3, 1, 3, 3))
    exported = export_model(model, (1, 4, 4))
    assert exported.silent == []
    np.testing.assert_array_equal(exported.graph.nodes["conv2d"].bias, [0.1] * 3)


def test_a_residual_block_with_batch_normalization() -> None:
    def forward(m: Any, x: Any) -> Any:
        s = m.l1(m.bn1(m.conv1(x)))
        return m.l2(m.bn2(m.conv2(s)) + m.short(s))

    layers = {"conv1": nn.Conv2d(1, 3, 3, padding=1), "bn1": nn.BatchNorm2d(3), "conv2": nn.Conv2d(3, 3, 3, padding=1)}
    layers |= {"bn2": nn.BatchNorm2d(3), "short": nn.Conv2d(3, 3, 1)}
    exported = export_model(made(forward, **layers, l1=leaky(), l2=leaky()), (1, 4, 4))
    assert set(exported.graph.nodes) == {"input", "conv1", "l1", "conv2", "short", "l2", "output"}


@pytest.mark.parametrize(
    ("model", "shape", "expected"),
    [
        (nn.Conv2d(2, 4, 3), (3, 4, 4), "0: Conv2d expects the shape (2, height, width), found (3, 4, 4)"),
        (nn.MaxPool1d(2), (2, 4), "0: MaxPool1d of currents is not supported; pool after the neuron, or use AvgPool"),
        (nn.AvgPool2d(2, padding=1, count_include_pad=False), (1, 4, 4), "0: AvgPool2d that leaves its padding out"),
        (nn.AvgPool2d(2, divisor_override=3), (1, 4, 4), "0: AvgPool2d with divisor_override is not supported"),
        (nn.AdaptiveAvgPool2d(3), (1, 4, 4), "0: AdaptiveAvgPool2d from (4, 4) to (3, 3) has windows of several sizes"),
        (nn.BatchNorm2d(1, track_running_stats=False), (1, 4, 4), "0: BatchNorm2d without running statistics"),
        (nn.BatchNorm2d(2), (1, 4, 4), "0: BatchNorm2d expects 2 channels, found the shape (1, 4, 4)"),
        (nn.Conv2d(1, 2, 3, padding=1, padding_mode="reflect"), (1, 4, 4), "0: Conv2d with padding_mode='reflect'"),
        (nn.AvgPool2d(2), (4, 4), "0: AvgPool2d expects a channel and 2 more dimensions, found (4, 4)"),
    ],
)
def test_refused(model: nn.Module, shape: Any, expected: str) -> None:
    (line,) = refused(nn.Sequential(model, leaky()), shape)
    assert line.startswith(f"model: {expected}")
