"""The Tensor: an array that remembers how it was computed."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _core, _numpy, _recording, autograd, creation, functions, ops
from .dtypes import (
    BY_NAME,
    CPU,
    channels_last,
    channels_last_3d,
    device,
    dtype,
    dtype_name,
    layout,
    preserve_format,
    strided,
)  # fmt: skip
from .functions.shape import memory_order


class Tensor(_core.TensorBase):
    """A strided array of one dtype on one device, with its place in the graph of computations.

    Its data and its links into the graph are kept by the Rust base class; here are the methods. Make one with
    `fg.tensor(data)`, `fg.from_numpy(array)`, `fg.zeros(2, 3)`, …; `fg.Tensor(data)` and `fg.Tensor(2, 3)` are of the
    default dtype.
    """

    __slots__ = ()

    def __new__(cls, *args: Any) -> Any:
        from .legacy import legacy_tensor

        return cls._make(cls, legacy_tensor(creation.get_default_dtype(), args), False)

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

    ndimension = dim

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    def nelement(self) -> int:
        """The number of elements."""
        return self.numel()

    @property
    def layout(self) -> layout:
        """How the elements are stored: `fg.strided`."""
        return strided

    #: There is the CPU, and dense memory.
    is_cpu = True
    is_cuda = is_mps = is_meta = is_sparse = is_quantized = is_nested = False

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """Whether the elements lie row-major (or in the given order) in memory, without gaps."""
        if (memory_format is channels_last and self.ndim != 4) or (
            memory_format is channels_last_3d and self.ndim != 5
        ):
            return False
        order = None if memory_format is None else memory_order("is_contiguous", self.ndim, memory_format)
        if order is None:
            return super().is_contiguous()
        return ops.permute(self.detach(), dims=order).is_contiguous()  # type: ignore[no-any-return]

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

    @property
    def H(self) -> Tensor:
        """The transpose of a matrix; a view."""
        if self.ndim not in (0, 2):
            raise RuntimeError(f"H: expected a matrix, got shape {self.shape}")
        return functions.t(self)

    mH = mT

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
        if _recording.active is not None:
            _recording.active.looks_at(self)
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
        elif _recording.active is not None:
            _recording.active.forgets(self)
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

    def detach_(self) -> Tensor:
        """Takes the tensor out of its graph; returns the tensor itself."""
        if self._is_view() and self._node is not None:
            raise RuntimeError("detach_: a view of a recorded tensor stays in the graph; use detach()")
        self._node = None
        self.requires_grad = False
        return self

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

    def register_post_accumulate_grad_hook(self, hook: Any) -> autograd.hooks.RemovableHandle:
        """Calls `hook(tensor)` each time `backward` has added to this leaf's `grad`."""
        if not self.requires_grad:
            raise RuntimeError("register_post_accumulate_grad_hook: expected a tensor that requires grad")
        if not self.is_leaf:
            raise RuntimeError("register_post_accumulate_grad_hook: expected a leaf, got the result of an op")
        hooks = autograd.hooks.hooks_after(self)
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
        cls = type(self)
        prefix = "tensor(" if cls.__module__.startswith("ferrograd.") else f"{cls.__name__}("
        from . import printing

        return printing.text(self, prefix, autograd.graph.target(self._node))

    def __format__(self, format_spec: str) -> str:
        return format(self.item(), format_spec) if self.ndim == 0 else object.__format__(self, format_spec)

    def __copy__(self) -> Tensor:
        copy = self._make(type(self), self.detach(), self.requires_grad)
        if hasattr(self, "__dict__"):
            copy.__dict__.update(self.__dict__)
        return copy  # type: ignore[no-any-return]

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if not self.is_leaf:
            raise RuntimeError("deepcopy: only leaf tensors can be copied; detach() this one first")
        if id(self) in memo:
            return memo[id(self)]  # type: ignore[no-any-return]
        # clone keeps the order of the dimensions in memory.
        copy = self._make(type(self), ops.clone(self.detach()), self.requires_grad)
        memo[id(self)] = copy
        if self._grad is not None:
            copy._grad = ops.clone(self._grad.detach())
        if hasattr(self, "__dict__"):
            from copy import deepcopy

            copy.__dict__.update(deepcopy(self.__dict__, memo))
        return copy  # type: ignore[no-any-return]

    def __reduce__(self) -> Any:
        if not self.is_leaf:
            raise RuntimeError("pickle: only leaf tensors can be pickled; detach() this one first")
        array = self.detach().float()._numpy() if self._dtype == "bfloat16" else self._numpy().copy()
        return _rebuild, (type(self), array, self._dtype, self.requires_grad), getattr(self, "__dict__", None) or None

    def __reversed__(self) -> Tensor:
        return functions.flip(self, 0) if self.ndim else self

    # -- conversions ---------------------------------------------------------------------------------------------------

    def to(
        self, *args: Any, dtype: Any = None, device: Any = None, other: Any = None, non_blocking: bool = False,
        copy: bool = False, memory_format: Any = None,
    ) -> Tensor:  # fmt: skip
        """In another dtype, on another device, or in another memory order.

        `x.to(fg.float64)`, `x.to('cpu')`, `x.to('cpu', fg.float64)`, `x.to(other)`, each followed by `non_blocking`
        (accepted) and `copy` (a copy even where nothing changes), or by name.
        """
        rest = list(args)
        if rest:
            first = rest.pop(0)
            if isinstance(first, _core.TensorBase):
                other = first
            elif _is_dtype(first):
                dtype = first
            else:
                device = first
                if rest and not isinstance(rest[0], bool):
                    dtype = rest.pop(0)
        if len(rest) > 2 or not all(isinstance(x, (bool, int)) for x in rest):
            raise TypeError(f"to: expected a dtype, a device or a tensor, then non_blocking and copy, got {args}")
        copy = bool(rest[1]) if len(rest) == 2 else copy
        if device is not None:
            _device(device)
        name = self._dtype if dtype is None and other is None else dtype_name(other.dtype if dtype is None else dtype)
        result = self if name == self._dtype else ops.cast(self, dtype=name)
        if memory_format is not None and memory_format is not preserve_format:
            result = functions.contiguous(result, memory_format=memory_format)
        return functions.clone(result) if copy and result is self else result

    def type(self, dtype: Any = None, non_blocking: bool = False) -> Any:
        """In another dtype; without one, the name of this type: 'ferrograd.FloatTensor'."""
        from .legacy import LEGACY_NAMES, dtype_of_legacy

        if dtype is None:
            return f"ferrograd.{LEGACY_NAMES[self._dtype]}"
        return self.to(dtype_of_legacy(dtype))

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

    def byte(self) -> Tensor:
        """As uint8."""
        return self.to("uint8")

    def cpu(self, memory_format: Any = None) -> Tensor:
        """On the CPU."""
        return self.to(memory_format=memory_format)

    def cuda(self, device: Any = None, non_blocking: builtins.bool = False, memory_format: Any = None) -> Tensor:
        """Raises: there is no GPU here."""
        raise RuntimeError(
            "cuda: this build of ferrograd computes on the CPU; ask fg.cuda.is_available() first, or use .to(device)"
        )

    def get_device(self) -> builtins.int:
        """The number of the GPU, -1 on the CPU."""
        return -1

    def pin_memory(self) -> Tensor:
        """Raises: there is no GPU to copy to."""
        raise RuntimeError("pin_memory: this build of ferrograd computes on the CPU")

    def is_pinned(self) -> builtins.bool:
        """Whether the memory is pinned: never."""
        return False

    def share_memory_(self) -> Tensor:
        """Raises: the memory of a tensor is its process's own."""
        raise RuntimeError(
            "share_memory_: tensors live in their process's own memory; use multiprocessing.shared_memory"
        )

    def as_subclass(self, cls: builtins.type[Any]) -> Any:
        """The same memory as an instance of a subclass of Tensor, outside any graph."""
        if not (isinstance(cls, builtins.type) and issubclass(cls, Tensor)):
            raise TypeError(f"as_subclass: cls: expected a subclass of Tensor, got {cls!r}")
        return self._make(cls, self.detach(), self.requires_grad and self.is_leaf)

    def to_dense(self) -> Tensor:
        """The tensor itself: all are dense."""
        return self

    def sum_to_size(self, *size: Any) -> Tensor:
        """Summed over the dimensions that were stretched from `size`, a shape that broadcasts to this one."""
        shape = creation._shape("sum_to_size", size)
        lead = self.ndim - len(shape)
        if lead < 0 or any(n not in (1, m) for n, m in zip(shape, self.shape[lead:], strict=True)):
            raise _core.ShapeError(f"sum_to_size: size: expected a shape that broadcasts to {self.shape}, got {shape}")
        return ops.sum_to(self, shape=shape)  # type: ignore[no-any-return]

    # -- tensors like this one -----------------------------------------------------------------------------------------

    def new_tensor(
        self, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: builtins.bool = False
    ) -> Tensor:
        """A copy of `data` in the dtype of this tensor."""
        return creation.tensor(data, dtype=dtype or self.dtype, device=device, requires_grad=requires_grad)

    def new_zeros(self, *size: Any, dtype: Any = None, **options: Any) -> Tensor:
        """Zeros in the dtype of this tensor."""
        return creation.zeros(*size, dtype=dtype or self.dtype, **options)

    def new_ones(self, *size: Any, dtype: Any = None, **options: Any) -> Tensor:
        """Ones in the dtype of this tensor."""
        return creation.ones(*size, dtype=dtype or self.dtype, **options)

    def new_empty(self, *size: Any, dtype: Any = None, **options: Any) -> Tensor:
        """Memory in the dtype of this tensor, its contents arbitrary."""
        return creation.empty(*size, dtype=dtype or self.dtype, **options)

    def new_full(self, size: Any, fill_value: Any, *, dtype: Any = None, **options: Any) -> Tensor:
        """`fill_value` in the dtype of this tensor."""
        return creation.full(size, fill_value, dtype=dtype or self.dtype, **options)

    def new(self, *args: Any) -> Tensor:
        """As `fg.Tensor(*args)` in the dtype of this tensor."""
        from .legacy import legacy_tensor

        return legacy_tensor(self.dtype, args)


_device = device


def _is_dtype(x: Any) -> builtins.bool:
    return isinstance(x, (dtype, np.dtype)) or (isinstance(x, str) and x in BY_NAME) or isinstance(x, type)


def _rebuild(cls: type[Tensor], array: Any, dtype: str, requires_grad: bool) -> Tensor:
    source = _core.from_numpy(array)
    if source._dtype != dtype:
        source = _core.backend.cast(source, dtype)
    return cls._make(cls, source, requires_grad)  # type: ignore[no-any-return]


_core.register_tensor_type(Tensor)
functions.install(Tensor)
_numpy.install(Tensor)
