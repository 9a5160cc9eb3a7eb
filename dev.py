"""Everything a fresh machine needs, in two commands; Python 3.10 or newer with pip, or uv, is all they ask for.

    python3 dev.py quickstart [ARGS...]    make .venv-dev, then run `snndeploy quickstart ARGS`
    python3 dev.py test [PYTEST ARGS...]   make .venv-dev with the development tools, and Lava's worker; then run lint,
                                           types, doctests and tests

.venv-dev belongs to this script: it is reused while pyproject.toml, constraints.txt and the Python are the same, and
made anew otherwise. uv does the work where it is installed, pip elsewhere.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

if sys.version_info < (3, 10):  # noqa: UP036 (who runs this has not read pyproject.toml)
    sys.exit(f"dev.py: needs Python 3.10 or newer, found {sys.version.split()[0]} ({sys.executable})")

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv-dev"
READY = VENV / "ready"  # written last: an environment without it is a half-made one
BASE_PYTHON = getattr(sys, "_base_executable", sys.executable)  # not the one in .venv-dev, which may have to go
CHECKS = {
    "lint": ["ruff", "check", "."],
    "format": ["ruff", "format", "--check", "."],
    "types": ["mypy"],
    "tests": ["pytest"],
}


class SetupError(Exception):
    """What is said in one line before the script leaves with 1."""


def main(arguments: list[str]) -> int:
    """Run the command that `arguments` name; returns the exit code."""
    command, *rest = arguments or [""]
    try:
        if command == "quickstart":
            make_environment({"all"})
            return run([VENV / "bin" / "snndeploy", "quickstart", *rest], Path.cwd())
        if command == "test":
            make_environment({"all", "dev"})
            return test(rest)
    except (SetupError, OSError) as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    print(__doc__, file=sys.stdout if command in ("-h", "--help") else sys.stderr)
    return 0 if command in ("-h", "--help") else 2


def test(pytest_arguments: list[str]) -> int:
    """Make Lava's worker, then run every check, also after one has failed; returns 0 if all passed."""
    say("Lava's worker environment: `snndeploy lava install`")
    if run([VENV / "bin" / "snndeploy", "lava", "install"]) != 0:
        raise SetupError("the tests compare with Lava, and its worker environment could not be made (see above)")
    failed = []
    for name, words in CHECKS.items():
        command = [*words, *(pytest_arguments if name == "tests" else [])]
        say(f"{name}: {' '.join(command)}")
        if run([VENV / "bin" / "python", "-m", *command]) != 0:
            failed.append(name)
    say(f"failed: {', '.join(failed)}" if failed else "all passed")
    return 1 if failed else 0


def make_environment(extras: set[str]) -> None:
    """Have .venv-dev hold snndeploy (editable) with at least `extras`, pinned by constraints.txt. Raises SetupError."""
    present = present_extras()
    if present is not None and extras <= present:
        return
    READY.unlink(missing_ok=True)
    if present is None:
        new_environment()
    extras |= present or set()
    install(f".[{','.join(sorted(extras))}]")
    unfinished = READY.with_suffix(".new")
    unfinished.write_text("\n".join([key(), *sorted(extras)]))
    unfinished.replace(READY)


def present_extras() -> set[str] | None:
    """The extras that .venv-dev was made with; None where it is missing, half-made, or of other pins or Python."""
    if not (READY.is_file() and (VENV / "bin" / "python").exists()):
        return None
    found, *extras = READY.read_text().split("\n")
    return set(extras) if found == key() else None


def key() -> str:
    """What .venv-dev depends on, hashed: both files, this Python, and the folder, whose name is inside it."""
    digest = hashlib.sha256(f"{sys.version}\n{sys.base_prefix}\n{ROOT}\n".encode())
    for name in ("pyproject.toml", "constraints.txt"):
        digest.update(hashlib.sha256((ROOT / name).read_bytes()).digest())
    return digest.hexdigest()


def new_environment() -> None:
    """Make an empty .venv-dev with pip in it, in the place of any other."""
    uv = find_uv()
    if uv is None and find_spec("ensurepip") is None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise SetupError(
            f"{BASE_PYTHON} cannot make environments: its module ensurepip is missing; install it"
            f" (on Debian and Ubuntu the package python{version}-venv), or install uv"
        )
    if VENV.exists():
        say("removing .venv-dev: it is half-made, or made from other pins or another Python")
        shutil.rmtree(VENV)
    say(f"making .venv-dev with Python {sys.version.split()[0]}")
    must([uv, "venv", "--seed", "--python", BASE_PYTHON, VENV] if uv else [BASE_PYTHON, "-m", "venv", VENV])


def install(package: str) -> None:
    """Install `package` of this folder into .venv-dev: torch as a CPU build if uv has one, else as pip finds it."""
    what = ["-c", "constraints.txt", "-e", package]
    uv = find_uv()
    if uv is not None:
        say(f"installing {package} with uv, torch as a CPU build (about a minute)")
        done = quietly([uv, "pip", "install", "--python", VENV / "bin" / "python", "--torch-backend", "cpu", *what])
        if done.returncode == 0:
            return
        say(f"uv could not ({last_line(done)}); now with pip, torch as pip finds it")
    else:
        say(f"installing {package} with pip (about a minute; several where torch is not a CPU build)")
    must([VENV / "bin" / "python", "-m", "pip", "install", "--disable-pip-version-check", *what])


def find_uv() -> str | None:
    """A uv that runs: a version manager's shim of that name may not."""
    uv = shutil.which("uv")
    return uv if uv and quietly([uv, "--version"]).returncode == 0 else None


def must(command: list[str | Path]) -> None:
    """Run a command of the set-up; its output is shown only if it fails. Raises SetupError."""
    done = quietly(command)
    if done.returncode != 0:
        sys.stderr.write(done.stdout)
        raise SetupError(f"`{' '.join(map(str, command))}` failed (exit code {done.returncode})")


def quietly(command: list[str | Path]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=ROOT,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )


def run(command: list[str | Path], folder: Path = ROOT) -> int:
    """Run a command in the user's sight; returns its exit code."""
    return subprocess.run(command, cwd=folder, env=clean_environment()).returncode


def clean_environment() -> dict[str, str]:
    """The environment variables without those that would mix another Python's packages into .venv-dev."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    return (done.stdout.strip().splitlines() or ["it said nothing"])[-1].strip()


def say(text: str) -> None:
    print(f"dev.py: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
