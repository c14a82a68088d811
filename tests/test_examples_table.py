"""`examples/run.py`: the table, its exit status, the index page, the thumbnails."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

FOLDER = Path(__file__).parent.parent / "examples"
spec = importlib.util.spec_from_file_location("examples_run", FOLDER / "run.py")
table = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = table
spec.loader.exec_module(table)

HEAD = '"""Row {row}: an example that {does}\nand goes on.\n\nLecture: "None"."""\n\nimport sys\n\nquick = "--quick" in sys.argv\n'
FOOT = "\n# What to see: a line,\n# and another | one.\n"
SCRIPTS = {
    "01_good.py": ("works", "print('result: error 1.0 % | ≤ 2 % | ' + ('quick' if quick else 'met'))"),
    "02_bad.py": ("misses", "print('result: error 3 % | ≤ 2 % | ' + ('quick' if quick else 'NOT MET')); sys.exit(not quick)"),
    "03_empty.py": ("has no data", "print('no data: mnist: nothing there', file=sys.stderr); sys.exit(2)"),
    "04_broken.py": ("breaks", "print('half'); 1 / 0"),
    "05_silent.py": ("says nothing", ""),
    "06_liar.py": ("says met, ends as if not", "print('result: 1 | 2 | met'); sys.exit(1)"),
    "07_usage.py": ("does not know its arguments", "sys.exit(2)"),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path):
    """Makes a folder of the named scripts."""

    def made(*names: str) -> Path:
        for name in names:
            does, body = SCRIPTS[name]
            (tmp_path / name).write_text(HEAD.format(row=int(name[:2]), does=does) + body + FOOT, encoding="utf-8")
        return tmp_path

    return made


def test_one_line_a_row_and_how_many_came_to_what(folder, capsys: pytest.CaptureFixture[str]) -> None:
    assert table.main([], folder(*SCRIPTS), range(1, 9)) == 1
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert lines[0].split() == ["row", "figure", "bar", "seconds"]
    verdicts = ["met", "NOT MET", "no data", "failed", "failed", "failed", "failed", "missing"]
    for row, verdict in enumerate(verdicts, 1):
        assert lines[row].startswith(f"{row:02}  ")
        assert f"  {verdict}  " in lines[row]
    assert "error 1.0 %" in lines[1]
    assert "≤ 2 %" in lines[1]
    assert "mnist: nothing there" in lines[3]
    assert "ZeroDivisionError: division by zero" in lines[4]
    assert "status 0, no result" in lines[5]
    assert lines[-1].startswith("8 rows: 1 met, 1 NOT MET, 1 no data, 4 failed, 1 missing; ")
    assert "half" in captured.err


@pytest.mark.parametrize(
    ("names", "status"),
    [(["01_good.py"], 0), (["01_good.py", "03_empty.py"], 0), (["02_bad.py"], 1), (["04_broken.py"], 1), (["07_usage.py"], 1)],
)  # fmt: skip
def test_the_exit_status(folder, names: list[str], status: int) -> None:
    assert table.main([], folder(*names), [int(name[:2]) for name in names]) == status


def test_a_missing_row_is_not_met(folder) -> None:
    assert table.main(["--only", "1", "5"], folder("01_good.py")) == 1
    assert table.main(["--only", "1"], folder("01_good.py")) == 0


def test_a_quick_run_judges_nothing_and_leaves_no_results(folder) -> None:
    made = folder("01_good.py", "02_bad.py")
    assert table.main(["--quick"], made, [1, 2]) == 0
    assert not list(made.rglob("results.json"))
    assert table.main(["--quick"], folder("04_broken.py"), [4]) == 1


def test_an_example_that_does_not_end_is_ended(folder) -> None:
    made = folder("01_good.py")
    (made / "08_slow.py").write_text("import time; time.sleep(60)")
    result = table.run(table.read(made / "08_slow.py"), False, made / "out", limit=0.2)
    assert (result.verdict, result.figure) == ("failed", "ended after 0.2 seconds")


def test_the_index_has_what_the_last_full_runs_left(folder) -> None:
    made = folder("01_good.py", "02_bad.py", "04_broken.py")
    table.main([], made, [1, 2, 4])
    noise = np.random.default_rng(0).integers(0, 256, (400, 640, 3), dtype=np.uint8)
    for name, pixels in (("01_good.png", noise), ("02_bad.png", np.full_like(noise, 200))):
        Image.fromarray(pixels).save(made / "out" / name)
    assert table.main(["--index"], made) == 0
    page = (made / "README.md").read_text(encoding="utf-8")
    assert page == table.page(made)
    assert "[![01_good](thumbnails/01_good.png)](01_good.py)" in page
    assert "an example that works and goes on.<br><br>A line, and another \\| one." in page
    assert "error 1.0 %; bar: ≤ 2 %; met; 0 s |" in page
    assert "error 3 %; bar: ≤ 2 %; NOT MET" in page
    assert page.count("| – |") == 2  # neither a picture nor a figure of what broke
    small = made / "thumbnails" / "01_good.png"
    assert small.stat().st_size <= 27_000
    with Image.open(small) as image:
        assert (image.size, image.mode) == ((300, 188), "P")

    table.main(["--only", "1"], made)
    (made / "out" / "01_good.png").unlink()
    table.main(["--index"], made)
    assert small.exists()
    kept = json.loads((made / "results.json").read_text(encoding="utf-8"))
    assert [(row, values["verdict"]) for row, values in kept.items()] == [("01", "met"), ("02", "NOT MET")]


def test_the_index_names_every_script_and_is_what_run_py_writes() -> None:
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    for example in table.examples(FOLDER):
        assert f"[{example.path.name}]({example.path.name})" in page
        assert example.to_see in page.replace("\\|", "|")
    assert page == table.page(FOLDER), "python examples/run.py --index writes it anew"


def test_thumbnails_are_small_and_each_has_its_script() -> None:
    pictures = sorted((FOLDER / "thumbnails").glob("*"))
    assert {p.stem for p in pictures} <= {e.path.stem for e in table.examples(FOLDER)}
    assert all(p.stat().st_size <= 60_000 for p in pictures)
    assert sum(p.stat().st_size for p in pictures) <= 1_000_000
