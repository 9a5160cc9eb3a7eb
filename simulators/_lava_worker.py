"""The worker that runs programs in Lava: a script of its own that needs numpy and lava-nc 0.10 (Python 3.10) only.

    python _lava_worker.py JOB [JOB ...]

A JOB is a folder with `job.json` and `arrays.npz` (written by `snndeploy.simulators.lava`); the worker writes one raw
recording `PROBE.npy` of shape (steps of all samples, size) into it for each probe, and prints the number of finished
samples. Every process is Lava's own with its `fixed_pt` model. Lava knows no samples and no start of a population: a
probe that looks at a variable after each step also puts it to rest where the start rule says so.
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyRefPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort, RefPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.atrlif.process import ATRLIF
from lava.proc.conv.process import Conv
from lava.proc.dense.process import DelayDense, Dense
from lava.proc.graded.process import GradedReluVec, GradedVec
from lava.proc.io.source import RingBuffer
from lava.proc.lif.process import LIF, LIFReset, TernaryLIF
from lava.proc.rf.process import RF
from lava.proc.rf_iz.process import RF_IZ
from lava.proc.sdn.process import ActivationMode, Delta, Sigma, SigmaDelta
from lava.proc.sparse.process import DelaySparse, Sparse
from lava.utils.weightutils import SignMode
from scipy.sparse import csr_matrix

CHUNK = 8  # samples between two progress lines


class SpikeProbe(AbstractProcess):
    """Records what a population sends, raw step by raw step, into the file `path`."""

    def __init__(self, shape: tuple[int, ...], path: str, steps: int, dtype: Any) -> None:
        super().__init__(path=path, steps=steps, dtype=dtype)
        self.spikes = InPort(shape=shape)


@implements(proc=SpikeProbe, protocol=LoihiProtocol)
@requires(CPU)
class SpikeProbeModel(PyLoihiProcessModel):
    spikes: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.record: np.ndarray | None = None

    def run_spk(self) -> None:
        data = self.spikes.recv()
        if self.record is None:
            self.record = open_record(self.proc_params, data.shape, self.proc_params["dtype"])
        self.record[self.time_step - 1] = data


class StateProbe(AbstractProcess):
    """Records a variable after each raw step, if `path` is given, then sets it to `rest` in the steps of `clear`."""

    def __init__(self, shape: tuple[int, ...], path: str, steps: int, clear: list[bool], rest: np.ndarray) -> None:
        super().__init__(path=path, steps=steps, clear=clear, rest=rest)
        self.variable = RefPort(shape=shape)


@implements(proc=StateProbe, protocol=LoihiProtocol)
@requires(CPU)
class StateProbeModel(PyLoihiProcessModel):
    variable: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, np.int32)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.record: np.ndarray | None = None

    def post_guard(self) -> bool:
        return True

    def run_post_mgmt(self) -> None:
        data = self.variable.read()
        if self.proc_params["path"]:
            if self.record is None:
                self.record = open_record(self.proc_params, data.shape, np.int32)
            self.record[self.time_step - 1] = data
        clear = self.proc_params["clear"]
        if clear[(self.time_step - 1) % len(clear)]:
            self.variable.write(np.broadcast_to(self.proc_params["rest"], data.shape).astype(data.dtype))
            self.variable.wait()  # or the values may come a step late


def open_record(proc_params: Any, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """The file that a probe writes into: (raw steps, *shape)."""
    return np.lib.format.open_memmap(proc_params["path"], mode="w+", dtype=dtype, shape=(proc_params["steps"], *shape))


def build(job: dict[str, Any], arrays: dict[str, np.ndarray], folder: Path) -> AbstractProcess:
    """The Lava processes of a job, connected; returns one of them (running one runs all)."""
    period = job["steps"] + job["latency"]
    raw_steps = period * job["samples"]
    sources: dict[str, AbstractProcess] = {}
    for entry in job["inputs"]:
        x = arrays[f"{entry['name']}.payloads"]
        padded = np.zeros((job["samples"], period, x.shape[2]), np.int32)  # a RingBuffer repeats, so pad every sample
        padded[:, : job["steps"]] = x
        sources[entry["name"]] = RingBuffer(data=padded.reshape(raw_steps, -1).T)
    starts = {entry["name"]: 0 for entry in job["inputs"]}
    for entry in job["populations"]:
        name = entry["name"]
        sources[name] = neurons(entry, arrays)
        starts[name] = entry["start"]
    # After step s of a sample, all that has start s or later rests again, and nothing that it has sent is on its way.
    clear = {name: [(step + 1) % period <= start for step in range(period)] for name, start in starts.items()}
    for entry in job["projections"]:
        brought, buffers = synapses(entry, arrays, sources[entry["source"]].s_out)
        brought.connect(activation_port(sources[entry["target"]]))
        for buffer in buffers:
            watch(buffer, "", raw_steps, clear[entry["source"]], np.zeros(1, np.int32))
    for entry in job["populations"]:
        name, process = entry["name"], sources[entry["name"]]
        for state in entry["states"]:
            path = str(folder / f"{name}.{state}.npy") if f"{name}.{state}" in job["probes"] else ""
            watch(getattr(process, state), path, raw_steps, clear[name], arrays[f"{name}.rest.{state}"])
        if f"{name}.spikes" in job["probes"]:
            dtype = np.int32 if entry["message_bits"] else bool
            probe = SpikeProbe(process.s_out.shape, str(folder / f"{name}.spikes.npy"), raw_steps, dtype)
            process.s_out.connect(probe.spikes)
    return next(iter(sources.values()))


def watch(variable: Any, path: str, raw_steps: int, clear: list[bool], rest: np.ndarray) -> None:
    StateProbe(variable.shape, path, raw_steps, clear, rest).variable.connect_var(variable)


def activation_port(process: AbstractProcess) -> InPort:
    """Where synapses end: the real input of a resonator, whose imaginary one stays open."""
    return process.a_real_in if isinstance(process, RF) else process.a_in


Entry = dict[str, Any]  # of a projection, from job.json
Synapses = tuple[OutPort, list[Var]]  # where their activation leaves, flat, and the buffers in which it waits


def synapses(entry: Entry, arrays: dict[str, np.ndarray], source: OutPort) -> Synapses:
    """A projection as the Lava processes of its kind, connected to its source."""
    own = {key: arrays[f"{entry['name']}.{key}"] for key in ("weights", *entry["extra"])}
    return PROJECTIONS[entry["kind"]](entry, own, source)


def connected(process: AbstractProcess, source: OutPort) -> Synapses:
    source.connect(process.s_in)
    return process.a_out, [process.a_buff]


def options(entry: Entry) -> dict[str, Any]:
    return {
        "weight_exp": entry["exponent"],
        "num_weight_bits": entry["weight_bits"],
        "sign_mode": SignMode[entry["sign_mode"].upper()],
        "num_message_bits": entry["message_bits"],
    }


def delays_of(entry: Entry, p: dict[str, np.ndarray]) -> np.ndarray:
    """The whole delay of every synapse, of the weights' shape."""
    delays: np.ndarray = p.get("delays", np.zeros_like(p["weights"])).astype(int) + entry["delay"]
    return delays


