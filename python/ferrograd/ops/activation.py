"""Activations, each with its gradient as an op of its own: one pass over memory, and a rule for the second order.

`relu`, `sigmoid` and `tanh` save their result, the others their operand.
"""

from __future__ import annotations

import math
from typing import Any

from .._core import backend
from ._op import op
from .elementwise import add, exp, gt, minimum, mul, neg, square, sub, where


@op
def relu(x: Any) -> Any:
    """max(x_i, 0)."""
    return backend.relu(x)


@relu.rule(saves=("result",))
def _(g, needs, y):
    return relu_grad(g, y)


@op
def relu_grad(g: Any, y: Any) -> Any:
    """g_i where y_i = relu(x_i) > 0, else 0."""
    return backend.relu_grad(g, y)


@relu_grad.rule(saves=("y",))
def _(gg, needs, y):
    return relu_grad(gg, y), None


@op
def sigmoid(x: Any) -> Any:
    """σ(x_i) = 1 / (1 + e^(−x_i))."""
    return backend.sigmoid(x)


@sigmoid.rule(saves=("result",))
def _(g, needs, y):
    return sigmoid_grad(g, y)


@op
def sigmoid_grad(g: Any, y: Any) -> Any:
    """g_i y_i (1 − y_i), y = σ(x)."""
    return backend.sigmoid_grad(g, y)


@sigmoid_grad.rule(saves=("g", "y"))
def _(gg, needs, g, y):
    gy = mul(mul(gg, g), sub(1, mul(y, 2))) if needs[1] else None
    return sigmoid_grad(gg, y) if needs[0] else None, gy


@op
def tanh(x: Any) -> Any:
    """tanh x_i."""
    return backend.tanh(x)


@tanh.rule(saves=("result",))
def _(g, needs, y):
    return tanh_grad(g, y)


@op
def tanh_grad(g: Any, y: Any) -> Any:
    """g_i (1 − y_i²), y = tanh x."""
    return backend.tanh_grad(g, y)


@tanh_grad.rule(saves=("g", "y"))
def _(gg, needs, g, y):
    gy = mul(mul(gg, g), mul(y, -2)) if needs[1] else None
    return tanh_grad(gg, y) if needs[0] else None, gy


@op
def leaky_relu(x: Any, *, negative_slope: float) -> Any:
    """x_i where x_i > 0, else negative_slope · x_i."""
    return backend.leaky_relu(x, negative_slope)


@leaky_relu.rule(saves=("x",))
def _(g, needs, x, *, negative_slope):
    return leaky_relu_grad(g, x, negative_slope=negative_slope)


@op
def leaky_relu_grad(g: Any, x: Any, *, negative_slope: float) -> Any:
    """g_i where x_i > 0, else negative_slope · g_i."""
    return backend.leaky_relu_grad(g, x, negative_slope)


@leaky_relu_grad.rule(saves=("x",))
def _(gg, needs, x, *, negative_slope):
    return leaky_relu_grad(gg, x, negative_slope=negative_slope), None


@op
def elu(x: Any, *, alpha: float) -> Any:
    """x_i where x_i > 0, else alpha (e^(x_i) − 1)."""
    return backend.elu(x, alpha)


@elu.rule(saves=("x",))
def _(g, needs, x, *, alpha):
    return elu_grad(g, x, alpha=alpha)


@op
def elu_grad(g: Any, x: Any, *, alpha: float) -> Any:
    """g_i where x_i > 0, else g_i alpha e^(x_i)."""
    return backend.elu_grad(g, x, alpha)


@elu_grad.rule(saves=("g", "x"))
def _(gg, needs, g, x, *, alpha):
    gx = None
    if needs[1]:
        second = where(gt(x, 0), 0, mul(exp(minimum(x, 0)), alpha))
        gx = mul(mul(gg, g), second)
    return elu_grad(gg, x, alpha=alpha) if needs[0] else None, gx


@op
def silu(x: Any) -> Any:
    """x_i σ(x_i)."""
    return backend.silu(x)


@silu.rule(saves=("x",))
def _(g, needs, x):
    return silu_grad(g, x)


@op
def silu_grad(g: Any, x: Any) -> Any:
    """g_i σ(x_i) (1 + x_i (1 − σ(x_i)))."""
    return backend.silu_grad(g, x)


