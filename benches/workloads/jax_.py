"""JAX, each step jitted as a whole; its threads are set by the CPUs that the parent lets it use.

The networks of `networks.py` as functions of their parameters, without the residual ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from . import GEMMS, NETWORKS
from .networks import INPUTS

Step = Callable[[], Any]
wait = jax.block_until_ready


def normal(*shape: int) -> Any:
    return jnp.asarray(np.random.default_rng(0).standard_normal(shape, np.float32))


def integers(high: int, *shape: int) -> Any:
    return jnp.asarray(np.random.default_rng(0).integers(0, high, shape))


def weight(*shape: int) -> Any:
    return normal(*shape) / math.sqrt(math.prod(shape[1:]))


def gemm(batch: int, m: int, n: int, k: int, form: str) -> Step:
    lead = (batch,) if batch > 1 else ()
    a = normal(*lead, k, m) if form == "tn" else normal(*lead, m, k)
    b = normal(*lead, n, k) if form == "nt" else normal(*lead, k, n)

    def product(a: Any, b: Any) -> Any:
        return (jnp.swapaxes(a, -1, -2) if form == "tn" else a) @ (jnp.swapaxes(b, -1, -2) if form == "nt" else b)

    compiled = jax.jit(product)
    return lambda: compiled(a, b).block_until_ready()


# -- ops ---------------------------------------------------------------------------------------------------------------


def layer_norm(x: Any, w: Any, b: Any) -> Any:
    center = x.mean(-1, keepdims=True)
    return (x - center) * lax.rsqrt(((x - center) ** 2).mean(-1, keepdims=True) + 1e-5) * w + b


def batch_norm(x: Any, w: Any, b: Any) -> Any:
    axes = (0, *range(2, x.ndim))
    shape = (1, -1) + (1,) * (x.ndim - 2)
    center = x.mean(axes, keepdims=True)
    variance = ((x - center) ** 2).mean(axes, keepdims=True)
    return (x - center) * lax.rsqrt(variance + 1e-5) * w.reshape(shape) + b.reshape(shape)


def max_pool(x: Any) -> Any:
    window = (1, 1) + (2,) * (x.ndim - 2)
    return lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID")


def cross_entropy(logits: Any, y: Any) -> Any:
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], 1).mean()


def attention(q: Any, k: Any, v: Any, causal: bool) -> Any:
    scores = q @ jnp.swapaxes(k, -1, -2) / math.sqrt(q.shape[-1])
    if causal:
        scores = jnp.where(jnp.tri(q.shape[-2], k.shape[-2], dtype=bool), scores, -jnp.inf)
    return jax.nn.softmax(scores) @ v


def both(function: Callable[..., Any], *operands: Any) -> Step:
    """A function and the gradients of its operands."""
    g = normal(*jax.eval_shape(function, *operands).shape)

    @jax.jit
    def gradients(*operands: Any) -> Any:
        y, back = jax.vjp(function, *operands)
        return y, back(g)

    return lambda: wait(gradients(*operands))


def forward(function: Callable[..., Any], *operands: Any) -> Step:
    compiled = jax.jit(function)
    return lambda: wait(compiled(*operands))


def cross_entropy_both() -> Step:
    y = integers(4096, 4096)
    compiled = jax.jit(jax.value_and_grad(lambda x: cross_entropy(x, y)))
    x = normal(4096, 4096)
    return lambda: wait(compiled(x))


def embedding() -> Step:
    rows = integers(32768, 16384)
    return both(lambda w: w[rows], normal(32768, 512))


def update(rule: Any) -> Step:
    p = [normal(1024, 1024) for _ in range(16)]
    g = [normal(1024, 1024) for _ in range(16)]
    state = [p, initial(rule, p)]
    compiled = jax.jit(lambda p, s: rule(p, g, s), donate_argnums=(0, 1))

    def once() -> None:
        state[:] = wait(compiled(*state))

    return once


def conv_both() -> Step:
    x, w, g = normal(8, 64, 32, 32), normal(64, 64, 3, 3), normal(8, 64, 32, 32)

    @jax.jit
    def gradients(x: Any, w: Any) -> Any:
        _, back = jax.vjp(lambda x, w: lax.conv(x, w, (1, 1), "SAME"), x, w)
        return back(g)

    return lambda: wait(gradients(x, w))


# -- optimizers --------------------------------------------------------------------------------------------------------


def sgd(p: Any, g: Any, s: Any) -> tuple[Any, Any]:
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


def initial(rule: Any, p: Any) -> Any:
    def zeros() -> Any:
        return jax.tree.map(jnp.zeros_like, p)

    return zeros() if rule is sgd else (jnp.zeros(()), zeros(), zeros())


# -- networks ----------------------------------------------------------------------------------------------------------


def linear(inputs: int, outputs: int) -> Any:
    return weight(outputs, inputs).T, jnp.zeros(outputs)


def mlp(*sizes: int) -> tuple[Any, Any]:
    p = [linear(a, b) for a, b in pairwise(sizes)]
    return p, dense


def dense(p: Any, x: Any) -> Any:
    for k, (w, b) in enumerate(p):
        x = x @ w + b
        x = jax.nn.relu(x) if k + 1 < len(p) else x
    return x


def convolve(x: Any, w: Any, padding: Any, dilation: int = 1) -> Any:
    n = x.ndim - 2
    return lax.conv_general_dilated(x, w, (1,) * n, padding, rhs_dilation=(dilation,) * n)


def shifted(x: Any, b: Any) -> Any:
    return x + b.reshape(1, -1, *[1] * (x.ndim - 2))


def lenet() -> tuple[Any, Any]:
    p = {
        "c1": weight(6, 1, 5, 5), "b1": jnp.zeros(6), "c2": weight(16, 6, 5, 5), "b2": jnp.zeros(16),
        "w": [linear(400, 120), linear(120, 84), linear(84, 10)],
    }  # fmt: skip

    def run(p: Any, x: Any) -> Any:
        x = max_pool(jax.nn.relu(shifted(convolve(x, p["c1"], "SAME"), p["b1"])))
        x = max_pool(jax.nn.relu(shifted(convolve(x, p["c2"], "VALID"), p["b2"])))
        return dense(p["w"], x.reshape(x.shape[0], -1))

    return p, run


def vgg6() -> tuple[Any, Any]:
    sizes = (3, 64, 64, 128, 128, 256, 256)
    p = [(weight(b, a, 3, 3), jnp.ones(b), jnp.zeros(b)) for a, b in pairwise(sizes)]

    def run(p: Any, x: Any) -> Any:
        for k, (w, scale, shift) in enumerate(p["c"]):
            x = max_pool(x) if k in (2, 4) else x
            x = jax.nn.relu(batch_norm(convolve(x, w, "SAME"), scale, shift))
        return dense(p["w"], x.mean((2, 3)))

    return {"c": p, "w": [linear(256, 10)]}, run


def conv3d() -> tuple[Any, Any]:
    p = {
        "c1": weight(16, 3, 3, 3, 3), "b1": jnp.zeros(16), "c2": weight(32, 16, 3, 3, 3), "b2": jnp.zeros(32),
        "w": [linear(32, 10)],
    }  # fmt: skip

    def run(p: Any, x: Any) -> Any:
        x = max_pool(jax.nn.relu(shifted(convolve(x, p["c1"], "SAME"), p["b1"])))
        x = jax.nn.relu(shifted(convolve(x, p["c2"], "SAME"), p["b2"]))
        return dense(p["w"], x.mean((2, 3, 4)))

    return p, run


def tdnn() -> tuple[Any, Any]:
    layers = [(40, 5, 1), (256, 3, 2), (256, 3, 3)]
    p = {"c": [(weight(256, a, k), jnp.zeros(256)) for a, k, _ in layers], "w": [linear(256, 10)]}

    def run(p: Any, x: Any) -> Any:
        for (w, b), (_, _, dilation) in zip(p["c"], layers, strict=True):
            x = jax.nn.relu(shifted(convolve(x, w, "VALID", dilation), b))
        return dense(p["w"], x.mean(2))

    return p, run


def recurrent(kind: str) -> tuple[Any, Any]:
    gates = {"rnn": 1, "lstm": 4, "gru": 3}[kind]
    p = {
        "l": [(linear(a, gates * 256), linear(256, gates * 256)) for a in (64, 256)],
        "w": [linear(256, 10)],
    }

    def cell(hidden: Any, state: Any, a: Any) -> Any:
        h = state[0]
        b = h @ hidden[0] + hidden[1]
        if kind == "rnn":
            h = jnp.tanh(a + b)
            return (h,), h
        if kind == "lstm":
            i, f, g, o = jnp.split(a + b, 4, -1)
            c = jax.nn.sigmoid(f) * state[1] + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h
        (r, z, n), (br, bz, bn) = jnp.split(a, 3, -1), jnp.split(b, 3, -1)
        z, n = jax.nn.sigmoid(z + bz), jnp.tanh(n + jax.nn.sigmoid(r + br) * bn)
        h = (1 - z) * n + z * h
        return (h,), h

    def run(p: Any, x: Any) -> Any:
        y = jnp.swapaxes(x, 0, 1)
        for (w, b), hidden in p["l"]:
            zero = jnp.zeros((x.shape[0], 256))
            _, y = lax.scan(partial(cell, hidden), (zero, zero)[: 1 + (kind == "lstm")], y @ w + b)
        return dense(p["w"], y[-1])

    return p, run


def norm(d: int) -> Any:
    return jnp.ones(d), jnp.zeros(d)


def block(d: int) -> Any:
    return {
        "qkv": linear(d, 3 * d), "out": linear(d, d), "up": linear(d, 4 * d), "down": linear(4 * d, d),
        "n1": norm(d), "n2": norm(d),
    }  # fmt: skip


def heads_of(p: Any, x: Any, heads: int, causal: bool) -> Any:
    n, steps, d = x.shape
    q, k, v = (
        a.reshape(n, steps, heads, -1).transpose(0, 2, 1, 3) for a in jnp.split(x @ p["qkv"][0] + p["qkv"][1], 3, -1)
    )
    y = attention(q, k, v, causal).transpose(0, 2, 1, 3).reshape(n, steps, d)
    return y @ p["out"][0] + p["out"][1]


def fed(p: Any, x: Any, activation: Any) -> Any:
    return activation(x @ p["up"][0] + p["up"][1]) @ p["down"][0] + p["down"][1]


def encoder() -> tuple[Any, Any]:
    def run(p: Any, x: Any) -> Any:
        for q in p["b"]:
            x = layer_norm(x + heads_of(q, x, 8, False), *q["n1"])
            x = layer_norm(x + fed(q, x, jax.nn.relu), *q["n2"])
        return dense(p["w"], x.reshape(-1, 512))

    return {"b": [block(512) for _ in range(4)], "w": [linear(512, 10)]}, run


def gpt(d: int, heads: int, layers: int, length: int) -> tuple[Any, Any]:
    def run(p: Any, x: Any) -> Any:
        x = p["t"][x] + p["p"]
        for q in p["b"]:
            x = x + heads_of(q, layer_norm(x, *q["n1"]), heads, True)
            x = x + fed(q, layer_norm(x, *q["n2"]), partial(jax.nn.gelu, approximate=False))
        return layer_norm(x, *p["n"]).reshape(-1, d) @ p["h"]

    p = {"t": weight(65, d), "p": weight(length, d), "b": [block(d) for _ in range(layers)]}
    return p | {"n": norm(d), "h": weight(65, d).T}, run


MODELS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "mlp tiny": lambda: mlp(4, 16, 3),
    "mlp sgd": lambda: mlp(784, 512, 512, 10),
    "mlp adam": lambda: mlp(784, 512, 512, 10),
    "lenet adam": lenet,
    "vgg6": vgg6,
    "conv3d": conv3d,
    "tdnn": tdnn,
    **{kind: partial(recurrent, kind) for kind in ("rnn", "lstm", "gru")},
    "encoder": encoder,
    "gpt": lambda: gpt(384, 6, 6, 256),
    "gpt nano": lambda: gpt(128, 4, 4, 64),
}


def model(name: str) -> tuple[Any, Any, Any, Any]:
    p, run = MODELS[name]()
    shape, classes = INPUTS[name]
    of_tokens = name.startswith("gpt")
    x = integers(classes, *shape) if of_tokens else normal(*shape)
    rows = math.prod(shape[:2]) if of_tokens or name == "encoder" else shape[0]
    return p, run, x, integers(classes, rows)


def train(name: str) -> Step:
    p, run, x, y = model(name)
    rule = adam if NETWORKS[name][3] == "adam" else sgd

    def once(p: Any, s: Any) -> Any:
        loss, g = jax.value_and_grad(lambda q: cross_entropy(run(q, x), y))(p)
        return (loss, *rule(p, g, s))

    compiled = jax.jit(once, donate_argnums=(0, 1))
    state = [p, initial(rule, p)]

    def step() -> float:
        loss, state[0], state[1] = compiled(*state)
        return float(loss)

    return step


def infer(name: str) -> Step:
    p, run, x, _ = model(name)
    return forward(run, p, x)


_BIG, _ROWS, _IMAGE = (4096, 4096), (8192, 2048), (64, 64, 64, 64)
STEPS: dict[str, Callable[[], Step]] = {
    **{name: partial(gemm, *shape) for name, shape in GEMMS.items()},
    "copy": lambda: forward(jnp.copy, normal(*_BIG)),
    "chain": lambda: forward(lambda x, y: jax.nn.relu(x * y + y) - x, normal(*_BIG), normal(*_BIG)),
    "relu": lambda: both(jax.nn.relu, normal(*_BIG)),
    "gelu": lambda: both(partial(jax.nn.gelu, approximate=False), normal(*_BIG)),
    "softmax": lambda: both(jax.nn.softmax, normal(*_ROWS)),
    "layer_norm": lambda: both(layer_norm, normal(*_ROWS), normal(2048), normal(2048)),
    "batch_norm": lambda: both(batch_norm, normal(*_IMAGE), jnp.ones(64), jnp.zeros(64)),
    "batch_norm relu": lambda: both(
        lambda *a: jax.nn.relu(batch_norm(*a)), normal(*_IMAGE), jnp.ones(64), jnp.zeros(64)
    ),
    "max_pool": lambda: both(max_pool, normal(*_IMAGE)),
    "embedding": embedding,
    "cross_entropy": cross_entropy_both,
    "adam": lambda: update(adam),
    "sgd": lambda: update(sgd),
    "attention 256": lambda: both(partial(attention, causal=True), *[normal(8, 6, 256, 64)] * 3),
    "attention 2048": lambda: both(partial(attention, causal=False), *[normal(1, 8, 2048, 64)] * 3),
    "vgg conv 64": conv_both,
    **{name: partial(train, name) for name in MODELS},
    **{
        f"{name.removesuffix(' adam').removesuffix(' sgd')} infer": partial(infer, name)
        for name in MODELS
        if name != "mlp adam"
    },
}


def version() -> str:
    return f"JAX {jax.__version__} jit"


def set_threads(n: int) -> None:
    """Nothing: see the parent."""
