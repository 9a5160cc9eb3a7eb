"""A perceptron in Lava and nothing else: a script of its own that needs numpy and lava-nc 0.10 (Python 3.10) only.

    python _lava_mlp.py JOB.npz ROUNDS

It prints the number of steps after each round, the first of which also builds. Unlike the engine's worker it has no
probes and puts nothing to rest: what is measured is Lava.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

import numpy as np


def end_with_parent() -> None:
    """Wait for the end of standard input, which is that of the parent, then end all of Lava's processes."""
    os.read(0, 1)
    os.killpg(0, signal.SIGKILL)


def main(file: str, rounds: int) -> None:
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.dense.process import Dense
    from lava.proc.io.source import RingBuffer
    from lava.proc.lif.process import LIF

    with np.load(file, allow_pickle=False) as job:
        arrays = dict(job)
    first = source = RingBuffer(data=arrays["x"].T)
    for i in range(int(arrays["layers"])):
        weights, (du, dv, vth) = arrays[f"weights_{i}"], arrays[f"lif_{i}"]
        dense, lif = Dense(weights=weights), LIF(shape=(len(weights),), du=int(du), dv=int(dv), vth=int(vth))
        source.s_out.connect(dense.s_in)
        dense.a_out.connect(lif.a_in)
        source = lif
    steps = len(arrays["x"])
    try:
        for _ in range(rounds):
            first.run(condition=RunSteps(num_steps=steps), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
            print(steps, flush=True)
    finally:
        first.stop()
    os._exit(0)  # Lava leaves threads behind that can keep a finished process alive


if __name__ == "__main__":
    threading.Thread(target=end_with_parent, daemon=True).start()
    main(sys.argv[1], int(sys.argv[2]))
