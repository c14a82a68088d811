"""Writes the arrays that the tests compare with, computed by PyTorch: `python tests/golden/make_golden.py [NAME…]`.

NAME is a family of layers, `losses`, `optimizers`, `schedules`, `inits` or `packed`; default: all. Only this script needs PyTorch. Arrays of a case stand under its id: `conv2d/in`, `conv2d/out`, `conv2d/grad/weight`, …
"""

from __future__ import annotations

import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cases import INITS, LOSSES, OPTIMIZERS, STEPS, Loss
from layers import FAMILIES, Layer, leaves
from packed import PACKED
from schedules import SCHEDULES, advance, settings
from schedules import STEPS as SCHEDULE_STEPS

HERE = Path(__file__).parent


def array(tensor: Any) -> np.ndarray:
    return tensor.detach().numpy().copy()


def draw(kind: str, shape: tuple[int, ...], high: int = 0) -> Any:
    if kind == "index":
        return torch.randint(high, shape)
    if kind == "bool":
        return torch.rand(shape) < 0.3
    if kind == "unit":
        return torch.rand(shape) * 0.96 + 0.02
    return torch.randn(shape)


def layer(case: Layer) -> dict[str, np.ndarray]:
    torch.manual_seed(zlib.crc32(case.id.encode()))
    module = getattr(torch.nn, case.name)(*case.args, **case.kwargs)
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if name == "running_var":
                tensor.uniform_(0.5, 2.0)
            elif tensor.is_floating_point():
                tensor.normal_()
    out = {f"state/{k}": array(v) for k, v in module.state_dict().items()}
    module.train(case.training)
    inputs = [draw(kind, shape, case.high) for kind, shape in case.inputs]
    for x in inputs:
        x.requires_grad_(x.is_floating_point())
    results = leaves(case.run(module, inputs))
    floats = [y for y in results if y.requires_grad]
    gradients = [torch.randn(y.shape) for y in floats]
    torch.autograd.backward(floats, gradients)
    for name, arrays in (("in", inputs), ("out", results), ("g", gradients)):
        out |= {f"{name}/{k}": array(x) for k, x in enumerate(arrays)}
    out |= {f"grad_in/{k}": array(x.grad) for k, x in enumerate(inputs) if x.grad is not None}
    out |= {f"grad/{k}": array(p.grad) for k, p in module.named_parameters() if p.grad is not None}
    out |= {
        f"after/{k}": array(v)
        for k, v in module.state_dict().items()
        if not np.array_equal(array(v), out[f"state/{k}"])
    }
    out["repr"] = np.array(repr(module))
    return out


def loss(case: Loss) -> dict[str, np.ndarray]:
    torch.manual_seed(zlib.crc32(case.id.encode()))
    dim = 0 if len(case.shape) == 1 else 1
    classes = case.shape[dim] if len(case.shape) > dim else 0

    def operand(kind: str) -> Any:
        if kind == "classes":
            return torch.randint(classes, case.shape[:dim] + case.shape[dim + 1 :])
        if kind == "shares":
            return torch.softmax(torch.randn(case.shape), dim)
        if kind == "labels":
            rows = [torch.cat([torch.randperm(classes)[: k % classes], torch.full((classes,), -1)])[:classes]
                    for k in range(1, 1 + case.shape[0] if dim else 2)]  # fmt: skip
            return torch.stack(rows).reshape(case.shape)
        if kind == "sign":
            shape = case.shape if case.target_shape is None else case.target_shape
            return torch.randint(2, shape) * 2.0 - 1.0
        if kind in ("positive", "log"):
            positive = torch.rand(case.shape) * 2 + 0.1
            return positive if kind == "positive" else torch.log_softmax(positive, dim)
        return draw(kind, case.shape)

    inputs = [operand(kind).requires_grad_() for kind in case.inputs]
    further = [operand(kind) for kind in ([] if case.target is None else [case.target])]
    further += [operand(kind) for kind in case.after]
    weights = {name: torch.rand(classes) + 0.5 for name in case.weighted}
    value = getattr(torch.nn, case.name)(**weights, **case.kwargs)(*inputs, *further)
    g = torch.randn(value.shape)
    value.backward(g)
    return {
        "out": array(value), "g": array(g), **{f"weight/{k}": array(v) for k, v in weights.items()},
        **{f"in/{k}": array(x) for k, x in enumerate(inputs)}, **{f"further/{k}": array(x) for k, x in enumerate(further)},
        **{f"grad_in/{k}": array(x.grad) for k, x in enumerate(inputs)},
    }  # fmt: skip


def optimizer(name: str, options: dict[str, Any]) -> dict[str, np.ndarray]:
    """Least squares with a linear map: the curve of the objective and where the parameters end, in float32 and 64."""
    torch.manual_seed(0)
    start = {"x": torch.randn(16, 4), "y": torch.randn(16, 3), "w": torch.randn(3, 4), "b": torch.randn(3)}
    out = {k: array(v) for k, v in start.items()}
    for prefix, dtype in (("", torch.float32), ("exact/", torch.float64)):
        run = descent(name, options, {k: v.clone().to(dtype) for k, v in start.items()})
        out |= {prefix + k: v for k, v in run.items()}
    return out


