"""What is in the wheel and in the source archive is what git tracks: no module forgotten, nothing else taken along."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {  # in the repository -> in the wheel
    "snndeploy": "snndeploy",
    "trainers": "snndeploy/trainers",
    "export": "snndeploy/export",
    "targets": "snndeploy/targets",
    "simulators": "snndeploy/simulators",
}


def project_files() -> list[str]:
    """The files that git tracks or would, links left out."""
    listing = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    names = [name for name in listing.split("\0") if name]
    return sorted(name for name in set(names) if (ROOT / name).is_file() and not (ROOT / name).is_symlink())


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the source archive of a clean copy, and the wheel built from that archive."""
    clean, built = tmp_path_factory.mktemp("clean"), tmp_path_factory.mktemp("built")
    for name in project_files():
        (clean / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, clean / name)
    command = [sys.executable, "-m", "build", "--outdir", str(built), str(clean)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return built


def installed_name(name: str) -> str | None:
    folder, _, rest = name.partition("/")
    return f"{FOLDERS[folder]}/{rest}" if folder in FOLDERS else None


@pytest.mark.long
def test_the_wheel_holds_every_file_of_the_packages_and_nothing_else(archives: Path) -> None:
    (wheel,) = archives.glob("*.whl")
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == {installed for name in project_files() if (installed := installed_name(name))}


@pytest.mark.long
def test_the_source_archive_holds_what_the_tests_need(archives: Path) -> None:
    (source,) = archives.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    needed = {name for name in project_files() if name.startswith(("tests/", *FOLDERS)) or name.endswith("dev.py")}
    assert needed | {"pyproject.toml", "constraints.txt", "README.md", "LICENSE"} <= held
