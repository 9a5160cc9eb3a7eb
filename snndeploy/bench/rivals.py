"""The rivals: a Program of LIF neurons as a float network in snnTorch, and a perceptron as Lava's own processes.

In float it is the same network: the weights over the threshold, the decays as factors, spikes above 1. A loop over the
steps is what a user would write. Leaky and Synaptic reset with snnTorch's default delay, which is its fastest reset.
"""

from __future__ import annotations

import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snndeploy.extras import extras
from snndeploy.integers import DECAY_BITS
from snndeploy.program import Population, Program, Projection
from snndeploy.projections.conv import geometry
from snndeploy.simulators._lava_env import worker_python
from snndeploy.simulators.lava import TIME_LIMIT, _work

LAVA = Path(__file__).with_name("_lava_mlp.py")


def snntorch_run(program: Program, payloads: Mapping[str, NDArray[Any]]) -> Callable[[], Any]:
    """A function that runs the program as floats and returns the spikes of its output, one tensor a step.

    With sparse projections tensors are (neurons, batch), else (batch, *shape). Raises Missing without snnTorch.
    """
    with extras():
        import torch
    (entry,) = program.inputs
    x = np.moveaxis(payloads[entry.name], 1, 0)
    columns = any(q.kind == "sparse" for q in program.projections)
    shaped = x.swapaxes(1, 2) if columns else x.reshape(*x.shape[:2], *entry.shape)
    given = torch.tensor(np.ascontiguousarray(shaped), dtype=torch.float32)
    neurons = {p.name: _neurons(p) for p in program.populations}
    arriving = {
        p.name: [
            (q.source, _synapses(q, program.end(q.source).size, p)) for q in program.projections if q.target == p.name
        ]
        for p in program.populations
    }
    rest: dict[str, Any] = {}
    for p in program.populations:
        rest[p.name] = torch.zeros((p.size, x.shape[1]) if columns else (x.shape[1], *p.shape))

    def run() -> list[Any]:
        out = []
        with torch.no_grad():
            sent = dict(rest)
            states = {name: [rest[name]] * (1 + hasattr(neuron, "alpha")) for name, neuron in neurons.items()}
            for now in given:
                sent[entry.name] = now
                for name, neuron in neurons.items():
                    current = sum(brought(sent[source]) for source, brought in arriving[name])
                    sent[name], *states[name] = neuron(current, *states[name])
                out.append(sent[program.outputs[0]])
        return out

    return run


def _neurons(p: Population) -> Any:
    """Leaky, or Synaptic where u keeps something."""
    with extras():
        import snntorch
    du, dv = (int(p.parameters[name].flat[0]) for name in ("du", "dv"))
    alpha, beta = 1 - (du + 1) / 2**DECAY_BITS, 1 - dv / 2**DECAY_BITS
    if alpha == 0:
        return snntorch.Leaky(beta=beta, reset_mechanism="zero")
    return snntorch.Synaptic(alpha=alpha, beta=beta, reset_mechanism="zero")


def _synapses(q: Projection, sources: int, target: Population) -> Callable[[Any], Any]:
    """From what a source sends to what it brings, in units of the target's threshold."""
    import torch

    # Integers: vth << 6 is compared with a sum that was shifted by as much: the shifts cancel.
    weights = torch.tensor(q.weights / int(target.parameters["vth"].flat[0]), dtype=torch.float32)
    if q.kind == "dense":
        return lambda sent: torch.nn.functional.linear(sent.flatten(1), weights)
    if q.kind == "conv":
        stride, padding, dilation, groups = geometry(q)
        return lambda sent: torch.nn.functional.conv2d(sent, weights, None, stride, padding, dilation, groups)
    indptr, indices = (torch.tensor(q.extra[name].astype(np.int64)) for name in ("indptr", "indices"))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        matrix = torch.sparse_csr_tensor(indptr, indices, weights, (target.size, sources), check_invariants=False)
    return lambda sent: matrix @ sent


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let torch use that many threads. Raises Missing without it."""
    with extras():
        import torch
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def lava_seconds(program: Program, payloads: Mapping[str, NDArray[Any]], rounds: int) -> float:
    """Seconds that a step of a perceptron takes in Lava, one sample: the least of that many runs of all steps.

    Building and compiling the processes is over by then, and nothing is probed. Raises Missing where there is no
    worker environment, or the worker fails or does not answer.
    """
    python = worker_python()
    (x,) = (array[0] for array in payloads.values())
    arrays = {"x": x.astype(np.int32), "layers": np.array(len(program.projections))}
    for i, (q, p) in enumerate(zip(program.projections, program.populations, strict=True)):
        lif = {name: int(p.parameters[name].flat[0]) for name in ("du", "dv", "vth")}
        arrays |= {f"weights_{i}": q.weights, f"lif_{i}": np.array([lif["du"], lif["dv"], lif["vth"]])}
    seen: list[float] = []
    with tempfile.TemporaryDirectory(prefix="snndeploy-bench-") as folder:
        # Lava imports every module that lies beside a process's own: the script gets a folder to itself.
        script, job = shutil.copy(LAVA, folder), Path(folder) / "job.npz"
        np.savez(job, allow_pickle=False, **arrays)
        command = [str(python), str(script), str(job), str(rounds + 1)]
        _work(command, Path(folder) / "log", TIME_LIMIT, lambda steps: seen.append(time.perf_counter()))
    return float(np.diff(seen).min()) / len(x)
