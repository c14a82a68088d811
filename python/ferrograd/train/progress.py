"""What is seen of a run while it goes on: a bar in a terminal or a notebook, a line an epoch in a log file."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

#: The kinds of places that a run can be watched in.
KINDS = ("bar", "notebook", "lines", "none")


def kind_of_place() -> str:
    """'notebook', 'bar' where standard error is a terminal, else 'lines'."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if type(shell).__name__ == "ZMQInteractiveShell":
        return "notebook"
    return "bar" if sys.stderr is not None and sys.stderr.isatty() else "lines"


class Progress:
    """One epoch's progress: `step` after each batch, `close` with the epoch's figures.

    Args:
        title: what stands at the left.
        steps: how many batches there are; None where that is not known.
        kind: one of `KINDS`: a bar on standard error; a notebook's; only the closing line, on standard output; nothing.
    """

    def __init__(self, title: str, steps: int | None, kind: str) -> None:
        self.title, self.kind = title, kind
        self.bar: Any = None
        if kind in ("bar", "notebook"):
            self.bar = self._bar(steps)

    def _bar(self, steps: int | None) -> Any:
        # The notebook's bar is a widget; without the package of widgets the terminal's is drawn in a cell as well.
        if self.kind == "notebook" and importlib.util.find_spec("ipywidgets") is not None:
            from tqdm.auto import tqdm

            return tqdm(total=steps, desc=self.title, unit="batch")
        from tqdm import tqdm as plain

        counted = "{bar:20} {n_fmt}/{total_fmt}" if steps is not None else "{n_fmt} {unit}es"
        return plain(
            total=steps,
            desc=self.title,
            unit="batch",
            bar_format="{desc} " + counted + " {postfix}",
            dynamic_ncols=True,
        )

    def step(self, objective: float) -> None:
        """One batch is done; the mean objective of the epoch's so far stands beside the bar."""
        if self.bar is not None:
            self.bar.set_postfix_str(f"objective {objective:.4f}", refresh=False)
            self.bar.update()

    def close(self, text: str) -> None:
        """The epoch is done."""
        if self.bar is not None:
            self.bar.set_postfix_str(text)
        elif self.kind == "lines":
            print(f"{self.title}  {text}", flush=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()