def dense(entry: Entry, p: dict[str, np.ndarray], source: OutPort) -> Synapses:
    """Dense, or DelayDense where there is a delay.

    DelayDense alone shifts a sum of 64 bits; where that can be seen the same synapses are a DelaySparse, which shifts
    one of 32 as Dense does.
    """
    weights, delays = p["weights"], delays_of(entry, p)
    if not delays.any():
        return connected(Dense(weights=weights, **options(entry)), source)
    if entry["exponent"] < 0 and entry["message_bits"]:
        sparse_delays = csr_matrix(delays * (weights != 0))
        return connected(DelaySparse(weights=csr_matrix(weights), delays=sparse_delays, **options(entry)), source)
    return connected(DelayDense(weights=weights, delays=delays, **options(entry)), source)


def sparse(entry: Entry, p: dict[str, np.ndarray], source: OutPort) -> Synapses:
    """Sparse, or DelaySparse where there is a delay."""
    shape = tuple(math.prod(end) for end in reversed(entry["shapes"]))
    weights = csr_matrix((p["weights"], p["indices"], p["indptr"]), shape)
    delays = csr_matrix((delays_of(entry, p), p["indices"], p["indptr"]), shape)
    if delays.max():
        return connected(DelaySparse(weights=weights, delays=delays, **options(entry)), source)
    return connected(Sparse(weights=weights, **options(entry)), source)


