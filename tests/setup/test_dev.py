"""dev.py on a machine of scripts: a uv and a Python that write down how they are called and install nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UV = """
echo "uv $*" >> "$LOG"
case "$1 $2" in
--version*) exit 0 ;;
venv*) mkdir -p .venv-dev/bin && cp "$TOOLS/python" .venv-dev/bin/python ;;
"pip install") {install} ;;
esac
"""
INSTALLS = """cp "$TOOLS/snndeploy" .venv-dev/bin/snndeploy"""
NO_INDEX = "echo noise; echo 'error: the index is out of reach'; exit 2"


class Machine:
    """A folder with a copy of dev.py, and a PATH that holds scripts only."""

    def __init__(self, folder: Path) -> None:
        self.root, self.tools, self.log = folder / "project", folder / "tools", folder / "log"
        self.root.mkdir()
        self.tools.mkdir()
        for name in ("dev.py", "pyproject.toml", "constraints.txt"):
            (self.root / name).write_bytes((ROOT / name).read_bytes())
        self.script("python", f'echo "python $*" >> "$LOG"\ncase "$*" in "-m pip install"*) {INSTALLS} ;; esac')
        self.script("snndeploy", 'echo "snndeploy $*" >> "$LOG"')
        self.script("uv", UV.format(install=INSTALLS))

    def script(self, name: str, body: str) -> None:
        (self.tools / name).write_text(f"#!/bin/sh\n{body}\n")
        (self.tools / name).chmod(0o755)

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """What `dev.py ARGUMENTS` says; `calls` then holds what it called, without the looks at uv's version."""
        self.log.unlink(missing_ok=True)
        environment = {"PATH": f"{self.tools}:/usr/bin:/bin", "LOG": str(self.log), "TOOLS": str(self.tools)}
        done = subprocess.run(
            [sys.executable, "-I", str(self.root / "dev.py"), *arguments],
            env={**environment, "PYTHONPATH": "/elsewhere", "HOME": str(self.tools)},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        said = self.log.read_text().splitlines() if self.log.exists() else []
        self.calls = [line for line in said if line != "uv --version"]
        return done

    def installs(self) -> list[str]:
        return [line.split(" ")[-1] for line in self.calls if "pip install" in line]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_quickstart_makes_the_environment_and_passes_arguments_on(machine: Machine) -> None:
    done = machine.run("quickstart", "--no-lava", "--seed", "1")
    python = f"{machine.root}/.venv-dev/bin/python"
    base = machine.calls[0].split(" ")[4]
    assert os.path.samefile(base, getattr(sys, "_base_executable", sys.executable))
    assert machine.calls == [
        f"uv venv --seed --python {base} {machine.root}/.venv-dev",
        f"uv pip install --python {python} --torch-backend cpu -c constraints.txt -e .[all]",
        "snndeploy quickstart --no-lava --seed 1",
    ]
    assert done.returncode == 0
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        f"dev.py: making .venv-dev with Python {sys.version.split()[0]}",
        "dev.py: installing .[all] with uv, torch as a CPU build (about a minute)",
    ]


def test_a_finished_environment_is_reused(machine: Machine) -> None:
    machine.run("quickstart")
    done = machine.run("quickstart")
    assert machine.calls == ["snndeploy quickstart"]
    assert done.stderr == ""


def test_the_quickstart_runs_where_the_user_is_and_the_tests_in_the_project(machine: Machine) -> None:
    machine.script("snndeploy", 'echo "$1 in $PWD" >> "$LOG"')
    machine.run("quickstart")
    assert machine.calls[-1] == f"quickstart in {Path.cwd()}"
    machine.run("test")
    assert f"lava in {machine.root}" in machine.calls


def test_the_exit_code_is_that_of_the_quickstart(machine: Machine) -> None:
    machine.script("snndeploy", "exit 3")
    assert machine.run("quickstart").returncode == 3


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_a_changed_file_rebuilds(machine: Machine, name: str) -> None:
    machine.run("quickstart")
    with (machine.root / name).open("a") as file:
        file.write("# changed\n")
    done = machine.run("quickstart")
    assert machine.installs() == [".[all]"]
    assert "dev.py: removing .venv-dev: it is half-made, or made from other pins or another Python\n" in done.stderr


def test_a_moved_folder_rebuilds(machine: Machine) -> None:
    machine.run("quickstart")
    machine.root = machine.root.rename(machine.root.with_name("moved"))
    machine.run("quickstart")
    assert machine.installs() == [".[all]"]


