"""From the losses of the elements to one number."""

from __future__ import annotations

from typing import Any

from ... import ops
from ..._warn import warn
from .._check import check_reduction


def reduction_of(op: str, reduction: str, size_average: bool | None, reduce: bool | None) -> str:
    """'mean', 'sum' or 'none'; PyTorch's former arguments `size_average` and `reduce` are turned into one of them."""
    if size_average is not None or reduce is not None:
        whole = reduce is None or reduce
        reduction = "none" if not whole else "sum" if size_average is not None and not size_average else "mean"
        warn(f"{op}: size_average and reduce are deprecated; pass reduction={reduction!r}")
    check_reduction(op, reduction)
    return reduction


def reduced(loss: Any, reduction: str) -> Any:
    """The mean or the sum of the losses, or all of them."""
    if reduction == "mean":
        return ops.mean(loss, dim=(), keepdim=False)
    return ops.sum(loss, dim=(), keepdim=False) if reduction == "sum" else loss
