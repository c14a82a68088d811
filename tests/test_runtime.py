"""What the environment sets at import, what can be asked and set afterwards, and Ctrl-C."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _script import check, run

import ferrograd as fg
from ferrograd import _core

PRINT = "import ferrograd as fg; from ferrograd import _core; print(fg.get_num_threads(), _core.isa())"


def test_the_number_of_threads(threads: Any) -> None:
    threads(3)
    assert fg.get_num_threads() == 3
    for wrong in (0, -1, 1025, 2**40):
        with pytest.raises(ValueError, match=rf"set_num_threads: n: expected an integer from 1 to 1024, got {wrong}"):
            fg.set_num_threads(wrong)
    with pytest.raises(TypeError):
        fg.set_num_threads("two")
    assert fg.get_num_threads() == 3


def test_threads_of_the_environment() -> None:
    assert check(PRINT, FERROGRAD_NUM_THREADS="5").split()[0] == "5"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found = int(check(PRINT, FERROGRAD_NUM_THREADS="").split()[0])
    assert 1 <= found <= (cores or 1)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system has no affinity masks")
def test_the_default_respects_the_affinity_mask() -> None:
    first = min(os.sched_getaffinity(0))
    code = f"import os; os.sched_setaffinity(0, {{{first}}}); {PRINT}"
    assert check(code, FERROGRAD_NUM_THREADS="").split()[0] == "1"


@pytest.mark.parametrize("wrong", ["0", "-1", "two", "1.5", "2000", "99999999999999999999"])
def test_a_wrong_number_of_threads_fails_the_import(wrong: str) -> None:
    done = run(PRINT, FERROGRAD_NUM_THREADS=wrong)
    assert done.returncode != 0
    assert f"FERROGRAD_NUM_THREADS: expected an integer from 1 to 1024, got '{wrong}'" in done.stderr
    assert "panicked" not in done.stderr


@pytest.mark.parametrize("isa", _core.isas())
def test_the_instruction_set_can_be_pinned(isa: str) -> None:
    assert check(PRINT, FERROGRAD_ISA=isa).split()[1] == isa


def test_the_default_instruction_set_is_the_best() -> None:
    assert check(PRINT, FERROGRAD_ISA="").split()[1] == _core.isas()[-1]


@pytest.mark.parametrize("wrong", ["sse2", "AVX2", "avx10"])
def test_an_instruction_set_that_the_machine_has_not_fails_the_import(wrong: str) -> None:
    done = run(PRINT, FERROGRAD_ISA=wrong)
    assert done.returncode != 0
    assert f"FERROGRAD_ISA: expected one of {', '.join(_core.isas())} on this machine, got '{wrong}'" in done.stderr
    assert "panicked" not in done.stderr


def test_show_config(capsys: pytest.CaptureFixture[str]) -> None:
    assert fg.show_config() is None
    printed = capsys.readouterr().out
    for what in (fg.__version__, _core.isa(), np.__version__, "threads", "memory pool", "torch"):
        assert what in printed
    found = fg.show_config("dicts")
    assert found is not None
    assert found["instruction set"]["in force"] == _core.isa()
    assert found["instruction set"]["available"] == _core.isas()
    assert found["threads"]["number"] == fg.get_num_threads()
    assert set(found["memory pool"]) == {"in_use", "peak", "cached", "hits", "misses"}
    with pytest.raises(ValueError, match="show_config: mode: expected 'stdout' or 'dicts', got 'json'"):
        fg.show_config("json")


def test_flushing_denormals_can_be_switched() -> None:
    try:
        fg.set_flush_denormal(False)
        tiny = fg.tensor(np.float32([[1e-20]]))
        kept = fg.matmul(tiny, tiny * 1.0).item()
    finally:
        fg.set_flush_denormal(True)
    flushed = fg.matmul(tiny, tiny).item()
    assert kept == pytest.approx(1e-40, rel=1e-3)
    assert flushed == 0.0
    assert (tiny * tiny).item() == pytest.approx(1e-40, rel=1e-3)  # elementwise kernels keep them


@pytest.mark.skipif(sys.platform == "win32", reason="there SIGINT cannot be sent to one process")
@pytest.mark.parametrize("line", ["a = a + b", "a = (a * b).detach(); (a * w).backward(b)"])
def test_ctrl_c_ends_a_loop(line: str) -> None:
    code = (
        "import signal\n"
        "import ferrograd as fg\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a job in the background inherits that it is ignored
        "a, b, w = fg.ones(1_000_000), fg.ones(1_000_000), fg.ones(1_000_000, requires_grad=True)\n"
        "print('ready', flush=True)\n"
        f"while True: {line}\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        try:
            assert child.stdout.readline().strip() == "ready"
            time.sleep(0.3)
            started = time.monotonic()
            child.send_signal(signal.SIGINT)
            child.wait(10)
            took = time.monotonic() - started
        finally:
            child.kill()
        assert "KeyboardInterrupt" in child.stderr.read()
    assert took < 5


def test_an_import_stays_short() -> None:
    check(
        "import sys; import numpy; before = set(sys.modules); import ferrograd as fg\n"
        "loaded = {name.partition('.')[2] for name in set(sys.modules) - before if name.startswith('ferrograd.')}\n"
        "late = {'nn', 'optim', 'data', 'func', 'models', 'analysis', 'utils', 'testing', 'random', 'linalg', 'printing'}\n"
        "late |= {'autograd.engine', 'autograd.functional', 'ops.conv', 'ops.rnn', 'serialization', 'profiler'}\n"
        "assert not loaded & late, loaded & late\n"
        "assert not (set(sys.modules) - before) & {'threading', 'heapq', 'inspect', 'copy'}\n"
        "for package in fg, fg.autograd:\n"
        "    assert all(getattr(package, name) is getattr(package, name) for name in package._LATER)\n"
        "    assert set(package._LATER) <= set(dir(package))"
    )


def test_import_of_all_names_has_those_that_are_loaded_on_first_use() -> None:
    check(
        "from ferrograd import *; assert randn(2).shape == (2,) and nn.Linear and save and tensor([1]).tolist() == [1]"
    )


@pytest.mark.parametrize("package", [fg, fg.autograd])
def test_what_is_loaded_on_first_use_is_told_to_the_type_checker(package: Any) -> None:
    tree = ast.parse(Path(package.__file__).read_text())
    (typed,) = [node for node in tree.body if isinstance(node, ast.If)]
    names = [alias.name for node in typed.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert sorted(names) == sorted(package._LATER)
    with pytest.raises(AttributeError, match=f"module '{package.__name__}' has no attribute 'nope'"):
        package.nope  # noqa: B018


def test_ops_of_layers_are_loaded_with_the_first_of_them() -> None:
    # Importing the module `conv` puts it in the place of the op of this name; all the ops are put there after that.
    check(
        "import ferrograd as fg; from ferrograd import ops\n"
        "assert ops.tan is ops.tan and callable(ops.conv) and ops.OPS['convolution'].name == 'convolution'\n"
        "assert not hasattr(ops, 'nope') and not hasattr(ops, '__nope__')"
    )