def test_a_vanished_interpreter_rebuilds(machine: Machine) -> None:
    machine.run("quickstart")
    python = machine.root / ".venv-dev/bin/python"
    python.unlink()
    python.symlink_to("/nowhere/python")
    machine.run("quickstart")
    assert machine.installs() == [".[all]"]


def test_a_killed_install_is_made_anew(machine: Machine) -> None:
    machine.script("uv", UV.format(install="kill -9 $PPID"))
    assert machine.run("quickstart").returncode == -9
    leftover = machine.root / ".venv-dev/leftover"
    leftover.touch()
    machine.script("uv", UV.format(install=INSTALLS))
    assert machine.run("quickstart").returncode == 0
    assert machine.installs() == [".[all]"]
    assert not leftover.exists()


def test_tests_add_their_tools_and_the_quickstart_keeps_them(machine: Machine) -> None:
    machine.run("quickstart")
    machine.run("test")
    assert machine.installs() == [".[all,dev]"]
    assert not any(call.startswith("uv venv") for call in machine.calls)
    machine.run("quickstart")
    assert machine.installs() == []


def test_a_killed_addition_is_made_anew(machine: Machine) -> None:
    machine.run("quickstart")
    machine.script("uv", UV.format(install="kill -9 $PPID"))
    machine.run("test")
    machine.script("uv", UV.format(install=INSTALLS))
    machine.run("quickstart")
    assert machine.calls[0].startswith("uv venv")


def test_test_runs_every_check_and_names_those_that_fail(machine: Machine) -> None:
    machine.script("python", 'echo "python $*" >> "$LOG"\ntest "$2" = pytest')
    done = machine.run("test", "-k", "wheel")
    assert machine.calls[2:] == [
        "snndeploy lava install",
        "python -m ruff check .",
        "python -m ruff format --check .",
        "python -m mypy",
        "python -m pytest -k wheel",
    ]
    assert done.returncode == 1
    assert done.stderr.endswith("dev.py: failed: lint, format, types\n")


def test_without_lava_the_tests_fail_and_say_why(machine: Machine) -> None:
    machine.script("snndeploy", "echo 'snndeploy: no Python 3.10 found' >&2; exit 3")
    done = machine.run("test")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-2:] == [
        "snndeploy: no Python 3.10 found",
        "dev.py: the tests compare with Lava, and its worker environment could not be made (see above)",
    ]
    assert not any("-m pytest" in call for call in machine.calls)


def test_pip_takes_over_where_uv_cannot(machine: Machine) -> None:
    machine.script("uv", UV.format(install=NO_INDEX))
    done = machine.run("quickstart")
    assert machine.calls[2:] == [
        "python -m pip install --disable-pip-version-check -c constraints.txt -e .[all]",
        "snndeploy quickstart",
    ]
    assert done.stderr.splitlines()[-1] == (
        "dev.py: uv could not (error: the index is out of reach); now with pip, torch as pip finds it"
    )


def test_a_failed_install_shows_its_output_and_says_what_failed(machine: Machine) -> None:
    machine.script("uv", UV.format(install=NO_INDEX))
    machine.script("python", "echo 'ERROR: no such release'; exit 1")
    done = machine.run("quickstart")
    command = (
        f"{machine.root}/.venv-dev/bin/python -m pip install --disable-pip-version-check -c constraints.txt -e .[all]"
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-2:] == ["ERROR: no such release", f"dev.py: `{command}` failed (exit code 1)"]
    assert not (machine.root / ".venv-dev/ready").exists()


def test_without_uv_and_ensurepip_one_line_says_what_to_install(machine: Machine) -> None:
    machine.script("uv", "exit 127")  # a shim
    source = machine.root / "dev.py"
    source.write_text(source.read_text().replace('find_spec("ensurepip")', 'find_spec("no_such_module")'))
    done = machine.run("quickstart")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert done.stderr.endswith(
        " cannot make environments: its module ensurepip is missing; install it (on Debian and Ubuntu the package"
        f" python{version}-venv), or install uv\n"
    )


def test_an_old_python_is_refused_in_one_line(machine: Machine) -> None:
    source = machine.root / "dev.py"
    source.write_text(source.read_text().replace("< (3, 10)", "< (4, 0)"))
    done = machine.run("quickstart")
    assert done.returncode == 1
    assert done.stderr == (f"dev.py: needs Python 3.10 or newer, found {sys.version.split()[0]} ({sys.executable})\n")


@pytest.mark.parametrize(("arguments", "code"), [([], 2), (["tset"], 2), (["--help"], 0)])
def test_usage(machine: Machine, arguments: list[str], code: int) -> None:
    done = machine.run(*arguments)
    assert done.returncode == code
    assert "python3 dev.py quickstart [ARGS...]" in (done.stderr if code else done.stdout)
