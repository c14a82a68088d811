"""The Tensor: an array that remembers how it was computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import _core, _numpy, autograd, functions, ops
from .dtypes import BY_NAME, CPU, device, dtype, dtype_name


class Tensor(_core.TensorBase):
    """A strided array of one dtype on one device, with its place in the graph of computations.

    Its data and its links into the graph are kept by the Rust base class; here are the methods. Make one with
    `fg.tensor(data)`, `fg.from_numpy(array)`, `fg.zeros(2, 3)`, …
    """

    __slots__ = ()
    __hash__ = object.__hash__

    # -- what it is ----------------------------------------------------------------------------------------------------

    @property
    def dtype(self) -> dtype:
        """The type of the elements."""
        return BY_NAME[self._dtype]

    @property
    def device(self) -> device:
        """Where the memory is."""
        return CPU

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one dimension."""
        return self.shape if dim is None else self.shape[dim]

    def dim(self) -> int:
        """The number of dimensions."""
        return self.ndim

    @property
    def T(self) -> Tensor:
        """The dimensions in reverse order; a view."""
        return functions.permute(self, *reversed(range(self.ndim)))

    @property
    def mT(self) -> Tensor:
        """The last two dimensions swapped; a view."""
        if self.ndim < 2:
            raise RuntimeError(f"mT: expected at least 2 dimensions, got shape {self.shape}")
        return functions.transpose(self, -2, -1)

    def stride(self, dim: int | None = None) -> Any:
        """Steps between neighbours of each dimension, in elements."""
        return self._strides if dim is None else self._strides[dim]

    def storage_offset(self) -> int:
        """Elements of the memory that stand before the first one."""
        return self._offset

    def element_size(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.numel() * self.element_size()

    def is_floating_point(self) -> bool:
        """The dtype is a floating-point one."""
        return self.dtype.is_floating_point

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("len() of a 0-d tensor")
        return self.shape[0]

    # -- the graph -----------------------------------------------------------------------------------------------------

    @property
    def grad(self) -> Tensor | None:
        """What `backward` has added up for this tensor, or None."""
        return self._grad  # type: ignore[no-any-return]

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(f"grad: expected a Tensor or None, got {type(value).__name__}")
            if value.shape != self.shape:
                raise _core.ShapeError(f"grad: expected the tensor's shape {self.shape}, got {value.shape}")
            if value._dtype != self._dtype:
                raise _core.DTypeError(f"grad: expected the tensor's dtype {self._dtype}, got {value._dtype}")
        self._grad = value

    @property
    def grad_fn(self) -> autograd.Node | None:
        """The node of the op that made this tensor, or None for a leaf."""
        return autograd.graph.target(self._node)  # type: ignore[no-any-return]

    def backward(
        self,
        gradient: Any = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Adds d(self)/d(leaf) · gradient to the `grad` of every leaf; see `fg.autograd.backward`."""
        autograd.backward(self, gradient, retain_graph, create_graph, inputs)

    def detach(self) -> Tensor:
        """The same memory, outside any graph."""
        return ops.detach(self)  # type: ignore[no-any-return]

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Says whether ops on this leaf are recorded; returns the tensor itself."""
        self.requires_grad = requires_grad
        return self

    def retain_grad(self) -> None:
        """Keeps the gradient of a tensor that is not a leaf in its `grad`."""
        if not self.requires_grad:
            raise RuntimeError("retain_grad: expected a tensor that requires grad")
        if self.is_leaf or self.retains_grad:
            return
        self._retains_grad = True
        autograd.hooks.retain_grad(self)

    def register_hook(self, hook: Any) -> autograd.hooks.RemovableHandle:
        """Calls `hook(grad)` when this tensor's gradient is known; what it returns, if anything, takes its place."""
        if not self.requires_grad:
            raise RuntimeError("register_hook: expected a tensor that requires grad")
        hooks = autograd.hooks.hooks_of(self)
        handle = autograd.hooks.RemovableHandle(hooks)
        hooks[handle.id] = hook
        return handle

    @property
    def data(self) -> Tensor:
        """The same memory outside any graph; assigning shows other memory."""
        return self.detach()

    @data.setter
    def data(self, value: Any) -> None:
        value = functions.as_tensor(value)
        if value._dtype != self._dtype:
            raise _core.DTypeError(f"data: expected the tensor's dtype {self._dtype}, got {value._dtype}")
        self._set_data(value)

    # -- to Python and NumPy -------------------------------------------------------------------------------------------

    def item(self) -> float | int | bool:
        """The value of a tensor of one element."""
        if self.numel() != 1:
            raise RuntimeError(f"item: expected a tensor of one element, got shape {self.shape}")
        return self._numpy().item()  # type: ignore[no-any-return]

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers."""
        return self._readable().tolist()

    def numpy(self, *, force: bool = False) -> Any:
        """An ndarray of the same memory, without a copy.

        It can be written to if the tensor neither requires grad nor belongs to a graph, and is read-only else. Writes
        through it are not seen by autograd's checks.
        """
        return self._numpy()

    def _readable(self) -> Any:
        """As `numpy()`, storage dtypes widened to float32."""
        return (self.float() if self._dtype == "bfloat16" else self)._numpy()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        array = self._numpy()
        if dtype is not None and array.dtype != dtype:
            if copy is False:
                raise ValueError(f"__array__: a conversion from {array.dtype} to {dtype} needs a copy")
            return array.astype(dtype)
        return array.copy() if copy else array

    if TYPE_CHECKING:
        # What `functions/` puts on the class, for type checkers; the operators are looked up on the class itself.
        def __getattr__(self, name: str) -> Any: ...
        def __getitem__(self, index: Any) -> Tensor: ...
        def __setitem__(self, index: Any, value: Any) -> None: ...
        def __neg__(self) -> Tensor: ...
        def __pos__(self) -> Tensor: ...
        def __abs__(self) -> Tensor: ...
        def __invert__(self) -> Tensor: ...
        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __floordiv__(self, other: Any) -> Tensor: ...
        def __rfloordiv__(self, other: Any) -> Tensor: ...
        def __mod__(self, other: Any) -> Tensor: ...
        def __rmod__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __rpow__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __rmatmul__(self, other: Any) -> Tensor: ...
        def __and__(self, other: Any) -> Tensor: ...
        def __or__(self, other: Any) -> Tensor: ...
        def __xor__(self, other: Any) -> Tensor: ...
        def __lt__(self, other: Any) -> Tensor: ...
        def __le__(self, other: Any) -> Tensor: ...
        def __gt__(self, other: Any) -> Tensor: ...
        def __ge__(self, other: Any) -> Tensor: ...
        def __eq__(self, other: object) -> Tensor: ...  # type: ignore[override]
        def __ne__(self, other: object) -> Tensor: ...  # type: ignore[override]

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.dtype.is_floating_point or self.numel() != 1:
            raise TypeError("only integer tensors of one element can be an index")
        return int(self.item())

    def __bool__(self) -> bool:
        if self.numel() != 1:
            raise RuntimeError(f"the truth of a tensor of {self.numel()} elements is ambiguous; use .any() or .all()")
        return bool(self.item())

    def __iter__(self) -> Any:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
        return iter([self[k] for k in range(self.shape[0])])

    def __contains__(self, value: Any) -> bool:
        return bool((self._readable() == value).any())

    def __repr__(self) -> str:
        text = np.array2string(
            self._readable(), separator=", ", prefix="tensor(", threshold=1000, edgeitems=3, precision=4
        )
        extra = ""
        if self._dtype not in ("float32", "int64", "bool"):
            extra += f", dtype={self.dtype!r}"
        if self._node is not None:
            extra += f", grad_fn={autograd.graph.target(self._node)!r}"
        elif self.requires_grad:
            extra += ", requires_grad=True"
        return f"tensor({text}{extra})"

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if not self.is_leaf:
            raise RuntimeError("deepcopy: only leaf tensors can be copied; detach() this one first")
        copy = self._make(type(self), ops.contiguous(self.detach()), self.requires_grad)
        memo[id(self)] = copy
        if self._grad is not None:
            copy._grad = ops.contiguous(self._grad.detach())
        return copy  # type: ignore[no-any-return]

    def __reduce__(self) -> Any:
        if not self.is_leaf:
            raise RuntimeError("pickle: only leaf tensors can be pickled; detach() this one first")
        if self._dtype == "bfloat16":
            return _rebuild, (type(self), self.float()._numpy(), "bfloat16", self.requires_grad)
        return _rebuild, (type(self), self._numpy().copy(), self._dtype, self.requires_grad)

    # -- conversions ---------------------------------------------------------------------------------------------------

    def to(self, *args: Any, dtype: Any = None, device: Any = None, copy: bool = False, **_: Any) -> Tensor:
        """In another dtype (or on another device): `x.to(fg.float64)`, `x.to('cpu')`, `x.to(other)`."""
        for a in args:
            if isinstance(a, Tensor):
                dtype = a.dtype
            elif isinstance(a, str) and a not in BY_NAME:
                _device(a)
            elif not isinstance(a, (bool, _device)):
                dtype = a
        if device is not None:
            _device(device)
        if dtype is None or dtype_name(dtype) == self._dtype:
            return functions.clone(self) if copy else self
        return ops.cast(self, dtype=dtype_name(dtype))  # type: ignore[no-any-return]

    def type(self, dtype: Any) -> Tensor:
        """In another dtype."""
        return self.to(dtype)

    def astype(self, dtype: Any) -> Tensor:
        """In another dtype; NumPy's name."""
        return self.to(dtype)

    def type_as(self, other: Tensor) -> Tensor:
        """In the dtype of `other`."""
        return self.to(other.dtype)

    def float(self) -> Tensor:
        """As float32."""
        return self.to("float32")

    def double(self) -> Tensor:
        """As float64."""
        return self.to("float64")

    def half(self) -> Tensor:
        """As float16, which stores only."""
        return self.to("float16")

    def bfloat16(self) -> Tensor:
        """As bfloat16, which stores only."""
        return self.to("bfloat16")

    def long(self) -> Tensor:
        """As int64."""
        return self.to("int64")

    def int(self) -> Tensor:
        """As int32."""
        return self.to("int32")

    def bool(self) -> Tensor:
        """As bool: what is not 0 is True."""
        return self.to("bool")

    def cpu(self) -> Tensor:
        """On the CPU."""
        return self


_device = device


def _rebuild(cls: type[Tensor], array: Any, dtype: str, requires_grad: bool) -> Tensor:
    source = _core.from_numpy(array)
    if source._dtype != dtype:
        source = _core.backend.cast(source, dtype)
    return cls._make(cls, source, requires_grad)  # type: ignore[no-any-return]


_core.register_tensor_type(Tensor)
functions.install(Tensor)
_numpy.install(Tensor)
