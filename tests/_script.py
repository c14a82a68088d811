"""Runs a piece of Python in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap


def run(code: str, timeout: float = 60, **environment: str) -> subprocess.CompletedProcess[str]:
    """The finished process; it is killed, and the test fails, after `timeout` seconds."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def check(code: str, timeout: float = 60, **environment: str) -> str:
    """What the piece prints; it must end well."""
    done = run(code, timeout, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
