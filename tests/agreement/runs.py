"""One run of a model in one library, and the yardstick that compares runs.

The yardstick is the run in float64 by PyTorch. For the output and for each parameter's gradient, our distance from it may
be twice PyTorch's float32 one, and 1e-6 of the whole output or gradient. A loss curve may be as far from it, up to the step
where PyTorch's own has gone 1e-3 away; where it never does, ours must not either.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .systems import System

GOLDEN = Path(__file__).parent / "golden.npz"

#: How many numbers stand for a gradient of more elements: its products with that many random sign vectors, over √n.
SKETCH = 24


class Run(NamedTuple):
    """What a run gave: output and gradients of the first step, losses of all, parameters at the end."""

    output: Any
    gradients: dict[str, Any]
    losses: Any
    weights: Any


def seed(name: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(name.encode()))


def _rounded(x: Any) -> Any:
    """As float32 holds it, so that both precisions start alike."""
    return np.asarray(x, np.float32) if np.issubdtype(np.asarray(x).dtype, np.floating) else np.asarray(x, np.int64)


def weights_of(model: Any, rng: np.random.Generator) -> dict[str, Any]:
    """Weights for a model: of standard deviation 1/√fan-in, near 1 for the scales of norms, near 0 for biases."""
    drawn = {}
    for name, p in model.named_parameters():
        shape = tuple(p.shape)
        noise = rng.standard_normal(shape)
        if len(shape) > 1:
            drawn[name] = noise / np.sqrt(np.prod(shape[1:]))
        else:
            drawn[name] = 0.1 * noise + (1.0 if name.endswith("weight") else 0.0)
    return {name: _rounded(value) for name, value in drawn.items()}


def sgd(system: System) -> Callable[[Any, Any], Any]:
    """The optimizer of a system: `make(lib, parameters)`."""
    return lambda lib, parameters: lib.optim.SGD(parameters, lr=system.lr, momentum=system.momentum)


def run(
    lib: Any,
    name: str,
    system: System,
    dtype: str,
    optimizer: Callable[[Any, Any], Any] | None = None,
    schedule: Callable[[Any, Any], Any] | None = None,
    advance: Callable[[Any, int], None] | None = None,
) -> Run:
    """Trains the system for its steps on its batch."""
    rng = seed(name)
    batch = {key: _rounded(value) for key, value in system.batch(rng).items()}
    model = system.build(lib)
    state = model.state_dict()
    for key, value in weights_of(model, rng).items():
        state[key] = lib.from_numpy(value)
    if "head.weight" in state and "token.weight" in state:
        state["head.weight"] = state["token.weight"]  # tied
    model.load_state_dict(state)
    if dtype == "float64":
        model = model.double()
    inputs = {
        key: lib.from_numpy(value.astype(dtype) if value.dtype == np.float32 else value) for key, value in batch.items()
    }
    parameters = list(model.parameters())
    steps = (optimizer or sgd(system))(lib, parameters)
    schedules = schedule(lib.optim.lr_scheduler, steps) if schedule is not None else None
    output, gradients, losses = None, {}, []
    for step in range(system.steps):
        steps.zero_grad()
        y, loss = system.loss(lib, model, inputs)
        loss.backward()
        if step == 0:
            output = np.array(y.detach().numpy(), np.float64)
            gradients = {key: np.array(p.grad.numpy(), np.float64) for key, p in model.named_parameters()}
        losses.append(loss.item())
        steps.step()
        if schedules is not None and advance is not None:
            advance(schedules, step)
    weights = np.concatenate([np.array(p.detach().numpy(), np.float64).ravel() for p in parameters])
    return Run(output, gradients, np.array(losses), weights)


# -- the yardstick ----------------------------------------------------------------------------------------------------


def distance(a: Any, b: Any) -> float:
    return float(np.linalg.norm((np.asarray(a, np.float64) - b).ravel()))


def sketched(name: str, x: Any) -> Any:
    """The array, or where it is large a few numbers whose distances are about those of the arrays."""
    flat = np.asarray(x, np.float64).ravel()
    if flat.size <= 2 * SKETCH:
        return flat
    signs = np.random.default_rng(zlib.crc32(name.encode())).integers(0, 2, (SKETCH, flat.size), dtype=np.int8)
    return (2.0 * (signs @ flat) - flat.sum()) / np.sqrt(SKETCH)


class Truth(NamedTuple):
    """What the float64 run gave, and how far PyTorch's float32 run is from it."""

    output: Any
    gradients: dict[str, Any]
    losses: Any
    weights: Any
    far_output: float
    far_gradients: dict[str, float]
    far_losses: Any
    far_weights: float
    norm_output: float
    norm_gradient: float


