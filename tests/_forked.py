"""Runs scripts, each in a process of its own: a fork of one that has imported what they share, which takes a second."""

from __future__ import annotations

import json
import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple


class Finished(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


class Forks:
    """The process that is forked; `environment` is that of all scripts."""

    def __init__(self, folder: Path, modules: list[str], environment: dict[str, str]) -> None:
        self._folder, self._count = folder, 0
        self._process = subprocess.Popen(
            [sys.executable, __file__, *modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def run(self, script: Path, *arguments: str, limit: float = 120, **environment: str) -> Finished:
        """What a script came to; one that does not end in time has the status -9."""
        self._count += 1
        files = [str(self._folder / f"{self._count}.{kind}") for kind in ("out", "err")]
        asked = {
            "script": str(script),
            "arguments": arguments,
            "files": files,
            "limit": limit,
            "environment": environment,
        }
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, f"the process that is forked ended with status {self._process.wait(30)}"
        return Finished(int(answer), *(Path(name).read_text(encoding="utf-8") for name in files))

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


def _serve(modules: list[str]) -> None:
    for module in modules:
        __import__(module)
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(asked)
        print(_ended(child, asked["limit"]), flush=True)


def _become(asked: dict) -> None:
    """Never returns."""
    for stream, name in zip((1, 2), asked["files"], strict=True):
        file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, stream)
    os.environ.update(asked["environment"])
    sys.argv = [asked["script"], *asked["arguments"]]
    sys.path[0] = os.path.dirname(asked["script"])
    status = 0
    try:
        runpy.run_path(asked["script"], run_name="__main__")
    except SystemExit as stop:
        status = 0 if stop.code is None else stop.code if isinstance(stop.code, int) else 1
        if not isinstance(stop.code, int | None):
            print(stop.code, file=sys.stderr)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _ended(child: int, limit: float) -> int:
    until = time.monotonic() + limit
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    _serve(sys.argv[1:])
