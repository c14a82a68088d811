"""NumPy's functions on Tensors: `np.exp(t)`, `array + t`, `np.concatenate([t, array])` run our ops and give Tensors.

What stands in the tables below runs here. Everything else runs in NumPy on the tensors' memory and gives what NumPy
gives, unless an operand requires grad: the gradient would end there unseen, so that is a TypeError which names
`detach()`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy import _NoValue

from . import _core, creation, functions
from ._core import TensorBase
from .dtypes import dtype_name
from .functions.shape import normalize_dim

#: NumPy's ufuncs and our names of the same functions.
UFUNCS = {
    "absolute": "abs", "add": "add", "arccos": "acos", "arccosh": "acosh", "arcsin": "asin", "arcsinh": "asinh",
    "arctan": "atan", "arctan2": "atan2", "arctanh": "atanh", "bitwise_and": "bitwise_and", "bitwise_or": "bitwise_or",
    "bitwise_xor": "bitwise_xor", "ceil": "ceil", "copysign": "copysign", "cos": "cos", "cosh": "cosh",
    "deg2rad": "deg2rad", "degrees": "rad2deg", "divide": "div", "equal": "eq", "exp": "exp", "exp2": "exp2",
    "expm1": "expm1", "float_power": "float_power", "floor": "floor", "floor_divide": "floor_divide", "fmax": "fmax",
    "fmin": "fmin", "fmod": "fmod", "greater": "gt", "greater_equal": "ge", "heaviside": "heaviside", "hypot": "hypot",
    "invert": "bitwise_not", "isfinite": "isfinite", "isinf": "isinf", "isnan": "isnan", "less": "lt",
    "less_equal": "le", "log": "log", "log10": "log10", "log1p": "log1p", "log2": "log2", "logaddexp": "logaddexp",
    "logaddexp2": "logaddexp2", "logical_and": "logical_and", "logical_not": "logical_not", "logical_or": "logical_or",
    "logical_xor": "logical_xor", "matmul": "matmul", "maximum": "maximum", "minimum": "minimum", "multiply": "mul",
    "negative": "neg", "not_equal": "ne", "positive": "positive", "power": "pow", "rad2deg": "rad2deg",
    "radians": "deg2rad", "reciprocal": "reciprocal", "remainder": "remainder", "rint": "round", "sign": "sign",
    "signbit": "signbit", "sin": "sin", "sinh": "sinh", "sqrt": "sqrt", "square": "square", "subtract": "sub",
    "tan": "tan", "tanh": "tanh", "trunc": "trunc",
}  # fmt: skip

#: `ufunc.reduce` and our reductions.
REDUCTIONS = {
    "add": "sum", "logical_and": "all", "logical_or": "any", "maximum": "amax", "minimum": "amin", "multiply": "prod",
}  # fmt: skip

#: Questions about tensors, whose answers have no gradient: always NumPy's.
QUESTIONS = {
    "allclose", "array2string", "array_equal", "array_repr", "array_str", "can_cast", "iscomplexobj", "isclose",
    "isrealobj", "may_share_memory", "ndim", "result_type", "shape", "shares_memory", "size",
}  # fmt: skip


class Unmapped(Exception):
    """This call has no counterpart here."""


def _no_extras(extras: dict[str, Any]) -> None:
    """Arguments that NumPy has and we have not are fine as long as they are not used."""
    if not all(_unused(name, value) for name, value in extras.items()):
        raise Unmapped


def _unused(name: str, value: Any) -> bool:
    return value is None or value is _NoValue or (name == "where" and value is True)


def _flag(value: Any) -> bool:
    return value is not _NoValue and bool(value)


def _reduction(name: str) -> Callable[..., Any]:
    def call(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, **extras: Any) -> Any:
        _no_extras({"out": out, **extras})
        arguments: dict[str, Any] = {} if dtype is None else {"dtype": dtype_name(dtype)}
        return getattr(functions, name)(a, dim=axis, keepdim=_flag(keepdims), **arguments)

    return call


def _spread(name: str) -> Callable[..., Any]:
    """var and std, which NumPy divides by n and PyTorch by n - 1."""

    def call(
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        ddof: Any = 0,
        keepdims: Any = False,
        **extras: Any,
    ) -> Any:
        correction = extras.pop("correction", _NoValue)
        _no_extras({"dtype": dtype, "out": out, **extras})
        correction = ddof if correction is _NoValue else correction
        return getattr(functions, name)(a, dim=axis, correction=correction, keepdim=_flag(keepdims))

    return call


def _arg(name: str) -> Callable[..., Any]:
    def call(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Any:
        _no_extras({"out": out})
        return getattr(functions, name)(a, dim=axis, keepdim=_flag(keepdims))

    return call


def _joined(name: str) -> Callable[..., Any]:
    def call(arrays: Any, axis: int | None = 0, out: Any = None, **extras: Any) -> Any:
        _no_extras({"out": out, "dtype": extras.pop("dtype", None)})
        if extras.pop("casting", "same_kind") != "same_kind" or extras:
            raise Unmapped
        tensors = [creation.as_tensor(x) for x in arrays]
        if axis is None:
            tensors, axis = [functions.flatten(x) for x in tensors], 0
        return getattr(functions, name)(tensors, dim=axis)

    return call


def _reshape(a: Any, shape: Any = None, order: str = "C", *, copy: bool | None = None, **extras: Any) -> Any:
    shape = extras.pop("newshape", shape)
    if order != "C" or copy is not None or extras:
        raise Unmapped
    return functions.reshape(a, *(shape if isinstance(shape, (tuple, list)) else (shape,)))


def _ravel(a: Any, order: str = "C") -> Any:
    if order != "C":
        raise Unmapped
    return functions.flatten(a)


def _transpose(a: Any, axes: Any = None) -> Any:
    return functions.permute(a, *(range(a.ndim)[::-1] if axes is None else axes))


def _squeeze(a: Any, axis: Any = None) -> Any:
    for d in () if axis is None else axis if isinstance(axis, tuple) else (axis,):
        if a.shape[d] != 1:
            raise ValueError(f"squeeze: axis: expected one of size 1, got {d} of shape {a.shape}")
    return functions.squeeze(a, axis)


def _expand_dims(a: Any, axis: Any) -> Any:
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    ndim = a.ndim + len(axes)
    for d in sorted(normalize_dim("expand_dims", d, ndim) for d in axes):
        a = functions.unsqueeze(a, d)
    return a


def _broadcast_to(array: Any, shape: Any, subok: bool = False) -> Any:
    return functions.broadcast_to(array, tuple(shape) if isinstance(shape, (tuple, list)) else (shape,))


def _where(condition: Any, x: Any = None, y: Any = None) -> Any:
    if x is None or y is None:
        raise Unmapped
    return functions.where(condition, x, y)


def _clip(a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, **extras: Any) -> Any:
    bounds = [extras.pop("min", None), extras.pop("max", None)]
    _no_extras({"out": out, **extras})
    low, high = (None if b is _NoValue else b for b in (a_min, a_max))
    low, high = (old if new is None or new is _NoValue else new for old, new in zip((low, high), bounds, strict=True))
    return functions.clip(a, low, high)


def _round(a: Any, decimals: int = 0, out: Any = None) -> Any:
    _no_extras({"out": out})
    return functions.round(a, decimals=decimals)


def _dot(a: Any, b: Any, out: Any = None) -> Any:
    _no_extras({"out": out})
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return functions.mul(a, b)
    if b.ndim > 2:
        raise Unmapped
    return functions.matmul(a, b)


def _outer(a: Any, b: Any, out: Any = None) -> Any:
    _no_extras({"out": out})
    return functions.outer(functions.flatten(a), functions.flatten(b))


def _running(name: str) -> Callable[..., Any]:
    """cumsum and cumprod, which run over the flattened array where NumPy is told no axis."""

    def call(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
        _no_extras({"out": out})
        arguments: dict[str, Any] = {} if dtype is None else {"dtype": dtype_name(dtype)}
        return getattr(functions, name)(functions.flatten(a) if axis is None else a, axis or 0, **arguments)

    return call


def _sorted(name: str) -> Callable[..., Any]:
    """sort and argsort; ours is stable, so any kind is right."""

    def call(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
        _no_extras({"order": order})
        if axis is None:
            a, axis = functions.flatten(a), -1
        result = getattr(functions, name)(a, axis)
        return result.values if name == "sort" else result

    return call


def _diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = _NoValue, append: Any = _NoValue) -> Any:
    def end(x: Any) -> Any:
        if x is _NoValue:
            return None
        x = creation.as_tensor(x)
        at = axis % a.ndim
        return x if x.ndim else functions.broadcast_to(x, (*a.shape[:at], 1, *a.shape[at + 1 :]))

    return functions.diff(a, n, axis, end(prepend), end(append))


def _searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    return functions.searchsorted(a, v, side=side, sorter=sorter)


def _isin(
    element: Any, test_elements: Any, assume_unique: bool = False, invert: bool = False, *, kind: Any = None
) -> Any:
    return functions.isin(element, test_elements, invert=invert)


def _nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    if not copy:
        raise Unmapped
    return functions.nan_to_num(x, nan, posinf, neginf)


def _count_nonzero(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return functions.count_nonzero(a, axis, keepdims=keepdims)


def _listed(name: str) -> Callable[..., Any]:
    """Functions of a list of arrays."""

    def call(tup: Any, **extras: Any) -> Any:
        _no_extras({"dtype": extras.pop("dtype", None)})
        if extras.pop("casting", "same_kind") != "same_kind" or extras:
            raise Unmapped
        return getattr(functions, name)([creation.as_tensor(x) for x in tup])

    return call


def _repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
    return functions.repeat_interleave(a, np.asarray(repeats), axis)


def _tile(A: Any, reps: Any) -> Any:
    reps = reps if isinstance(reps, (tuple, list)) else (reps,)
    # NumPy's new dimensions come first, as ours do.
    return functions.tile(A, *reps)


def _flip(m: Any, axis: Any = None) -> Any:
    return functions.flip(m, tuple(range(m.ndim)) if axis is None else axis)


def _take(a: Any, indices: Any, axis: int | None = None, out: Any = None, mode: str = "raise") -> Any:
    _no_extras({"out": out})
    if mode != "raise":
        raise Unmapped
    if axis is None:
        return functions.take(a, np.asarray(indices))
    return functions.getitem(a, (slice(None),) * normalize_dim("take", axis, a.ndim) + (np.asarray(indices),))


def _split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    d = normalize_dim("split", axis, ary.ndim)
    if np.ndim(indices_or_sections) == 0 and ary.shape[d] % int(indices_or_sections):
        raise ValueError(f"split: a dimension of {ary.shape[d]} does not go into {indices_or_sections} equal pieces")
    return list(functions.tensor_split(ary, indices_or_sections, axis))


def _einsum(subscripts: Any, *operands: Any, out: Any = None, optimize: Any = False, **extras: Any) -> Any:
    _no_extras({"out": out})
    if extras:
        raise Unmapped
    return functions.einsum(
        subscripts, *(creation.as_tensor(x) for x in operands) if isinstance(subscripts, str) else operands
    )


def _trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None) -> Any:
    _no_extras({"dtype": dtype, "out": out})
    return functions.sum(functions.diagonal(a, offset, axis1, axis2), -1)


def _like(name: str) -> Callable[..., Any]:
    def call(a: Any, *args: Any, **kwargs: Any) -> Any:
        if kwargs.pop("order", "K") not in "KC" or kwargs.pop("subok", True) is not True:
            raise Unmapped
        _no_extras({"shape": kwargs.pop("shape", None)})
        return getattr(creation, name)(a, *args, **kwargs)

    return call


#: NumPy's functions: the function of ours behind each, and what turns the arguments of one into the other's.
FUNCTIONS: dict[str, tuple[str, Callable[..., Any]]] = {
    **{name: (ours, _reduction(ours)) for name, ours in [
        ("all", "all"), ("amax", "amax"), ("amin", "amin"), ("any", "any"), ("max", "amax"), ("mean", "mean"),
        ("min", "amin"), ("nanmean", "nanmean"), ("nansum", "nansum"), ("prod", "prod"), ("sum", "sum"),
    ]},
    **{name: (name, _listed(name)) for name in ("column_stack", "dstack", "hstack", "vstack")},
    "argmax": ("argmax", _arg("argmax")),
    "argmin": ("argmin", _arg("argmin")),
    "argsort": ("argsort", _sorted("argsort")),
    "broadcast_to": ("broadcast_to", _broadcast_to),
    "clip": ("clip", _clip),
    "concatenate": ("cat", _joined("cat")),
    "copy": ("clone", lambda a, order="K", subok=False: functions.clone(a)),
    "count_nonzero": ("count_nonzero", _count_nonzero),
    "cumprod": ("cumprod", _running("cumprod")),
    "cumsum": ("cumsum", _running("cumsum")),
    "diff": ("diff", _diff),
    "diag": ("diag", lambda v, k=0: functions.diag(v, k)),
    "diagonal": ("diagonal", lambda a, offset=0, axis1=0, axis2=1: functions.diagonal(a, offset, axis1, axis2)),
    "dot": ("matmul", _dot),
    "einsum": ("einsum", _einsum),
    "flip": ("flip", _flip),
    "empty_like": ("empty_like", _like("empty_like")),
    "expand_dims": ("unsqueeze", _expand_dims),
    "fix": ("fix", lambda x, out=None: functions.fix(x)),
    "full_like": ("full_like", _like("full_like")),
    "isin": ("isin", _isin),
    "inner": ("inner", lambda a, b: functions.inner(a, b)),
    "kron": ("kron", lambda a, b: functions.kron(a, b)),
    "moveaxis": ("movedim", lambda a, source, destination: functions.movedim(a, source, destination)),
    "nan_to_num": ("nan_to_num", _nan_to_num),
    "ones_like": ("ones_like", _like("ones_like")),
    "outer": ("outer", _outer),
    "ravel": ("flatten", _ravel),
    "repeat": ("repeat_interleave", _repeat),
    "reshape": ("reshape", _reshape),
    "roll": ("roll", lambda a, shift, axis=None: functions.roll(a, shift, axis)),
    "rot90": ("rot90", lambda m, k=1, axes=(0, 1): functions.rot90(m, k, axes)),
    "round": ("round", _round),
    "searchsorted": ("searchsorted", _searchsorted),
    "sinc": ("sinc", lambda x: functions.sinc(x)),
    "sort": ("sort", _sorted("sort")),
    "split": ("tensor_split", _split),
    "squeeze": ("squeeze", _squeeze),
    "stack": ("stack", _joined("stack")),
    "std": ("std", _spread("std")),
    "swapaxes": ("transpose", lambda a, axis1, axis2: functions.transpose(a, axis1, axis2)),
    "take": ("take", _take),
    "take_along_axis": ("take_along_dim", lambda arr, indices, axis=-1: functions.take_along_dim(arr, indices, axis)),
    "tensordot": ("tensordot", lambda a, b, axes=2: functions.tensordot(a, b, axes)),
    "tile": ("tile", _tile),
    "trace": ("trace", _trace),
    "transpose": ("permute", _transpose),
    "tril": ("tril", lambda m, k=0: functions.tril(m, k)),
    "triu": ("triu", lambda m, k=0: functions.triu(m, k)),
    "trapezoid": ("trapezoid", lambda y, x=None, dx=1.0, axis=-1: functions.trapezoid(y, x, dx=dx, dim=axis)),
    "var": ("var", _spread("var")),
    "where": ("where", _where),
    "zeros_like": ("zeros_like", _like("zeros_like")),
}  # fmt: skip

_NUMBERS = (bool, int, float, np.generic, np.ndarray, TensorBase, list, tuple)


def ours(name: str) -> Callable[..., Any] | None:
    """Our function of this name."""
    found: Callable[..., Any] | None = getattr(functions, name, None) or getattr(creation, name, None)
    return found


def unmapped() -> set[str]:
    """What the tables name and this build has no function for."""
    named = {*UFUNCS.values(), *REDUCTIONS.values(), *(name for name, _ in FUNCTIONS.values())}
    return {name for name in named if ours(name) is None}


def _tensors(values: Iterable[Any]) -> Iterable[TensorBase]:
    for value in values:
        if isinstance(value, TensorBase):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _tensors(value)
        elif isinstance(value, dict):
            yield from _tensors(value.values())


def _arrays(value: Any) -> Any:
    """The same arguments with the Tensors' memory as ndarrays."""
    if isinstance(value, TensorBase):
        return value._numpy()
    if isinstance(value, (list, tuple)):
        return type(value)(_arrays(x) for x in value)
    if isinstance(value, dict):
        return {key: _arrays(x) for key, x in value.items()}
    return value


