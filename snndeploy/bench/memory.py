"""The memory that many images take: `python -m snndeploy.bench.memory SAMPLES` prints its peak in bytes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from snndeploy.errors import Missing

STEPS = 16  # of each image


def peak_memory(samples: int) -> int:
    """Bytes that a new process takes at most that runs so many images of 28x28 on net (a), its output probed only."""
    command = [sys.executable, "-m", "snndeploy.bench.memory", str(samples)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Missing("peak memory", f"`{' '.join(command)}` failed: {(done.stderr.splitlines() or ['no word'])[-1]}")
    return int(done.stdout)


def _run(samples: int) -> int:
    from snndeploy.bench.nets import NETS, USUAL_DENSITY, noise
    from snndeploy.simulators import fast

    program = NETS["a"].program(USUAL_DENSITY)
    fast.simulate(program, noise(program, samples, STEPS, USUAL_DENSITY), ["out.spikes"])
    return _peak()


def _peak() -> int:
    """The most memory that this process had: Linux knows it, elsewhere its parent's may be counted too."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    print(_run(int(sys.argv[1])))