def measured(exact: Run, theirs: Run) -> Truth:
    """The yardstick made of two runs in PyTorch."""
    return Truth(
        exact.output,
        exact.gradients,
        exact.losses,
        exact.weights,
        distance(theirs.output, exact.output),
        {key: distance(theirs.gradients[key], g) for key, g in exact.gradients.items()},
        np.abs(theirs.losses - exact.losses),
        distance(theirs.weights, exact.weights),
        distance(exact.output, 0),
        float(np.sqrt(sum(np.square(g).sum() for g in exact.gradients.values()))),
    )


def small(truth: Truth) -> Truth:
    """The yardstick as the golden file keeps it."""
    return truth._replace(
        output=sketched("output", truth.output),
        gradients={key: sketched(key, g) for key, g in truth.gradients.items()},
        weights=sketched("weights", truth.weights),
    )


def of_the_kind_of(run: Run, truth: Truth) -> Run:
    """A run with what the yardstick keeps of arrays in their place."""
    if set(run.gradients) != set(truth.gradients):
        raise AssertionError(f"other parameters: {sorted(set(run.gradients) ^ set(truth.gradients))}")
    full = truth.output.shape == run.output.shape and all(
        g.shape == truth.gradients[k].shape for k, g in run.gradients.items()
    )
    if full:
        return run
    return run._replace(
        output=sketched("output", run.output),
        gradients={key: sketched(key, g) for key, g in run.gradients.items()},
        weights=sketched("weights", run.weights),
    )


def failures(ours: Run, truth: Truth) -> list[str]:
    """What is too far from the yardstick."""
    ours = of_the_kind_of(ours, truth)
    found = []

    def compare(what: str, got: float, theirs: float, slack: float) -> None:
        if not got <= 2 * theirs + slack:
            found.append(f"{what}: {got:.3g} from float64, PyTorch {theirs:.3g}, slack {slack:.3g}")

    compare("output", distance(ours.output, truth.output), truth.far_output, 1e-6 * truth.norm_output)
    for key, g in truth.gradients.items():
        compare(
            f"gradient of {key}", distance(ours.gradients[key], g), truth.far_gradients[key], 1e-6 * truth.norm_gradient
        )
    return found + curve_failures(ours.losses, truth)


def curve_failures(losses: Any, truth: Truth) -> list[str]:
    """Where the loss curve is too far from that of the yardstick."""
    apart = np.flatnonzero(truth.far_losses > 1e-3)
    end = int(apart[0]) + 1 if apart.size else len(truth.losses)
    got = np.abs(losses - truth.losses)[:end].max()
    theirs = truth.far_losses[:end].max()
    slack = 1e-6 * np.abs(truth.losses).max()
    limit = 2 * theirs + slack
    if not apart.size:
        limit = min(limit, 1e-3)
    return [] if got <= limit else [f"losses: {got:.3g} from float64 within {end} steps, PyTorch {theirs:.3g}"]


def training_failures(ours: Run, truth: Truth) -> list[str]:
    """Where the loss curve or the weights at its end are too far from those of the yardstick."""
    if truth.weights.shape != ours.weights.shape:
        ours = ours._replace(weights=sketched("weights", ours.weights))
    found = curve_failures(ours.losses, truth)
    got, limit = distance(ours.weights, truth.weights), 2 * truth.far_weights + 1e-6 * distance(truth.weights, 0)
    if not got <= limit:
        found.append(f"weights: {got:.3g} from float64, PyTorch {truth.far_weights:.3g}")
    return found


# -- the golden file --------------------------------------------------------------------------------------------------


def write(truths: dict[str, Truth]) -> None:
    """Writes the golden file: all numbers in one array, and where each array of each yardstick lies in it."""
    numbers: list[Any] = []
    at = 0

    def place(value: Any) -> Any:
        nonlocal at
        if isinstance(value, dict):
            return {key: place(part) for key, part in value.items()}
        if isinstance(value, float):
            return value
        numbers.append(np.ravel(value))
        at += numbers[-1].size
        return [at - numbers[-1].size, at]

    index = {name: {field: place(value) for field, value in small(t)._asdict().items()} for name, t in truths.items()}
    text = np.frombuffer(json.dumps(index).encode(), np.uint8)
    np.savez_compressed(GOLDEN, index=text, numbers=np.concatenate(numbers))


def read() -> dict[str, Truth]:
    """The yardsticks of the golden file."""
    with np.load(GOLDEN) as arrays:
        index, numbers = json.loads(arrays["index"].tobytes()), arrays["numbers"]

    def fetch(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: fetch(part) for key, part in value.items()}
        return numbers[slice(*value)] if isinstance(value, list) else value

    return {name: Truth(**{field: fetch(value) for field, value in t.items()}) for name, t in index.items()}