def conv(entry: Entry, p: dict[str, np.ndarray], source: OutPort) -> Synapses:
    """Conv, in its layout W, H, C and with its kernel flipped; a delay d is d - 1 more steps in synapses after it.

    Conv ignores its exponent: the weights are shifted beforehand. A single axis is W, beside an H of 1.
    """
    channels, *axes = entry["shapes"][0]
    height = [1] * (2 - len(axes))
    weights = (p["weights"] << entry["exponent"]).reshape(*p["weights"].shape[:2], *height, *p["weights"].shape[2:])
    geometry = entry["geometry"]
    process = Conv(
        weight=weights[:, :, ::-1, ::-1].transpose(0, 3, 2, 1),
        input_shape=(*reversed(axes), *height, channels),
        stride=(*reversed(geometry["stride"]), *height),
        padding=(*reversed(geometry["padding"]), *[0 for _ in height]),
        dilation=(*reversed(geometry["dilation"]), *height),
        groups=geometry["groups"],
        num_message_bits=entry["message_bits"],
    )
    source.reshape((channels, *height, *axes)).transpose((2, 1, 0)).connect(process.s_in)
    brought = process.a_out.transpose((2, 1, 0)).flatten()
    if not entry["delay"]:
        return brought, [process.a_buf]
    later, buffers = connected(waiting(brought.size, entry["delay"] - 1), brought)
    return later, [process.a_buf, *buffers]


def waiting(size: int, delay: int) -> AbstractProcess:
    """Synapses of weight 1 that hand on payloads one step and `delay` later."""
    weights = csr_matrix(np.eye(size, dtype=np.int32))
    whole = {"sign_mode": SignMode.EXCITATORY, "num_message_bits": 32}
    return (
        DelaySparse(weights=weights, delays=weights.astype(int) * delay, **whole)
        if delay
        else Sparse(weights=weights, **whole)
    )


PROJECTIONS = {"conv": conv, "dense": dense, "sparse": sparse}


Parameters = dict[str, np.ndarray]  # of a population by name, int32, one value per neuron


def per_neuron(process: AbstractProcess, **values: np.ndarray) -> AbstractProcess:
    """The process with these values in its variables: Lava declares one per process, its CPU models take arrays."""
    for name, value in values.items():
        variable = getattr(process, name)
        variable.init, variable.shape = value, value.shape
    return process


def lif(shape: tuple[int, ...], p: Parameters, start: int) -> AbstractProcess:
    return LIF(shape=shape, **p)


def lif_reset(shape: tuple[int, ...], p: Parameters, start: int) -> AbstractProcess:
    """LIFReset counts the steps of Lava's run, which are `start` more than those of the population."""
    interval, offset = int(p.pop("interval")[0]), int(p.pop("offset")[0])
    return LIFReset(shape=shape, reset_interval=interval, reset_offset=(offset + start) % interval, **p)


def li(shape: tuple[int, ...], p: Parameters, start: int) -> AbstractProcess:
    """LIF with a threshold above the largest v."""
    return LIF(shape=shape, vth=131072, **p)


def ternary_lif(shape: tuple[int, ...], p: Parameters, start: int) -> AbstractProcess:
    return per_neuron(TernaryLIF(shape=shape), **p)


def sigma(shape: tuple[int, ...], p: Parameters, start: int) -> AbstractProcess:
    return Sigma(shape=shape)


def delta(shape: tuple[int, ...], p: Parameters, start: int) -> AbstractProcess:
    process = Delta(shape=shape, vth=0, cum_error=bool(p.pop("cum_error")[0]))
    return per_neuron(process, **{**p, "vth": p["vth"] << p["spike_exp"] + p["state_exp"]})