def _in_numpy(name: str, function: Callable[..., Any], args: Any, kwargs: Any, out: tuple[Any, ...]) -> Any:
    if name not in QUESTIONS and any(x.requires_grad for x in _tensors((args, kwargs, out))):
        raise TypeError(
            f"np.{name}: there is no op of ferrograd for this call, and an operand requires grad; use detach() to "
            "compute it in NumPy without a gradient"
        )
    if any(isinstance(x, TensorBase) for x in out):
        results = function(*_arrays(args), **_arrays(kwargs))
        many = results if isinstance(results, tuple) else (results,)
        written = tuple(y if x is None else _into(x, creation.as_tensor(y)) for x, y in zip(out, many, strict=True))
        return written if isinstance(results, tuple) else written[0]
    if any(x is not None for x in out):
        kwargs = {**kwargs, "out": out if len(out) > 1 else out[0]}
    return function(*_arrays(args), **_arrays(kwargs))


def _into(out: Any, result: Any) -> Any:
    """Writes a result into what was given as `out`."""
    if isinstance(out, np.ndarray):
        np.copyto(out, result._numpy(), casting="same_kind")
        return out
    if result.requires_grad:
        raise TypeError("out: a result that requires grad cannot be written into a given tensor; use detach()")
    return _core.backend.copy_(out, result, False, "out")


