"""A command line that is asked for help answers at once: what is heavy is loaded by those who need it."""

import subprocess
import sys
import time

import pytest

SECONDS = 0.5
HEAVY = {"torch", "numba", "lava", "snntorch", "sklearn", "matplotlib"}
STARTS = {
    "import": "import snndeploy",
    "help": "import sys; sys.argv = ['snndeploy', '--help']; from snndeploy.cli import main; main()",
}
LOADED = "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); "


def start(code: str) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.parametrize("name", STARTS)
def test_starting_loads_nothing_heavy(name: str) -> None:
    loaded = set(start(LOADED + STARTS[name]).stderr.split())
    assert "snndeploy" in loaded
    assert loaded & HEAVY == set()


@pytest.mark.parametrize("name", STARTS)
def test_starting_takes_less_than_half_a_second(name: str) -> None:
    def seconds() -> float:
        began = time.perf_counter()
        start(STARTS[name])
        return time.perf_counter() - began

    assert min(seconds() for _ in range(5)) < SECONDS
