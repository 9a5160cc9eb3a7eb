"""Runs commands of snndeploy as a user would, each in a fork of a process that has imported everything it needs.

    python -m tests.refusals.measure < JOBS    jobs: a list of [folder, words]; prints what came of each, as JSON

So seconds and bytes are those of the command, not of Python's imports, and a crash or a hang is that of one command.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from snndeploy.cli import main

HANGS = 30  # seconds after which a command is killed


def outcome(folder: str, words: list[str]) -> dict[str, Any]:
    """Exit code (negative: killed by that signal), what it printed, seconds of CPU, megabytes above the start."""
    files = {name: Path(folder, f".{name}") for name in ("stdout", "stderr", "usage")}
    child = os.fork()
    if child == 0:
        command(folder, words, files)
    _, status = os.waitpid(child, 0)
    found = {name: path.read_text() if path.exists() else "" for name, path in files.items()}
    for path in files.values():
        path.unlink(missing_ok=True)
    seconds, megabytes = json.loads(found["usage"] or "[1e9, 1e9]")
    return {
        "code": os.waitstatus_to_exitcode(status),
        "stdout": found["stdout"],
        "lines": found["stderr"].splitlines(),
        "seconds": seconds,
        "megabytes": megabytes,
    }


def command(folder: str, words: list[str], files: dict[str, Path]) -> None:
    """Run the command line in `folder`, note what it took, and end the process."""
    signal.alarm(HANGS)
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(files[name], os.O_CREAT | os.O_WRONLY, 0o600), number)
    os.chdir(folder)
    sys.argv = ["snndeploy", *words]
    code, resident, began = 0, kilobytes("VmRSS"), time.process_time()
    try:
        main()
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 0
    except BaseException:
        traceback.print_exc()
        code = 70
    took = time.process_time() - began, (kilobytes("VmHWM") - resident) / 1024
    files["usage"].write_text(json.dumps(took))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def kilobytes(name: str) -> int:
    """What Linux says of this process: VmRSS, resident now, or VmHWM, the most that ever was."""
    return next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if name in line)


if __name__ == "__main__":
    jobs = json.load(sys.stdin)
    first, *others = jobs  # the first is run here: it imports what the others need
    sys.argv = ["snndeploy", *first[1]]
    os.chdir(first[0])
    saved, sys.stdout = sys.stdout, sys.stderr
    try:
        main()
    except SystemExit as leaving:
        if leaving.code:
            raise
    sys.stdout = saved
    json.dump([outcome(*job) for job in others], sys.stdout)
