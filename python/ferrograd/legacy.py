"""PyTorch's old constructors, one a dtype: `fg.FloatTensor([1, 2])`, `fg.LongTensor(2, 3)`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _core, creation, ops
from .dtypes import dtype_name

if TYPE_CHECKING:
    from ._tensor import Tensor

__all__ = [
    "BFloat16Tensor", "BoolTensor", "ByteTensor", "DoubleTensor", "FloatTensor", "HalfTensor", "IntTensor", "LongTensor",
]  # fmt: skip

LEGACY_NAMES = {
    "float64": "DoubleTensor", "float32": "FloatTensor", "float16": "HalfTensor", "bfloat16": "BFloat16Tensor",
    "int64": "LongTensor", "int32": "IntTensor", "uint8": "ByteTensor", "bool": "BoolTensor",
}  # fmt: skip


def legacy_tensor(dtype: Any, args: tuple[Any, ...]) -> Tensor:
    """Data as a tensor of this dtype, or memory of the sizes given, its contents arbitrary; of nothing, no elements."""
    if len(args) == 1 and not hasattr(args[0], "__index__"):
        data = args[0]
        if isinstance(data, _core.TensorBase):
            return ops.detach(creation.as_tensor(data, dtype))  # type: ignore[no-any-return]
        return creation.tensor(data, dtype=dtype)
    if len(args) == 1 and hasattr(args[0], "shape"):
        # A tensor or an array, though an integer of one element.
        return creation.tensor(args[0], dtype=dtype)
    return creation.empty(*(args or (0,)), dtype=dtype)


def dtype_of_legacy(name: Any) -> Any:
    """The dtype that a name such as 'torch.FloatTensor' stands for; anything else as it is."""
    if isinstance(name, str) and name.endswith("Tensor"):
        short = name.rpartition(".")[2]
        for dtype, legacy in LEGACY_NAMES.items():
            if legacy == short:
                return dtype
        raise ValueError(f"type: dtype: expected one of {', '.join(LEGACY_NAMES.values())}, got {name!r}")
    return getattr(name, "dtype_of_tensors", name)


class _Constructor:
    """`fg.FloatTensor` and its like."""

    def __init__(self, dtype: str) -> None:
        self.dtype_of_tensors = dtype
        self.__name__ = LEGACY_NAMES[dtype]

    def __call__(self, *args: Any) -> Tensor:
        return legacy_tensor(self.dtype_of_tensors, args)

    def __instancecheck__(self, x: object) -> bool:
        return isinstance(x, _core.TensorBase) and x._dtype == dtype_name(self.dtype_of_tensors)

    def __repr__(self) -> str:
        return f"<ferrograd.{self.__name__}>"


DoubleTensor = _Constructor("float64")
FloatTensor = _Constructor("float32")
HalfTensor = _Constructor("float16")
BFloat16Tensor = _Constructor("bfloat16")
LongTensor = _Constructor("int64")
IntTensor = _Constructor("int32")
ByteTensor = _Constructor("uint8")
BoolTensor = _Constructor("bool")
