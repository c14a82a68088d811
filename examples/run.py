"""Runs the examples one after the other and prints one table: row, figure, bar, met or not, seconds.

    python examples/run.py               all of them in full, at most an hour on two cores
    python examples/run.py --only 8 18   these rows
    python examples/run.py --quick       a few steps of each, judging nothing
    python examples/run.py --index       writes README.md and thumbnails/ from the last full runs

Ends with status 1 where a bar is not met, an example failed, or a row has no script.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
#: The rows of the lecture's table that have an example.
ROWS = range(1, 39)
#: Seconds after which an example is ended as failed.
LIMIT = 900
#: Width of a thumbnail in pixels, its colours, and the most bytes it may have.
THUMBNAIL = (300, 48, 26_000)
MET, NOT_MET, NO_DATA, FAILED, MISSING, QUICK = "met", "NOT MET", "no data", "failed", "missing", "quick"


@dataclass(frozen=True)
class Example:
    """A script, with what it says about itself."""

    row: int
    path: Path
    title: str
    to_see: str


@dataclass(frozen=True)
class Result:
    """What a run of a row came to."""

    row: int
    figure: str
    bar: str
    verdict: str
    seconds: float
    said: str = ""


def examples(folder: Path) -> list[Example]:
    """The scripts of a folder, by row."""
    return [read(path) for path in sorted(folder.glob("[0-9][0-9]_*.py"))]


def read(path: Path) -> Example:
    """A script's title, the first paragraph of its docstring without "Row N:", and its last comment."""
    source = path.read_text(encoding="utf-8")
    paragraph = (ast.get_docstring(ast.parse(source)) or path.stem).split("\n\n")[0]
    title = re.sub(r"^Row \d+: ", "", " ".join(paragraph.split())).rstrip(".")
    comment = re.search(r"^# What to see: ((?:.*\n#)*.*)\s*\Z", source, re.M)
    to_see = "" if comment is None else " ".join(comment[1].replace("\n#", " ").split())
    return Example(int(path.name[:2]), path, title, to_see[:1].upper() + to_see[1:])


def run(example: Example, quick: bool, out: Path, limit: float = LIMIT) -> Result:
    """Runs a script in a process of its own; its last line has the figure, the bar and the verdict."""
    command = [sys.executable, str(example.path), "--out", str(out), *(["--quick"] if quick else [])]
    started = time.perf_counter()
    try:
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", timeout=limit, env={**os.environ, "PYTHONUTF8": "1"}
        )
        status, printed, complaint = done.returncode, done.stdout, done.stderr
    except subprocess.TimeoutExpired:
        status, printed, complaint = -1, "", f"ended after {limit:g} seconds"
    seconds = round(time.perf_counter() - started, 1)
    if status == 2 and "no data: " in complaint:
        return Result(example.row, complaint.split("no data: ")[1].splitlines()[0], "", NO_DATA, seconds)
    lines = [line for line in printed.splitlines() if line.startswith("result: ")]
    parts = lines[-1].removeprefix("result: ").rsplit(" | ", 2) if lines else []
    expected = {QUICK: 0} if quick else {MET: 0, NOT_MET: 1}
    if len(parts) == 3 and expected.get(parts[2]) == status:
        return Result(example.row, *parts, seconds, printed)
    last = complaint.strip().splitlines()[-1:] or [f"status {status}, no result"]
    return Result(example.row, last[0], "", FAILED, seconds, printed + complaint)


def table(results: Iterable[Result]) -> str:
    """The results, a line each, in columns."""
    cells = [("row", "figure", "bar", "", "seconds")]
    cells += [(f"{r.row:02}", r.figure, r.bar, r.verdict, f"{r.seconds:.1f}") for r in results]
    widths = [min(70, max(len(line[k]) for line in cells)) for k in range(4)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[4].rjust(7)])
        for line in cells
    )


def summary(results: list[Result]) -> str:
    """How many rows came to what."""
    counts = {verdict: sum(r.verdict == verdict for r in results) for verdict in (MET, QUICK)}
    counts |= {verdict: sum(r.verdict == verdict for r in results) for verdict in (NOT_MET, NO_DATA, FAILED, MISSING)}
    said = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    return f"{len(results)} rows: {said}; {sum(r.seconds for r in results) / 60:.1f} minutes"


