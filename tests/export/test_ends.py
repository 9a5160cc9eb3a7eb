"""Several inputs, several outputs and paths of unequal length: from snnTorch to integers, aligned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import snntorch as snn
import torch
from torch import nn

import snndeploy
from snndeploy.export.lower import lower
from snndeploy.export.nir_file import read_nir, write_nir
from snndeploy.export.snntorch import export_model
from snndeploy.floats import simulate


def exact(inputs: int, outputs: int) -> nn.Linear:
    """Weights in eighths, which the integers hold exactly."""
    layer = nn.Linear(inputs, outputs)
    layer.weight.data = torch.randint(-8, 16, (outputs, inputs)) / 8
    layer.bias.data = torch.randint(-2, 3, (outputs,)) / 8
    return layer


def integrator() -> Any:
    return snn.Leaky(1.0, init_hidden=True, reset_mechanism="zero", reset_delay=False, threshold=1.0625)


class Ends(nn.Module):
    """Two inputs, two outputs; the skip connection is two neurons shorter than the path beside it."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.fa, self.fb = exact(6, 8), exact(4, 8)
        self.f1, self.f2, self.f3, self.f4 = exact(8, 8), exact(8, 8), exact(8, 5), exact(8, 3)
        self.l0, self.l1, self.l2, self.long, self.short = (integrator() for _ in range(5))

    def forward(self, a: Any, b: Any) -> Any:
        s = self.l0(self.fa(a) + self.fb(b))
        deep = self.l2(self.f2(self.l1(self.f1(s))))
        return self.long(self.f3(deep + s)), self.short(self.f4(s))


def inputs() -> dict[str, Any]:
    random = np.random.default_rng(0)
    return {"a": random.random((3, 20, 6)) < 0.3, "b": random.random((3, 20, 4)) < 0.3}


def test_two_inputs_two_outputs_and_a_skip_connection(tmp_path: Path) -> None:
    exported = export_model(Ends(), ((6,), (4,)))
    assert sorted(p.name for p in exported.network.inputs()) == ["a", "b"]
    assert exported.network.outputs == ("long", "short")
    write_nir(exported.graph, tmp_path / "net.nir")
    graph = read_nir(tmp_path / "net.nir")
    floats = simulate(lower(graph), inputs())
    run = snndeploy.run(snndeploy.compile(graph), inputs())
    np.testing.assert_array_equal(run.spikes, floats["long"])
    np.testing.assert_array_equal(run.probes["short.spikes"], floats["short"])
    assert 0 < floats["long"].mean() < 1
    assert 0 < floats["short"].mean() < 1


def test_all_engines_agree_on_it() -> None:
    artifact = snndeploy.compile(export_model(Ends(), ((6,), (4,))).graph)
    assert [c.differences for c in snndeploy.verify(artifact, inputs())] == [0, 0]
