"""JAX, each step jitted as a whole; its threads are set by the CPUs that the parent lets it use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from . import SHAPES


def normal(*shape: int) -> Any:
    return jnp.asarray(np.random.default_rng(0).standard_normal(shape, np.float32))


def labels(n: int, classes: int) -> Any:
    return jnp.asarray(np.random.default_rng(0).integers(0, classes, n))


def gemm(shape: tuple[int, int, int]) -> Callable[[], Any]:
    m, n, k = shape
    a, b = normal(m, k), normal(k, n)
    product = jax.jit(jnp.matmul)
    return lambda: product(a, b).block_until_ready()


def cross_entropy(logits: Any, y: Any) -> Any:
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], 1).mean()


def momentum(p: Any, g: Any, s: Any) -> tuple[Any, Any]:
    s = jax.tree.map(lambda v, d: 0.9 * v + d, s, g)
    return jax.tree.map(lambda w, v: w - 0.01 * v, p, s), s


def adam(p: Any, g: Any, s: Any) -> tuple[Any, Any]:
    t, m, v = s
    t = t + 1
    m = jax.tree.map(lambda a, d: 0.9 * a + 0.1 * d, m, g)
    v = jax.tree.map(lambda a, d: 0.999 * a + 0.001 * d * d, v, g)

    def move(w: Any, a: Any, b: Any) -> Any:
        return w - 1e-3 * (a / (1 - 0.9**t)) / (jnp.sqrt(b / (1 - 0.999**t)) + 1e-8)

    return jax.tree.map(move, p, m, v), (t, m, v)


def step(forward: Any, p: Any, x: Any, y: Any, update: Any) -> Callable[[], Any]:
    zeros = jax.tree.map(jnp.zeros_like, p)
    state = [p, zeros if update is momentum else (jnp.zeros(()), zeros, zeros)]

    @jax.jit
    def once(p: Any, s: Any) -> Any:
        loss, g = jax.value_and_grad(lambda q: cross_entropy(forward(q, x), y))(p)
        return (loss, *update(p, g, s))

    def run() -> float:
        loss, state[0], state[1] = once(*state)
        return float(loss)

    return run


def mlp(sizes: list[int], batch: int, update: Any) -> Callable[[], Any]:
    p = [(normal(a, b) / a**0.5, jnp.zeros(b)) for a, b in zip(sizes, sizes[1:], strict=False)]

    def forward(p: Any, x: Any) -> Any:
        for k, (w, b) in enumerate(p):
            x = x @ w + b
            x = jax.nn.relu(x) if k + 1 < len(p) else x
        return x

    return step(forward, p, normal(batch, sizes[0]), labels(batch, sizes[-1]), update)


def lenet() -> Callable[[], Any]:
    p = {
        "c1": normal(6, 1, 5, 5) / 5, "c2": normal(16, 6, 5, 5) / 12,
        "w": [(normal(a, b) / a**0.5, jnp.zeros(b)) for a, b in [(400, 120), (120, 84), (84, 10)]],
    }  # fmt: skip

    def pool(x: Any) -> Any:
        return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")

    def forward(p: Any, x: Any) -> Any:
        x = pool(jax.nn.relu(jax.lax.conv(x, p["c1"], (1, 1), "SAME")))
        x = pool(jax.nn.relu(jax.lax.conv(x, p["c2"], (1, 1), "VALID"))).reshape(64, -1)
        for k, (w, b) in enumerate(p["w"]):
            x = x @ w + b
            x = jax.nn.relu(x) if k < 2 else x
        return x

    return step(forward, p, normal(64, 1, 28, 28), labels(64, 10), adam)


def conv() -> Callable[[], Any]:
    x, w, g = normal(8, 64, 32, 32), normal(64, 64, 3, 3), normal(8, 64, 32, 32)

    @jax.jit
    def both(x: Any, w: Any) -> Any:
        _, back = jax.vjp(lambda x, w: jax.lax.conv(x, w, (1, 1), "SAME"), x, w)
        return back(g)

    return lambda: jax.block_until_ready(both(x, w))


STEPS: dict[str, Callable[[], Callable[[], Any]]] = {
    **{name: (lambda shape=shape: gemm(shape)) for name, shape in SHAPES.items()},
    "mlp tiny": lambda: mlp([4, 16, 3], 16, momentum),
    "mlp sgd": lambda: mlp([784, 512, 512, 10], 128, momentum),
    "mlp adam": lambda: mlp([784, 512, 512, 10], 128, adam),
    "lenet adam": lenet,
    "vgg conv 64": conv,
}


def version() -> str:
    return f"JAX {jax.__version__} jit"


def set_threads(n: int) -> None:
    """Nothing: see the parent."""