def __array_ufunc__(self: Any, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    """How NumPy's ufuncs, and operators between an ndarray and a Tensor, come here."""
    if not all(isinstance(x, _NUMBERS) for x in inputs):
        return NotImplemented
    out = kwargs.pop("out", (None,))
    known = UFUNCS.get(ufunc.__name__) if method == "__call__" else REDUCTIONS.get(ufunc.__name__)
    function = ours(known) if known is not None and method in ("__call__", "reduce") else None
    try:
        if function is None or len(out) != 1 or isinstance(out[0], np.ndarray):
            raise Unmapped
        if method == "__call__":
            _no_extras(kwargs)
            result = function(*(creation.as_tensor(x) if isinstance(x, (list, tuple)) else x for x in inputs))
        else:
            result = _reduction(known or "")(*inputs, **{"axis": 0, **kwargs})
    except Unmapped:
        result = None
    if result is not None:
        return result if out[0] is None else _into(out[0], result)
    name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
    return _in_numpy(name, getattr(ufunc, method), inputs, kwargs, out)


def __array_function__(self: Any, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
    """How NumPy's other functions come here."""
    if not all(issubclass(t, (np.ndarray, TensorBase)) for t in types):
        return NotImplemented
    name = func.__name__
    ours_name, adapter = FUNCTIONS.get(name, ("", None)) if func.__module__ == "numpy" else ("", None)
    kwargs = dict(kwargs)
    out = kwargs.pop("out", None)
    try:
        if adapter is None or ours(ours_name) is None or isinstance(out, np.ndarray):
            raise Unmapped
        result = adapter(*args, **kwargs)
    except Unmapped:
        result = None
    if result is not None:
        return result if out is None else _into(out, result)
    return _in_numpy(name, func, args, kwargs, (out,))


def install(cls: Any) -> None:
    """Puts NumPy's protocols on the Tensor class."""
    cls.__array_ufunc__ = __array_ufunc__
    cls.__array_function__ = __array_function__
    cls.__array_priority__ = 1000
