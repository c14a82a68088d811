"""Writes `pytorch_names.json`: PyTorch's documented public names and the arguments of those that tell them.

Only this script needs PyTorch: `python tests/golden/pytorch_names.py`.
"""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import torch
import torch.func
import torch.utils.checkpoint
import torch.utils.data

#: Name in PyTorch -> the module or class itself.
NAMESPACES: dict[str, Any] = {
    "torch": torch,
    "torch.Tensor": torch.Tensor,
    "torch.nn": torch.nn,
    "torch.nn.functional": torch.nn.functional,
    "torch.nn.init": torch.nn.init,
    "torch.nn.utils": torch.nn.utils,
    "torch.optim": torch.optim,
    "torch.optim.lr_scheduler": torch.optim.lr_scheduler,
    "torch.autograd": torch.autograd,
    "torch.func": torch.func,
    "torch.linalg": torch.linalg,
    "torch.utils.data": torch.utils.data,
}


def arguments(thing: Any) -> list[str] | None:
    """The names of the arguments, or None where they are not to be had (functions of C++)."""
    try:
        parameters = inspect.signature(thing).parameters.values()
    except (TypeError, ValueError):
        return None
    names = [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return [name for name in names if not name.startswith("_") and name != "self"]


def names(space: Any) -> dict[str, list[str] | None]:
    """What a namespace documents: functions, methods and classes of its own."""
    found: dict[str, list[str] | None] = {}
    for name in sorted(set(getattr(space, "__all__", dir(space))) | set(dir(space))):
        thing = getattr(space, name, None)
        own = not inspect.ismodule(thing) and not name.startswith("_")
        exception = inspect.isclass(thing) and issubclass(thing, BaseException)
        typing = getattr(thing, "__module__", "") in ("typing", "types", "collections", "functools", "enum", "abc")
        if not own or exception or typing or not getattr(thing, "__doc__", None):
            continue
        if not callable(thing) and not inspect.isdatadescriptor(thing):
            continue
        module = str(getattr(thing, "__module__", None) or "torch")
        if not module.startswith("torch") or (space is torch and inspect.isclass(thing)):
            continue
        found[name] = arguments(thing)
    return found


if __name__ == "__main__":
    out = Path(__file__).with_suffix(".json")
    table = {"version": torch.__version__.split("+")[0], "names": {k: names(v) for k, v in NAMESPACES.items()}}
    out.write_text(json.dumps(table, indent=0, sort_keys=True) + "\n")
    print({k: len(v) for k, v in table["names"].items()}, out.stat().st_size)
