"""Writes `docs/pytorch.md`: what of PyTorch is here, what differs, what is missing.

`python tools/parity.py` writes it, `--check` says whether it is up to date, `--untouched` lists the names that it claims
and no test names. What PyTorch has stands in `tests/golden/pytorch_names.json`; what is here is looked up in the package.
"""

from __future__ import annotations

import argparse
import ast
import functools
import inspect
import json
import re
import sys
import textwrap
from pathlib import Path
from typing import Any

import ferrograd as fg

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "pytorch.md"

#: What behaves otherwise than in PyTorch, by namespace and name; every sentence is held by a test.
DIFFERENCES: dict[str, dict[str, str]] = {
    "torch": {
        "add": "a Python integer that the tensor's integer dtype cannot hold raises, in every op (PyTorch: it wraps around)",
        "all": "of uint8 it is bool, as in NumPy, and so is `any` (PyTorch: uint8)",
        "cosine_similarity": "has the gradient of its formula where a norm is below `eps` (PyTorch: that of no bound)",
        "load": "safetensors only, nothing is unpickled",
        "manual_seed": "the random streams are our own (Philox), so the numbers differ",
        "pow": "integers to a negative power raise, as in NumPy (PyTorch: from a tensor of powers they are 0, 1 or -1)",
        "save": "safetensors: tensors, in dictionaries and lists with numbers and strings, written atomically",
    },
    "torch.Tensor": {
        "to": "floats beyond an integer dtype are its bounds, and NaN is 0 (PyTorch: what the processor makes of them)",
    },
    "torch.utils.data": {
        "DataLoader": "`num_workers` are threads of this process, not processes: nothing is pickled",
    },
    "torch.nn": {
        "Conv2d": "of 0 input channels it is its bias (PyTorch: a result without channels)",
        "Embedding": "`sparse=True` raises: gradients are dense",
    },
    "torch.nn.functional": {
        "embedding_bag": "`scale_grad_by_freq` divides by how often each index occurs; `sparse=True` raises",
        "interpolate": "`antialias=True` raises",
        "max_pool2d": "a window that lies in the padding alone raises (PyTorch: -inf and an index outside of the plane)",
        "pad": "every mode pads any dimension, not the last ones only",
    },
    "torch.optim": {
        "RMSprop": "`centered=True` takes a running variance that rounding left below 0 as 0 (PyTorch: NaN)",
        "SGD": "`differentiable=True` raises, as in every optimizer: a step is one kernel",
    },
    "torch.autograd": {
        "detect_anomaly": "also checks saved values against writes through NumPy",
    },
}

#: Arguments that name what a CPU library without sparse, complex or quantised tensors does not have.
IGNORED_ARGUMENTS = {
    "dtype_layout", "foreach", "fused", "capturable", "differentiable", "pin_memory", "pin_memory_device", "layout",
    "multiprocessing_context", "persistent_workers", "worker_init_fn", "in_order", "sparse", "has_torch_function",
    "size_average", "reduce", "sparse_grad", "names",
}  # fmt: skip


def here(space: str) -> Any:
    """Our namespace of this name, or None."""
    thing: Any = fg
    for part in space.split(".")[1:]:
        thing = getattr(thing, part, None)
    return thing


def arguments(thing: Any) -> tuple[set[str], bool]:
    """The names of the arguments, and whether others are taken too."""
    try:
        parameters = list(inspect.signature(thing).parameters.values())
    except (TypeError, ValueError):
        return set(), True
    return {p.name for p in parameters}, any(p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL) for p in parameters)


def lacking(space: str, name: str, wanted: list[str] | None) -> list[str]:
    """The arguments of PyTorch that ours does not take."""
    thing = getattr(here(space), name)
    ours, more = arguments(thing)
    if wanted is None or more or not callable(thing):
        return []
    return [a for a in wanted if a not in ours and a not in IGNORED_ARGUMENTS]


@functools.cache
def named_in_tests() -> frozenset[str]:
    """Every identifier that the tests name, in code or in a string (a table's row names a layer by a string)."""
    found: set[str] = set()
    for path in (ROOT / "tests").rglob("*.py"):
        if path.name in ("pytorch_names.py", "test_parity.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                found.add(node.attr)
            elif isinstance(node, ast.Name):
                found.add(node.id)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 500:
                found.update(re.findall(r"[A-Za-z_]\w*", node.value))
            elif isinstance(node, ast.alias):
                found.update(node.name.split("."))
    return frozenset(found)


def table() -> dict[str, dict[str, list[str] | None]]:
    names: dict[str, dict[str, list[str] | None]] = json.loads(
        (ROOT / "tests" / "golden" / "pytorch_names.json").read_text()
    )["names"]
    return names


def present(space: str) -> list[str]:
    ours = here(space)
    return [] if ours is None else [name for name in table()[space] if hasattr(ours, name)]


def untouched() -> list[str]:
    """The names that the page claims and no test names."""
    return [f"{space}.{name}" for space in table() for name in present(space) if name not in named_in_tests()]


def listed(names: list[str]) -> str:
    return textwrap.fill(", ".join(f"`{n}`" for n in names), 120, break_long_words=False, break_on_hyphens=False)


def page() -> str:
    version = json.loads((ROOT / "tests" / "golden" / "pytorch_names.json").read_text())["version"]
    spaces = table()
    rows, sections = [], []
    for space, names in spaces.items():
        found = present(space)
        missing = [name for name in names if name not in found]
        differs = {name: DIFFERENCES.get(space, {}).get(name, "") for name in found}
        for name in found:
            lacks = lacking(space, name, names[name])
            if lacks:
                without = "no argument " + ", ".join(f"`{a}`" for a in lacks)
                differs[name] = "; ".join(filter(None, [differs[name], without]))
        differs = {name: why for name, why in differs.items() if why}
        rows.append(
            f"| [`{space}`](#{space.replace('.', '').lower()}) | {len(found)} | {len(differs)} | {len(missing)} |"
        )
        text = [f"## {space}", "", f"**Here** ({len(found)}): ", "", listed(found), ""]
        if differs:
            text += ["**Differs:**", "", *(f"- `{name}`: {why}" for name, why in differs.items()), ""]
        if missing:
            text += [f"**Missing** ({len(missing)}):", "", listed(missing), ""]
        sections.append("\n".join(text))
    head = f"""# What of PyTorch is here
Made by `python tools/parity.py` from the package and the documented names of PyTorch {version}; tests hold it to both,
and every name claimed here is named in a test. Throughout: no complex, sparse, quantised or symbolic tensors; random
streams are our own; `float16` and `bfloat16` store only; devices other than `cpu` are refused.

| namespace | here | of these, differing | missing |
|---|---|---|---|
"""
    return head + "\n".join(rows) + "\n\n" + "\n".join(sections)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--untouched", action="store_true")
    args = parser.parse_args()
    if args.untouched:
        print("\n".join(untouched()))
    elif args.check:
        sys.exit("docs/pytorch.md is out of date: python tools/parity.py" if PAGE.read_text() != page() else 0)
    else:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(page())
