"""Padding: layers that add elements around their input."""

from __future__ import annotations

from typing import Any

from . import functional as F
from .module import Module

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]


class _Pad(Module):
    _spatial: int
    _mode = "constant"

    def __init__(self, padding: Any) -> None:
        super().__init__()
        #: (before, after) of the last dimension first.
        self.padding = self._counts(padding)

    def _counts(self, padding: Any) -> tuple[int, ...]:
        if hasattr(padding, "__index__"):
            return (padding.__index__(),) * (2 * self._spatial)
        counts = tuple(padding)
        if self._mode != "constant" and len(counts) != 2 * self._spatial:
            raise ValueError(
                f"{type(self).__name__}: padding: expected an int or {2 * self._spatial} of them, got {padding!r}"
            )
        return counts

    def forward(self, input: Any) -> Any:
        """The padded input."""
        self._check(input)
        return F.pad(input, self.padding, self._mode)

    def _check(self, input: Any) -> None:
        if self._mode != "constant" and len(input.shape) not in (self._spatial + 1, self._spatial + 2):
            raise ValueError(
                f"{type(self).__name__}: input: expected {self._spatial + 1}D or {self._spatial + 2}D input "
                f"(got {len(input.shape)}D input)"
            )

    def extra_repr(self) -> str:
        """How many elements are added."""
        return f"{self.padding}"


class _ConstantPad(_Pad):
    """The input with `value` around it.

    Args:
        padding: an int for all sides, or pairs (before, after), the last dimension first.
        value: what is added.
    """

    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Any) -> Any:
        """The padded input."""
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        """How many elements are added, and which."""
        return f"padding={self.padding}, value={self.value}"


class _ZeroPad(_ConstantPad):
    """The input with zeros around it.

    Args:
        padding: an int for all sides, or pairs (before, after), the last dimension first.
    """

    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        """How many elements are added."""
        return f"{self.padding}"


class _ReflectionPad(_Pad):
    """The input mirrored at its edges, the edge itself once.

    Args:
        padding: an int for all sides, or pairs (before, after), the last dimension first; less than the size.
    """

    _mode = "reflect"


class _ReplicationPad(_Pad):
    """The input with its edges repeated.

    Args:
        padding: an int for all sides, or pairs (before, after), the last dimension first.
    """

    _mode = "replicate"


class _CircularPad(_Pad):
    """The input with what stands at its other side.

    Args:
        padding: an int for all sides, or pairs (before, after), the last dimension first; at most the size.
    """

    _mode = "circular"


class CircularPad1d(_CircularPad):
    __doc__ = _CircularPad.__doc__
    _spatial = 1


class CircularPad2d(_CircularPad):
    __doc__ = _CircularPad.__doc__
    _spatial = 2


class CircularPad3d(_CircularPad):
    __doc__ = _CircularPad.__doc__
    _spatial = 3


class ConstantPad1d(_ConstantPad):
    __doc__ = _ConstantPad.__doc__
    _spatial = 1


class ConstantPad2d(_ConstantPad):
    __doc__ = _ConstantPad.__doc__
    _spatial = 2


class ConstantPad3d(_ConstantPad):
    __doc__ = _ConstantPad.__doc__
    _spatial = 3


class ReflectionPad1d(_ReflectionPad):
    __doc__ = _ReflectionPad.__doc__
    _spatial = 1


class ReflectionPad2d(_ReflectionPad):
    __doc__ = _ReflectionPad.__doc__
    _spatial = 2


class ReflectionPad3d(_ReflectionPad):
    __doc__ = _ReflectionPad.__doc__
    _spatial = 3


class ReplicationPad1d(_ReplicationPad):
    __doc__ = _ReplicationPad.__doc__
    _spatial = 1


class ReplicationPad2d(_ReplicationPad):
    __doc__ = _ReplicationPad.__doc__
    _spatial = 2


class ReplicationPad3d(_ReplicationPad):
    __doc__ = _ReplicationPad.__doc__
    _spatial = 3


class ZeroPad1d(_ZeroPad):
    __doc__ = _ZeroPad.__doc__
    _spatial = 1


class ZeroPad2d(_ZeroPad):
    __doc__ = _ZeroPad.__doc__
    _spatial = 2


class ZeroPad3d(_ZeroPad):
    __doc__ = _ZeroPad.__doc__
    _spatial = 3