def descent(name: str, options: dict[str, Any], start: dict[str, Any]) -> dict[str, np.ndarray]:
    x, y, w, b = (start[k] for k in "xywb")
    w.requires_grad_()
    b.requires_grad_()
    chosen = getattr(torch.optim, name)([w, b], **options)
    curve = []
    for _ in range(STEPS):
        chosen.zero_grad()
        objective = ((x @ w.T + b - y) ** 2).mean()
        objective.backward()
        chosen.step()
        curve.append(objective.item())
    return {"curve": np.array(curve, array(w).dtype), "w_end": array(w), "b_end": array(b)}


def schedule(make: Any) -> dict[str, np.ndarray]:
    """Rates and momenta of both groups, before the first step and after each."""
    p, q = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
    chosen = torch.optim.SGD([{"params": [p]}, {"params": [q], "lr": 0.02}], lr=0.1, momentum=0.9)
    scheduler = make(torch.optim.lr_scheduler, chosen)
    curve = [settings(chosen)]
    for k in range(SCHEDULE_STEPS):
        chosen.step()
        advance(scheduler, k)
        curve.append(settings(chosen))
    return {"curve": np.array(curve), "keys": np.array(sorted(scheduler.state_dict()))}


def init(name: str, args: tuple[Any, ...]) -> dict[str, np.ndarray]:
    """Of each parameter over 20 draws: smallest, largest, mean, standard deviation."""
    torch.manual_seed(0)
    drawn: dict[str, list[np.ndarray]] = {}
    for _ in range(20):
        for key, p in getattr(torch.nn, name)(*args).named_parameters():
            drawn.setdefault(key, []).append(array(p))
    return {k: np.array([np.min(v), np.max(v), np.mean(v), np.std(v)], np.float64) for k, v in drawn.items()}


def packed(key: str) -> dict[str, np.ndarray]:
    """A recurrent layer on sequences of unequal lengths: packed, run, padded again."""
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    torch.manual_seed(zlib.crc32(key.encode()))
    name, sizes, options, lengths, initial = PACKED[key]
    module = getattr(torch.nn, name)(*sizes, **options)
    batch_first = module.batch_first
    shape = (len(lengths), max(lengths)) if batch_first else (max(lengths), len(lengths))
    x = torch.randn(*shape, sizes[0], requires_grad=True)
    layers = module.num_layers * (2 if module.bidirectional else 1)
    widths = [module.proj_size or sizes[1], sizes[1]][: 2 if name == "LSTM" else 1]
    hx = [torch.randn(layers, len(lengths), width, requires_grad=True) for width in widths]
    given = (tuple(hx) if name == "LSTM" else hx[0]) if initial else None
    is_sorted = lengths == sorted(lengths, reverse=True)
    sequences = pack_padded_sequence(x, lengths, batch_first=batch_first, enforce_sorted=is_sorted)
    y, last = module(sequences, given)
    padded, _ = pad_packed_sequence(y, batch_first=batch_first, total_length=max(lengths) + 1, padding_value=0.5)
    results = [padded, *leaves(last)]
    gradients = [torch.randn(r.shape) for r in results]
    torch.autograd.backward(results, gradients)
    out = {f"state/{k}": array(v) for k, v in module.state_dict().items()}
    out |= {"in": array(x), "grad_in": array(x.grad), "data": array(sequences.data), "packed_out": array(y.data)}
    out |= {k: array(v) for k, v in sequences._asdict().items() if v is not None and k != "data"}
    for k, s in enumerate(hx if initial else []):
        out |= {f"hx/{k}": array(s), f"grad_hx/{k}": array(s.grad)}
    for k, (r, g) in enumerate(zip(results, gradients, strict=True)):
        out |= {f"out/{k}": array(r), f"g/{k}": array(g)}
    return out | {f"grad/{k}": array(p.grad) for k, p in module.named_parameters()}


def write(name: str, cases: dict[str, dict[str, np.ndarray]]) -> None:
    arrays = {f"{case}/{key}": value for case, values in cases.items() for key, value in values.items()}
    np.savez_compressed(HERE / f"{name}.npz", **arrays)
    print(f"{name}.npz: {len(arrays)} arrays, {(HERE / f'{name}.npz').stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    chosen = set(sys.argv[1:])
    for family, rows in FAMILIES.items():
        if not chosen or family in chosen:
            write(f"layers/{family}", {case.id: layer(case) for case in rows.values()})
    if not chosen or "losses" in chosen:
        write("losses", {case.id: loss(case) for case in LOSSES.values()})
    if not chosen or "optimizers" in chosen:
        write("optimizers", {key: optimizer(*row) for key, row in OPTIMIZERS.items()})
    if not chosen or "schedules" in chosen:
        write("schedules", {key: schedule(make) for key, make in SCHEDULES.items()})
    if not chosen or "inits" in chosen:
        write("inits", {key: init(*row) for key, row in INITS.items()})
    if not chosen or "packed" in chosen:
        write("packed", {key: packed(key) for key in PACKED})
