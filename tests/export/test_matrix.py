"""The 92 models of the matrix: each through .nir with the spikes of snnTorch, or refused by name. None is wrong."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import snntorch as snn
import torch
from torch import nn

from snndeploy.errors import BadInput
from snndeploy.export.lower import lower
from snndeploy.export.names import legal
from snndeploy.export.nir_file import read_nir, write_nir
from snndeploy.export.snntorch import export_model
from snndeploy.floats import simulate
from tests.export.matrix_models import ROWS, STEPS, Row

KEPT = [row for row in ROWS if not row.refused]


def names(rows: list[Row]) -> list[str]:
    return [row.name.replace(" ", "_") for row in rows]


def made(row: Row) -> tuple[nn.Module, Any]:
    torch.manual_seed(7)
    return row.make()


def drive(sample: Any, batch: int, runs: str) -> Any:
    """Random inputs (batch, STEPS, *shape), several in a list where there are several."""
    shape = tuple(getattr(sample, "shape", sample))
    if shape and isinstance(shape[0], tuple):
        return [drive(one, batch, runs) for one in shape]
    shape = shape[1:] if runs == "time" else shape
    x = np.random.default_rng(batch).uniform(0, 3, (batch, STEPS, *shape))
    return np.repeat(x[:, :1], STEPS, axis=1) if runs == "loop" else x


def spikes_of_the_model(model: nn.Module, x: list[Any], row: Row) -> dict[str, Any]:
    """What every neuron of the model gives in float64, by its path; nothing here is the exporter's."""
    twin = copy.deepcopy(model).double().eval()
    records: dict[str, list[Any]] = {}
    for path, module in twin.named_modules():
        if isinstance(module, snn.SpikingNeuron):
            module.reset_mem()
            vars(module)["spike_grad"] = lambda v: (v > 0).double()
            record = records[path] = []
            module.register_forward_hook(
                lambda _m, _i, out, record=record: record.append((out[0] if isinstance(out, tuple) else out) != 0)
            )
    inputs = [torch.tensor(one) for one in x]
    with torch.no_grad():
        if row.runs == "step":
            for t in range(STEPS):
                twin(*(one[:, t] for one in inputs), *[None] * row.arguments)
        elif row.runs == "loop":
            twin(*(one[:, 0] for one in inputs))
        else:
            twin(*(one.transpose(0, 1) for one in inputs))
    return {path: torch.stack(record, 1).numpy() for path, record in records.items()}


@pytest.mark.parametrize("row", KEPT, ids=names(KEPT))
def test_kept(row: Row, tmp_path: Path) -> None:
    """Export, write, read, lower: every spike of every neuron in 40 steps, for batches of 1 and 4."""
    model, sample = made(row)
    write_nir(export_model(model, sample).graph, tmp_path / "model.nir")
    network = lower(read_nir(tmp_path / "model.nir"))
    inputs = [p.name for p in network.inputs()]
    spiked = False
    for batch in (1, 4):
        x = drive(sample, batch, row.runs)
        x = x if isinstance(x, list) else [x]
        found = simulate(network, dict(zip(inputs, x, strict=True)))
        for path, expected in spikes_of_the_model(model, x, row).items():
            name = next(name for kind in ("LIF", "CubaLIF", "IF") if (name := legal(path or "0", kind)) in found)
            assert expected.shape[1] == STEPS
            np.testing.assert_array_equal(found[name], expected, err_msg=name)
            spiked |= 0 < expected.mean() < 1
    assert spiked


REFUSED = [row for row in ROWS if row.refused]


@pytest.mark.filterwarnings("ignore:Inhibition is an unstable feature")
@pytest.mark.parametrize("row", REFUSED, ids=names(REFUSED))
def test_refused(row: Row) -> None:
    model, sample = made(row)
    with pytest.raises(BadInput) as refused:
        export_model(model, sample)
    assert refused.value.lines() == list(row.refused)


def test_all_of_the_matrix_is_here() -> None:
    assert len(ROWS) == 92
    assert len({row.name for row in ROWS}) == 92
    assert len(KEPT) >= 72