@silu_grad.rule(saves=("g", "x"))
def _(gg, needs, g, x):
    gx = None
    if needs[1]:
        # σ (1 − σ) (2 + x (1 − 2σ))
        s = sigmoid(x)
        second = mul(mul(s, sub(1, s)), add(mul(x, sub(1, mul(s, 2))), 2))
        gx = mul(mul(gg, g), second)
    return silu_grad(gg, x) if needs[0] else None, gx


@op
def softplus(x: Any, *, beta: float, threshold: float) -> Any:
    """log(1 + e^(beta x_i)) / beta; x_i where beta x_i is above the threshold."""
    return backend.softplus(x, beta, threshold)


@softplus.rule(saves=("x",))
def _(g, needs, x, *, beta, threshold):
    return softplus_grad(g, x, beta=beta, threshold=threshold)


@op
def softplus_grad(g: Any, x: Any, *, beta: float, threshold: float) -> Any:
    """g_i σ(beta x_i); g_i where beta x_i is above the threshold."""
    return backend.softplus_grad(g, x, beta, threshold)


@softplus_grad.rule(saves=("g", "x"))
def _(gg, needs, g, x, *, beta, threshold):
    gx = None
    if needs[1]:
        z = mul(x, beta)
        s = sigmoid(z)
        gx = mul(mul(gg, g), where(gt(z, threshold), 0, mul(mul(s, sub(1, s)), beta)))
    return softplus_grad(gg, x, beta=beta, threshold=threshold) if needs[0] else None, gx


@op
def hardtanh(x: Any, *, min_val: float, max_val: float) -> Any:
    """min(max(x_i, min_val), max_val)."""
    return backend.hardtanh(x, min_val, max_val)


@hardtanh.rule(saves=("x",))
def _(g, needs, x, *, min_val, max_val):
    return hardtanh_grad(g, x, min_val=min_val, max_val=max_val)


@op
def hardtanh_grad(g: Any, x: Any, *, min_val: float, max_val: float) -> Any:
    """g_i where min_val < x_i < max_val, else 0."""
    return backend.hardtanh_grad(g, x, min_val, max_val)


@hardtanh_grad.rule(saves=("x",))
def _(gg, needs, x, *, min_val, max_val):
    return hardtanh_grad(gg, x, min_val=min_val, max_val=max_val), None


@op
def gelu(x: Any, *, approximate: str) -> Any:
    """x_i Φ(x_i), Φ the standard normal distribution; with 'tanh' ½ x_i (1 + tanh(√(2/π) (x_i + 0.044715 x_i³)))."""
    return backend.gelu_tanh(x) if approximate == "tanh" else backend.gelu(x)


@gelu.rule(saves=("x",))
def _(g, needs, x, *, approximate):
    return gelu_grad(g, x, approximate=approximate)


@op
def gelu_grad(g: Any, x: Any, *, approximate: str) -> Any:
    """g_i (Φ(x_i) + x_i φ(x_i)), φ the density; with 'tanh' the derivative of that form."""
    return backend.gelu_tanh_grad(g, x) if approximate == "tanh" else backend.gelu_grad(g, x)


@gelu_grad.rule(saves=("g", "x"))
def _(gg, needs, g, x, *, approximate):
    gx = None
    if needs[1]:
        if approximate == "tanh":
            # u = k (x + c x³), t = tanh u:  (1 − t²) (u' + ½ x u'' − x t u'²)
            k, c = math.sqrt(2 / math.pi), 0.044715
            t = tanh(mul(mul(x, k), add(mul(square(x), c), 1)))
            du, half_ddu = add(mul(square(x), 3 * c * k), k), mul(x, 3 * c * k)
            second = mul(sub(1, square(t)), sub(add(du, mul(x, half_ddu)), mul(mul(x, t), square(du))))
        else:
            # φ(x) (2 − x²)
            density = mul(exp(mul(square(x), -0.5)), 1 / math.sqrt(2 * math.pi))
            second = mul(density, add(neg(square(x)), 2))
        gx = mul(mul(gg, g), second)
    return gelu_grad(gg, x, approximate=approximate) if needs[0] else None, gx
