"""Without the extra `train`: one line that says what to type; with it, no torch before it is needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

WITHOUT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name == {package!r}:
            raise ModuleNotFoundError("No module named " + name, name=name)

sys.meta_path.insert(0, Absent())
from snndeploy.errors import Missing
try:
    import snndeploy.trainers.training
    import snndeploy.trainers.datasets.digits
except Missing as missing:
    print(missing, missing.exit_code)
"""


@pytest.mark.parametrize("package", ["torch", "snntorch", "sklearn"])
def test_a_missing_package_is_one_line(package: str) -> None:
    script = WITHOUT.format(package=package)
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout == f"{package} is not installed: pip install 'snndeploy[train]' 3\n"


def test_the_package_alone_loads_no_torch() -> None:
    script = "import sys, snndeploy.trainers; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)
