"""The workloads for ferrograd and PyTorch in the same lines: `t` is one of the two packages."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from . import CHAINS, CONVS, DIRECTIONS, GEMMS, NETWORKS
from .networks import INPUTS, network

Step = Callable[[], Any]


class Suite:
    """All workloads of one library.

    Args:
        t: the package.
        prepare: what is done to a model, and to its input, before use: another memory format, a compiler.
        record: what is done to the function of a whole step.
    """

    def __init__(
        self,
        t: Any,
        prepare: Callable[[Any, Any], tuple[Any, Any]] = lambda model, x: (model, x),
        record: Callable[[Any], Any] = lambda step: step,
    ) -> None:
        self.t, self.prepare, self.record = t, prepare, record

    def normal(self, *shape: int) -> Any:
        return self.t.from_numpy(np.random.default_rng(0).standard_normal(shape, np.float32))

    def integers(self, high: int, *shape: int) -> Any:
        return self.t.from_numpy(np.random.default_rng(0).integers(0, high, shape))

    # -- products, ops -------------------------------------------------------------------------------------------------

    def gemm(self, batch: int, m: int, n: int, k: int, form: str) -> Step:
        lead = (batch,) if batch > 1 else ()
        a = self.normal(*lead, k, m).transpose(-1, -2) if form == "tn" else self.normal(*lead, m, k)
        b = self.normal(*lead, n, k).transpose(-1, -2) if form == "nt" else self.normal(*lead, k, n)
        return lambda: a @ b

    def both(self, function: Callable[..., Any], *operands: Any) -> Step:
        """A function and the gradients of its operands."""
        for x in operands:
            x.requires_grad_()
        g = self.normal(*function(*operands).shape)
        return lambda: self.t.autograd.grad(function(*operands), operands, g)

    def ops(self) -> dict[str, Callable[[], Step]]:
        t, normal, both = self.t, self.normal, self.both
        F = t.nn.functional

        def recorded(function: Callable[..., Any], *shapes: tuple[int, ...]) -> Step:
            operands = [normal(*shape).requires_grad_() for shape in shapes]
            return lambda: function(*operands)

        def unrecorded(function: Callable[..., Any], *shapes: tuple[int, ...]) -> Step:
            operands = [normal(*shape) for shape in shapes]
            return lambda: function(*operands)

        def batch_norm(relu: bool) -> Step:
            layers = [t.nn.BatchNorm2d(64)] + [t.nn.ReLU()] * relu
            model, x = self.prepare(t.nn.Sequential(*layers), normal(64, 64, 64, 64))
            parameters = list(model.parameters())
            return both_of(model, x, parameters)

        def both_of(model: Any, x: Any, parameters: list[Any]) -> Step:
            x.requires_grad_()
            g = normal(*model(x).shape)
            return lambda: t.autograd.grad(model(x), [x, *parameters], g)

        def pool(function: Callable[..., Any]) -> Step:
            return both(lambda x: function(x, 2), self.prepare(t.nn.Identity(), normal(64, 64, 64, 64))[1])

        def embedding() -> Step:
            rows = self.integers(32768, 16384)
            return both(lambda w: F.embedding(rows, w), normal(32768, 512))

        def cross_entropy() -> Step:
            x, y = normal(4096, 4096).requires_grad_(), self.integers(4096, 4096)
            return lambda: t.autograd.grad(F.cross_entropy(x, y), [x])

        def attention(causal: bool, *shape: int) -> Step:
            q, k, v = normal(*shape), normal(*shape), normal(*shape)
            return both(lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=causal), q, k, v)

        def update(name: str) -> Step:
            parameters = [normal(1024, 1024).requires_grad_() for _ in range(16)]
            for p in parameters:
                p.grad = normal(1024, 1024)
            optimizer = self.optimizer(name, parameters)
            return lambda: optimizer.step()

        rows, big = (8192, 2048), (4096, 4096)
        return {
            "add 16 recorded": lambda: recorded(lambda a, b: a + b, (16,), (16,)),
            "linear 16 recorded": lambda: recorded(F.linear, (4, 4), (4, 4), (4,)),
            "copy": lambda: unrecorded(lambda x: x.clone(), big),
            "chain": lambda: unrecorded(lambda x, y: F.relu(x * y + y) - x, big, big),
            "relu": lambda: both(F.relu, normal(*big)),
            "gelu": lambda: both(F.gelu, normal(*big)),
            "softmax": lambda: both(lambda x: F.softmax(x, dim=-1), normal(*rows)),
            "layer_norm": lambda: both(
                lambda x, w, b: F.layer_norm(x, (2048,), w, b), normal(*rows), normal(2048), normal(2048)
            ),
            "batch_norm": lambda: batch_norm(False),
            "batch_norm relu": lambda: batch_norm(True),
            "max_pool": lambda: pool(F.max_pool2d),
            "avg_pool": lambda: pool(F.avg_pool2d),
            "embedding": embedding,
            "cross_entropy": cross_entropy,
            "dropout": lambda: both(lambda x: F.dropout(x, 0.1), normal(*big)),
            "adam": lambda: update("adam"),
            "sgd": lambda: update("sgd"),
            "attention 256": lambda: attention(True, 8, 6, 256, 64),
            "attention 2048": lambda: attention(False, 1, 8, 2048, 64),
        }

    # -- convolutions --------------------------------------------------------------------------------------------------

    def convolution(self, name: str, direction: str) -> Step:
        batch, c, o, sizes, kernel, stride, dilation, groups = CONVS[name]
        t, n = self.t, len(sizes)
        layer = getattr(t.nn, f"Conv{n}d")(
            c, o, kernel, stride=stride, dilation=dilation, groups=groups, bias=False,
            padding=0 if name.startswith("lenet 5x5 6") else dilation * (kernel // 2),
        )  # fmt: skip
        self.fill(layer)
        layer, x = self.prepare(layer, self.normal(batch, c, *sizes))
        if direction == "forward":
            return self.no_grad(layer, x)
        w = layer.weight
        x.requires_grad_()
        y = layer(x)
        g = self.prepare(t.nn.Identity(), self.normal(*y.shape))[1]
        wanted = x if direction == "input gradient" else w
        return lambda: t.autograd.grad(y, [wanted], g, retain_graph=True)

    def conv_both(self) -> Step:
        x, w = self.normal(8, 64, 32, 32).requires_grad_(), self.normal(64, 64, 3, 3).requires_grad_()
        g = self.normal(8, 64, 32, 32)
        return lambda: self.t.autograd.grad(self.t.nn.functional.conv2d(x, w, padding=1), [x, w], g)

    # -- networks ------------------------------------------------------------------------------------------------------

    def optimizer(self, name: str, parameters: Any) -> Any:
        if name == "adam":
            return self.t.optim.Adam(parameters, lr=1e-3, fused=True)
        return self.t.optim.SGD(parameters, lr=0.01, momentum=0.9, fused=True)

    def fill(self, model: Any) -> None:
        """The same weights in every library, uniform in ±√(3 / inputs); what has one dimension starts as it does."""
        rng, names = np.random.default_rng(1), {id(p): name for name, p in model.named_parameters()}
        with self.t.no_grad():
            for p in model.parameters():
                if len(p.shape) > 1:
                    bound = math.sqrt(3 / math.prod(p.shape[1:]))
                    p.copy_(self.t.from_numpy(rng.uniform(-bound, bound, tuple(p.shape)).astype(np.float32)))
                elif "bias" in names[id(p)]:
                    p.zero_()

    def model(self, name: str, plain: bool) -> tuple[Any, Any, Any]:
        """The prepared model, an input, and targets."""
        model = network(self.t, name, plain)
        self.fill(model)
        shape, classes = INPUTS[name]
        of_tokens = name.startswith("gpt")
        x = self.integers(classes, *shape) if of_tokens else self.normal(*shape)
        rows = math.prod(shape[:2]) if of_tokens or name == "encoder" else shape[0]
        model, x = self.prepare(model, x)
        return model, x, self.integers(classes, rows)

    def train(self, name: str, plain: bool) -> Step:
        model, x, y = self.model(name, plain)
        optimizer = self.optimizer(NETWORKS[name][3], model.parameters())
        loss_of = self.t.nn.CrossEntropyLoss()

        def step(x: Any, y: Any) -> Any:
            loss = loss_of(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        step = self.record(step)
        return lambda: float(step(x, y).item())

    def no_grad(self, model: Any, x: Any) -> Step:
        def once() -> Any:
            with self.t.no_grad():
                return model(x)

        return once

    def infer(self, name: str, plain: bool) -> Step:
        model, x, _ = self.model(name, plain)
        return self.no_grad(self.record(model.eval()), x)

    def steps(self) -> dict[str, Callable[[], Step]]:
        """Every workload's name, and what sets it up."""
        steps: dict[str, Callable[[], Step]] = {name: partial(self.gemm, *shape) for name, shape in GEMMS.items()}
        steps |= self.ops()
        steps["vgg conv 64"] = self.conv_both
        for name in CONVS:
            for suffix, direction in DIRECTIONS.items():
                steps[f"conv {name}{suffix}"] = partial(self.convolution, name, direction)
        for name in NETWORKS:
            base = name.removesuffix(" adam").removesuffix(" sgd")
            for plain in (False, True)[: 1 + (name in CHAINS)]:
                tail = " plain" if plain else ""
                steps[f"{name}{tail}"] = partial(self.train, name, plain)
                steps[f"{base} infer{tail}"] = partial(self.infer, name, plain)
        return steps
