"""Elementwise ops: arithmetic, comparisons, elementary functions, choices, copies."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import ferrograd as fg
from ferrograd import ops

from ._row import Arr, Bad, Row, Sample

#: Pairs of shapes that broadcast; the sizes straddle vector widths, tiles, and the serial threshold.
PAIRS = [
    ((), ()),
    ((1,), (17,)),
    ((3, 5), (3, 5)),
    ((4, 1, 3), (2, 1)),
    ((0, 3), (1, 3)),
    ((33,), ()),
    ((31, 257), (257,)),
    ((300, 301), (300, 1)),
]
#: The same for ops that run through the same walk: the large ones are left to `add` and `mul`.
SMALL_PAIRS = [((), ()), ((67,), (67,)), ((4, 1, 3), (2, 1)), ((0, 3), (1, 3)), ((5, 70), (70,)), ((33,), ())]
SHAPES = [(), (0, 3), (1,), (67,), (5, 7), (3, 130)]

erf = np.vectorize(math.erf, otypes=[np.float64])

_MISFIT = Bad((Arr((3,)), Arr((4,))), {}, fg.ShapeError, r"\w+: other: expected a shape that broadcasts with \(3,\)")
_NOT_A_NUMBER = Bad((Arr((3,)), "a"), {}, TypeError, r"\w+: other: expected a Tensor, an ndarray or a number, got str")
_NOT_FLOAT = Bad((Arr((3,)), 1.5), {}, fg.DTypeError, r"\w+: input: expected bool or an integer dtype, got float32")


def unary(
    name: str, reference: Callable[..., Any], torch: Callable[..., Any], domain: dict[str, Any], **more: Any
) -> Row:
    """A row of an op of one operand."""
    errors = [Bad(("a",), more.pop("attributes", {}), TypeError, rf"{name}: input: expected a Tensor")]
    return Row(name, reference, [Sample((Arr(s, **domain),)) for s in SHAPES], errors, torch=torch, **more)


def binary(name: str, reference: Callable[..., Any], torch: Callable[..., Any], x: dict[str, Any], y: dict[str, Any],
           pairs: Any = SMALL_PAIRS, number: Any = None, errors: Any = (_MISFIT, _NOT_A_NUMBER), **more: Any) -> Row:  # fmt: skip
    """A row of an op of two operands, of arrays and of an array with a number on either side."""
    samples = [Sample((Arr(a, **x), Arr(b, **y))) for a, b in pairs]
    if number is not None:
        samples += [Sample((Arr((19,), **x), number)), Sample((number, Arr((19,), **y)))]
    return Row(name, reference, samples, list(errors), torch=torch, **more)


WIDE: dict[str, Any] = {}
POSITIVE = {"low": 0.2, "high": 3.0}
NONZERO = {"away_from": (0.0,), "gap": 0.2}
INTS = {"kind": "int", "low": -5, "high": 6}
BITS = {"kind": "int", "low": -900, "high": 900}
NOT_WHOLE = {"low": -3.0, "high": 3.0, "away_from": (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0)}
NOT_HALF = {"low": -3.0, "high": 3.0, "away_from": (-2.5, -1.5, -0.5, 0.5, 1.5, 2.5)}


def plain(**more: Any) -> dict[str, Any]:
    """What rows of ops without gradients have in common."""
    return {"differentiable": False, **more}


ARITHMETIC = [
    binary("add", np.add, lambda t, a, b: a + b, WIDE, WIDE, PAIRS, 1.5),
    binary("sub", np.subtract, lambda t, a, b: a - b, WIDE, WIDE, number=1.5),
    binary("mul", np.multiply, lambda t, a, b: a * b, WIDE, WIDE, PAIRS, 1.5),
    binary("div", np.divide, lambda t, a, b: a / b, WIDE, NONZERO, number=1.5),
    Row(
        "div",
        np.divide,
        [Sample((Arr((40,), **INTS), 4))],
        id="div-int",
        torch=lambda t, a, b: a.double() / b,
        **plain(),
    ),
    binary(
        "pow",
        np.power,
        lambda t, a, b: a**b,
        POSITIVE,
        WIDE,
        number=1.5,
        errors=[
            Bad((Arr((3,)), Arr((4,))), {}, fg.ShapeError, r"pow: other"),
            Bad((Arr((3,), kind="int"), -1), {}, ValueError, "negative integer powers"),
        ],
    ),
    Row(
        "pow",
        lambda x, y: np.asarray(x) ** y,
        [Sample((Arr((37,), **NONZERO), n)) for n in (0, 1, 2, 3, -1, -2, 2.0, 5)],
        id="pow-number",
        torch=lambda t, a, b: a**b,
    ),
    Row(
        "pow",
        lambda x, y: np.asarray(x) ** y,
        [Sample((Arr((37,), **POSITIVE), n)) for n in (0.5, -0.5, 1.7)],
        id="pow-root",
        torch=lambda t, a, b: a**b,
    ),
    Row(
        "pow", np.power, [Sample((Arr((37,), **INTS), Arr((37,), kind="int", low=0, high=6)))], id="pow-int", **plain()
    ),
    binary("maximum", np.maximum, lambda t, a, b: t.maximum(a, b), WIDE, WIDE, covers=("maximum_grad",)),
    binary("minimum", np.minimum, lambda t, a, b: t.minimum(a, b), WIDE, WIDE, covers=("minimum_grad",)),
    *[
        Row(name, getattr(np, name), [Sample((Arr((70,), **INTS), Arr((2, 70), **INTS)))], id=f"{name}-int", **plain())
        for name in ("maximum", "minimum")
    ],
    *[
        binary(
            name, getattr(np, name), torch, {"low": -1.9, "high": 1.9, "away_from": (0.0,)}, {"low": 2.0, "high": 3.0}
        )
        for name, torch in (
            ("floor_divide", lambda t, a, b: t.floor_divide(a, b)),
            ("remainder", lambda t, a, b: t.remainder(a, b)),
        )
        if name == "remainder"
    ],
    Row(
        "floor_divide",
        np.floor_divide,
        [Sample((Arr((70,), low=-1.9, high=1.9, away_from=(0.0,)), Arr((2, 70), low=2.0, high=3.0)))],
        [_MISFIT, _NOT_A_NUMBER],
    ),
    *[
        Row(
            name,
            getattr(np, name),
            [Sample((Arr((70,), **INTS), n)) for n in (3, -4, 7)],
            [
                Bad((Arr((3,), kind="int"), 0), {}, kind, rf"{name}: other: ZeroDivisionError")
                for kind in (ZeroDivisionError, RuntimeError)
            ],
            id=f"{name}-int",
            torch=torch,
            **plain(),
        )
        for name, torch in (
            ("floor_divide", lambda t, a, b: a // b),
            ("remainder", lambda t, a, b: a % b),
        )
    ],
    *[
        Row(name, getattr(np, full), [Sample((Arr((70,), **INTS), Arr((2, 70), **INTS)))], id=f"{name}-int", **plain())
        for name, full in (("add", "add"), ("sub", "subtract"), ("mul", "multiply"))
    ],
    # A large operand that lies across the result.
    Row(
        "add",
        lambda x, y: x + y.T,
        [Sample((Arr((150, 220)), Arr((220, 150)))), Sample((Arr((7, 6)), Arr((6, 7))))],
        call=lambda x, y: ops.add(x, ops.permute(y, dims=(1, 0)) if isinstance(y, fg.Tensor) else y.T),
        id="add-across",
    ),
]

COMPARISONS = [
    *[
        Row(
            name,
            getattr(np, full),
            [
                *[Sample((Arr(a, **kind), Arr(b, **kind))) for a, b in SMALL_PAIRS for kind in (WIDE, INTS)],
                Sample((Arr((40,), **INTS), 2)),
                Sample((Arr((40,), **INTS), 0.5)),
                Sample((Arr((40,), kind="bool"), Arr((3, 40), kind="bool"))),
            ],
            [_MISFIT, _NOT_A_NUMBER],
            torch=lambda t, a, b, f=name: getattr(t, f)(t.as_tensor(a), b),
            **plain(),
        )
        for name, full in (
            ("eq", "equal"),
            ("ne", "not_equal"),
            ("lt", "less"),
            ("le", "less_equal"),
            ("gt", "greater"),
            ("ge", "greater_equal"),
        )
    ],
    *[
        Row(
            name,
            getattr(np, name),
            [
                *[
                    Sample((Arr((40,), **kind), Arr((3, 40), **kind)))
                    for kind in (WIDE, {"kind": "int", "low": -1, "high": 2}, {"kind": "bool"})
                ],
                Sample((Arr((0, 3), kind="bool"), Arr((), kind="bool"))),
            ],
            [_MISFIT, _NOT_A_NUMBER],
            torch=lambda t, a, b, f=name: getattr(t, f)(a, b),
            **plain(),
        )
        for name in ("logical_and", "logical_or", "logical_xor")
    ],
    Row(
        "logical_not",
        np.logical_not,
        [Sample((Arr((70,), **kind),)) for kind in (WIDE, {"kind": "int", "low": -1, "high": 2}, {"kind": "bool"})],
        [Bad(("a",), {}, TypeError, "logical_not: input")],
        torch=lambda t, a: t.logical_not(a),
        **plain(),
    ),
    *[
        Row(
            name,
            getattr(np, name),
            [Sample((Arr((70,), **kind), Arr((2, 70), **kind))) for kind in (BITS, {"kind": "bool"})],
            [_NOT_FLOAT],
            torch=lambda t, a, b, f=name: getattr(t, f)(a, b),
            **plain(),
        )
        for name in ("bitwise_and", "bitwise_or", "bitwise_xor")
    ],
    Row(
        "bitwise_not",
        np.bitwise_not,
        [Sample((Arr((70,), **kind),)) for kind in (BITS, {"kind": "bool"})],
        [Bad((Arr((3,)),), {}, fg.DTypeError, "bitwise_not: input: expected bool or an integer dtype")],
        torch=lambda t, a: t.bitwise_not(a),
        **plain(),
    ),
    *[
        Row(
            name,
            getattr(np, name),
            [
                Sample((np.array([1.0, np.nan, np.inf, -np.inf, 0.0] * 9),)),
                Sample((Arr((3, 4), **INTS),)),
                Sample((Arr((0,)),)),
            ],
            [Bad(("a",), {}, TypeError, f"{name}: input")],
            torch=lambda t, a, f=name: getattr(t, f)(a),
            **plain(),
        )
        for name in ("isnan", "isinf", "isfinite")
    ],
]

UNARY = [
    unary("neg", np.negative, lambda t, a: -a, WIDE),
    unary("abs", np.abs, lambda t, a: a.abs(), NONZERO, covers=("abs_grad",)),
    unary("square", np.square, lambda t, a: a.square(), WIDE),
    unary("sqrt", np.sqrt, lambda t, a: a.sqrt(), POSITIVE),
    unary("rsqrt", lambda x: 1 / np.sqrt(x), lambda t, a: a.rsqrt(), POSITIVE),
    unary("reciprocal", lambda x: 1 / x, lambda t, a: a.reciprocal(), NONZERO),
    unary("exp", np.exp, lambda t, a: a.exp(), {"low": -5.0, "high": 5.0}),
    unary("expm1", np.expm1, lambda t, a: a.expm1(), WIDE),
    unary("log", np.log, lambda t, a: a.log(), POSITIVE),
    unary("log1p", np.log1p, lambda t, a: a.log1p(), {"low": -0.8, "high": 3.0}),
    unary("sin", np.sin, lambda t, a: a.sin(), {"low": -6.0, "high": 6.0}),
    unary("cos", np.cos, lambda t, a: a.cos(), {"low": -6.0, "high": 6.0}),
    unary("erf", erf, lambda t, a: a.erf(), WIDE),
    unary("sign", np.sign, lambda t, a: a.sign(), NONZERO),
    unary("floor", np.floor, lambda t, a: a.floor(), NOT_WHOLE),
    unary("ceil", np.ceil, lambda t, a: a.ceil(), NOT_WHOLE),
    unary("trunc", np.trunc, lambda t, a: a.trunc(), NOT_WHOLE),
    unary("round", np.round, lambda t, a: a.round(), NOT_HALF),
    *[
        Row(
            name,
            getattr(np, full),
            [Sample((Arr((70,), **INTS),)), Sample((Arr((), **INTS),))],
            id=f"{name}-int",
            **plain(),
        )
        for name, full in (
            ("neg", "negative"),
            ("abs", "abs"),
            ("square", "square"),
            ("sign", "sign"),
            ("floor", "floor"),
            ("round", "round"),
        )
    ],
]

THREE = [
    Row(
        "where",
        np.where,
        [Sample((Arr(c, kind="bool"), Arr(a), Arr(b))) for c, a, b in
         (((), (), ()), ((67,), (67,), (67,)), ((4, 1), (3,), (2, 4, 3)), ((0,), (1,), ()), ((5, 130), (130,), (5, 1)))]
        + [Sample((Arr((33,), kind="bool"), Arr((33,)), 0.0)), Sample((Arr((33,), kind="bool"), 0, Arr((33,))))],
        [Bad((Arr((3,)), 1.0, 2.0), {}, fg.DTypeError, "where: condition: expected bool, got float32"),
         Bad((Arr((3,), kind="bool"), Arr((4,)), 2.0), {}, fg.ShapeError, "where: input")],
        torch=lambda t, c, a, b: t.where(c, a, b),
    ),
    Row("where", np.where, [Sample((Arr((33,), kind="bool"), Arr((33,), **INTS), Arr((2, 33), **INTS)))], id="where-int", **plain()),
    Row(
        "clip",
        np.clip,
        [Sample((Arr(s), Arr(s, low=-1.5, high=-0.5), Arr((), low=0.5, high=1.5))) for s in ((), (67,), (0, 3), (5, 130))]
        + [Sample((Arr((67,), away_from=(-0.5, 0.75)), low, high)) for low, high in ((-0.5, 0.75), (None, 0.75), (-0.5, None))]
        + [Sample((Arr((20,)), Arr((20,), low=-1.5, high=-0.5), None)), Sample((Arr((20,)), None, Arr((20,), low=0.5, high=1.5)))],
        [Bad((Arr((3,)), None, None), {}, ValueError, "clip: min, max: expected at least one bound, got none"),
         Bad((Arr((3,)), Arr((4,)), 1.0), {}, fg.ShapeError, "clip: min")],
        covers=("clip_grad",),
        torch=lambda t, x, low, high: t.clip(x, *(
            t.tensor(b, dtype=x.dtype) if isinstance(b, float) and isinstance(o, t.Tensor) else b
            for b, o in ((low, high), (high, low))
        )),
    ),
    Row("clip", np.clip, [Sample((Arr((70,), **INTS), -2, 3))], id="clip-int", **plain()),
    Row(
        "lerp",
        lambda a, b, w: a + w * (b - a),
        [Sample((Arr((67,)), Arr((67,)), Arr((67,)))), Sample((Arr((4, 1)), Arr((3,)), 0.25)), Sample((Arr((0,)), Arr(()), 0.75))],
        [Bad((Arr((3,)), Arr((4,)), 1.0), {}, fg.ShapeError, "lerp: end")],
        torch=lambda t, a, b, w: t.lerp(a, b, w),
    ),
    Row(
        "addcmul",
        lambda x, a, b, value: x + value * a * b,
        [Sample((Arr((67,)), Arr((67,)), Arr((67,))), {"value": 0.5}), Sample((Arr((4, 3)), Arr((3,)), Arr(())), {"value": -2.0}),
         Sample((Arr((0,)), Arr(()), Arr(())), {"value": 1.0})],
        [Bad((Arr((3,)), Arr((4,)), 1.0), {"value": 1.0}, fg.ShapeError, "addcmul: tensor1")],
        torch=lambda t, x, a, b, value: t.addcmul(x, a, b, value=value),
    ),
]  # fmt: skip

COPIES = [
    # Into float64 only: finite differences drown in the rounding of float32.
    Row("cast", lambda x, dtype: x, [Sample((Arr(s),), {"dtype": "float64"}) for s in ((), (67,), (0, 3))],
        [Bad((Arr((3,)),), {"dtype": "complex"}, fg.DTypeError, "no dtype is called 'complex'")]),
    Row("cast", lambda x, dtype: x.astype(dtype), [Sample((Arr((300,), low=-90.0, high=90.0, kind=k),), {"dtype": d})
        for k in ("float", "int", "bool") for d in ("float32", "int64", "int32", "bool", "uint8") if (k, d) != ("float", "uint8") and (k, d) != ("int", "uint8")],
        id="cast-kinds", **plain()),
    Row("clone", lambda x: x, [Sample((Arr(s),)) for s in ((), (0, 3), (67,), (5, 7, 9), (300, 301))], [],
        torch=lambda t, x: x.clone()),
    Row("ordered", lambda x, order: x,
        [Sample((Arr((2, 9, 20, 33)),), {"order": order}) for order in ((0, 1, 2, 3), (0, 2, 3, 1), (3, 2, 1, 0))]
        + [Sample((Arr((260, 190)),), {"order": (1, 0)}), Sample((Arr((0, 4)),), {"order": (1, 0)}), Sample((Arr(()),), {"order": ()})],
        [Bad((Arr((2, 3)),), {"order": (0, 0)}, ValueError, r"ordered: order: expected each dimension of \(2, 3\) once")]),
]  # fmt: skip

ROWS = [*ARITHMETIC, *COMPARISONS, *UNARY, *THREE, *COPIES]