def keep(results: list[Result], path: Path) -> None:
    """Adds the verdicts of a full run to a file of the last ones."""
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for r in results:
        if r.verdict in (MET, NOT_MET):
            kept[f"{r.row:02}"] = {k: v for k, v in asdict(r).items() if k not in ("row", "said")}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(dict(sorted(kept.items())), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def page(folder: Path) -> str:
    """The index page: a thumbnail an example, its title, what to see, and the figure of the last full run."""
    stored = folder / "results.json"
    results = json.loads(stored.read_text(encoding="utf-8")) if stored.exists() else {}
    lines = [
        "# The examples",
        "",
        "One script for each row of the lecture. Each runs as it stands, without arguments: `python examples/01_neuron.py`.",
        "It prints its figure and the bar that the figure must meet, saves its picture into `examples/out/`, and says at its",
        "foot what to see in it. `make examples` runs all of them and prints one table.",
        "",
        "Rows on MNIST or Shakespeare look for their files in the folder `$FERROGRAD_DATA`, then in the cache; to fetch them",
        'once: `python -c "from ferrograd.data import datasets as d; d.mnist(download=True); d.text(download=True)"`.',
        "",
        "Figures and seconds are those of the last full run, on two cores; `python examples/run.py --index` writes it all.",
        "",
        "| | what it shows | the last full run |",
        "|---|---|---|",
    ]
    for e in examples(folder):
        last = results.get(f"{e.row:02}")
        figure = (
            "–" if last is None else f"{last['figure']}; bar: {last['bar']}; {last['verdict']}; {last['seconds']:.0f} s"
        )
        small = f"thumbnails/{e.path.stem}.png"
        picture = f"[![{e.path.stem}]({small})]({e.path.name})" if (folder / small).exists() else "–"
        what = f"**{e.row}. [{e.path.name}]({e.path.name})**: {e.title}.<br><br>{e.to_see}"
        lines.append(f"| {picture} | {_cell(what)} | {_cell(figure)} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def thumbnail(picture: Path, path: Path) -> None:
    """A picture made small, in few colours."""
    from PIL import Image

    width, colours, limit = THUMBNAIL
    with Image.open(picture) as image:
        rgb = image.convert("RGB")
    small = rgb.resize((width, round(rgb.height * width / rgb.width)), Image.Resampling.LANCZOS)
    while True:
        written = io.BytesIO()
        small.quantize(colours, dither=Image.Dither.NONE).save(written, "PNG", optimize=True)
        if written.tell() <= limit or colours < 8:
            break
        colours //= 2
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(written.getvalue())


def write_index(folder: Path, out: Path) -> None:
    """Takes over the last full runs: their results, their pictures as thumbnails, and the page."""
    for e in examples(folder):
        picture = out / f"{e.path.stem}.png"
        if picture.exists():
            thumbnail(picture, folder / "thumbnails" / picture.name)
    fresh = out / "results.json"
    if fresh.exists():
        last = json.loads(fresh.read_text(encoding="utf-8"))
        keep([Result(int(row), **values) for row, values in last.items()], folder / "results.json")
    (folder / "README.md").write_text(page(folder), encoding="utf-8")


def main(argv: list[str] | None = None, folder: Path = HERE, rows: Iterable[int] = ROWS) -> int:
    """Runs what is asked for; the exit status."""
    parser = argparse.ArgumentParser(
        prog="run.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a few steps of each example; judges nothing")
    parser.add_argument("--only", nargs="+", type=int, metavar="ROW", help="these rows alone")
    parser.add_argument("--out", type=Path, default=folder / "out", help="folder of the pictures (examples/out)")
    parser.add_argument("--index", action="store_true", help="write README.md and the thumbnails; run nothing")
    args = parser.parse_args(argv)
    if args.index:
        write_index(folder, args.out)
        return 0
    scripts: dict[int, list[Example]] = {}
    for example in examples(folder):
        scripts.setdefault(example.row, []).append(example)
    # A quick run's pictures show nothing; they must not become thumbnails.
    out = args.out / "quick" if args.quick else args.out
    results = []
    for row in args.only or rows:
        if row not in scripts:
            results.append(Result(row, "", "", MISSING, 0.0))
        for example in scripts.get(row, []):
            print(f"{example.path.name} …", end=" ", file=sys.stderr, flush=True)
            result = run(example, args.quick, out)
            results.append(result)
            print(f"{result.verdict}, {result.seconds:.1f} s", file=sys.stderr, flush=True)
            if result.verdict in (FAILED, NOT_MET):
                print(result.said.rstrip(), file=sys.stderr, flush=True)
            if not args.quick:
                keep([result], out / "results.json")
    print(table(results))
    print(summary(results))
    return int(any(r.verdict in (NOT_MET, FAILED, MISSING) for r in results))


if __name__ == "__main__":
    sys.exit(main())