def sigma_delta(shape: tuple[int, ...], p: Parameters, start: int) -> AbstractProcess:
    mode, cum_error = ActivationMode(int(p.pop("act_mode")[0])), bool(p.pop("cum_error")[0])
    process = SigmaDelta(shape=shape, vth=0, act_mode=mode, cum_error=cum_error)
    scaled = {name: p[name] << p["spike_exp"] + p["state_exp"] for name in ("vth", "bias")}
    return per_neuron(process, **{**p, **scaled})


def rf(shape: tuple[int, ...], p: Parameters, start: int) -> AbstractProcess:
    return per_neuron(RF(shape=shape, period=1, alpha=0), **{**p, "vth": p["vth"] << p["state_exp"]})


def rf_iz(shape: tuple[int, ...], p: Parameters, start: int) -> AbstractProcess:
    return per_neuron(RF_IZ(shape=shape, period=1, alpha=0), **{**p, "vth": p["vth"] << p["state_exp"]})


def graded_relu(shape: tuple[int, ...], p: Parameters, start: int) -> AbstractProcess:
    return per_neuron(GradedReluVec(shape=shape), **p)


def graded_threshold(shape: tuple[int, ...], p: Parameters, start: int) -> AbstractProcess:
    return per_neuron(GradedVec(shape=shape), **p)


def atrlif(shape: tuple[int, ...], p: Parameters, start: int) -> AbstractProcess:
    """ATRLIF takes its decays as fractions, and gets the 4096ths that its model makes of them."""
    fractions = {name: p[name] / 4096 for name in ("delta_i", "delta_v", "delta_theta", "delta_r")}
    step = int(p.pop("theta_step")[0])
    return per_neuron(ATRLIF(shape=shape, theta_step=step), **{**p, **fractions})


NEURONS = {
    "atrlif": atrlif,
    "delta": delta,
    "graded-relu": graded_relu,
    "graded-threshold": graded_threshold,
    "li": li,
    "lif": lif,
    "lif-reset": lif_reset,
    "rf": rf,
    "rf-iz": rf_iz,
    "sigma": sigma,
    "sigma-delta": sigma_delta,
    "ternary-lif": ternary_lif,
}


def neurons(entry: dict[str, Any], arrays: dict[str, np.ndarray]) -> AbstractProcess:
    """A population as the Lava process of its neuron model."""
    parameters = {key: arrays[f"{entry['name']}.{key}"].reshape(-1) for key in entry["parameters"]}
    return NEURONS[entry["neuron"]]((entry["size"],), parameters, entry["start"])


def finished_samples(job: dict[str, Any], process: AbstractProcess) -> Iterator[int]:
    """Run the job; yields the number of samples after each chunk."""
    period = job["steps"] + job["latency"]
    config = Loihi2SimCfg(select_tag="fixed_pt")
    try:
        for first in range(0, job["samples"], CHUNK):
            samples = min(CHUNK, job["samples"] - first)
            process.run(condition=RunSteps(num_steps=samples * period), run_cfg=config)
            yield samples
    finally:
        process.stop()


def end_with_parent() -> None:
    """Wait for the end of standard input, which is that of the parent, then end all of Lava's processes."""
    os.read(0, 1)  # not sys.stdin: forked processes close it, and would wait for its lock
    os.killpg(0, signal.SIGKILL)


def main(folders: list[str]) -> None:
    threading.Thread(target=end_with_parent, daemon=True).start()
    for folder in map(Path, folders):
        job = json.loads((folder / "job.json").read_text())
        if not job["samples"]:
            continue
        with np.load(folder / "arrays.npz", allow_pickle=False) as file:
            arrays = dict(file)
        for samples in finished_samples(job, build(job, arrays, folder)):
            print(samples, flush=True)
    sys.stdout.flush()
    os._exit(0)  # Lava leaves threads behind that can keep a finished process alive


if __name__ == "__main__":
    main(sys.argv[1:])
