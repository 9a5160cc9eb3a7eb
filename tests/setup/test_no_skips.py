"""In CI a skipped test is a failed one."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = {
    "by mark": "import pytest\n@pytest.mark.skip('no chip')\ndef test(): pass",
    "in the test": "import pytest\ndef test(): pytest.skip('no chip')",
    "whole module": "import pytest\npytest.skip('no chip', allow_module_level=True)",
    "import": "import pytest\npytest.importorskip('no_such_module', reason='no chip')",
}


def outcome(module: Path, text: str) -> "subprocess.CompletedProcess[str]":
    module.write_text(text)
    command = [sys.executable, "-m", "pytest", "-p", "tests.setup.no_skips", "-p", "no:cacheprovider", str(module)]
    return subprocess.run([*command, "-c", "/dev/null"], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("how", MODULES)
def test_a_skip_fails_with_its_reason(tmp_path: Path, how: str) -> None:
    done = outcome(tmp_path / "test_it.py", MODULES[how])
    assert done.returncode in (1, 2)
    assert "not allowed in CI: " in done.stdout
    assert "no chip" in done.stdout


def test_passes_and_expected_failures_stay_what_they_are(tmp_path: Path) -> None:
    text = "import pytest\ndef test(): pass\n@pytest.mark.xfail(strict=True)\ndef test_known(): assert False"
    done = outcome(tmp_path / "test_it.py", text)
    assert done.returncode == 0
    assert "1 passed, 1 xfailed" in done.stdout
