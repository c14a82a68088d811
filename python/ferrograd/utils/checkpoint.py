"""Checkpointing: activations are computed a second time in backward, in place of being kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from .. import _core
from ..autograd.graph import saved_tensors_hooks
from ..grad_mode import enable_grad
from ..nn.containers import Sequential
from ..random import default_generator
from ._pytree import flatten

__all__ = ["CheckpointError", "checkpoint", "checkpoint_sequential"]


class CheckpointError(RuntimeError):
    """The second run of a checkpointed function saved other things than the first."""


class _Enough(BaseException):
    """The second run has come to what is needed last. No Exception: a layer must not take it for an error."""


def _two_plain_contexts() -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
    return nullcontext(), nullcontext()


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable[[], tuple[Any, Any]] = _two_plain_contexts,
    determinism_check: str = "default",
    preserve_rng_state: bool = True,
    early_stop: bool = True,
    **kwargs: Any,
) -> Any:
    """function(*args, **kwargs), without keeping what its ops save: backward runs the function again to have it.

    So a net of n layers in √n checkpointed pieces keeps O(√n) activations for the price of a second forward pass (Chen
    et al. 2016). The gradients are the same, second order included; batch norm sees every batch twice.

    Args:
        function: what to run; it may look up parameters.
        args: its positional arguments, tensors or not.
        use_reentrant: accepted; the way is always the one that PyTorch calls non-reentrant.
        context_fn: gives two context managers, for the first and the second run.
        determinism_check: "default" compares the shapes and dtypes of both runs, "none" compares only their number.
        preserve_rng_state: the second run draws the same random numbers (from `fg.default_generator`) as the first.
        early_stop: end the second run with the last tensor that backward needs.
        kwargs: the keyword arguments of `function`.

    Raises:
        CheckpointError: in backward, where the second run saves other things than the first.
    """
    if determinism_check not in ("default", "none"):
        raise ValueError(f"checkpoint: determinism_check: expected 'default' or 'none', got {determinism_check!r}")
    first, second = context_fn()
    if not _core.is_grad_enabled():
        with first:
            return function(*args, **kwargs)
    frame = _Frame(function, args, kwargs, second, determinism_check == "default", preserve_rng_state, early_stop)
    with first, saved_tensors_hooks(frame.pack, frame.unpack):
        return function(*args, **kwargs)


class _Frame:
    """One checkpointed call: what is needed to run it again, and what that run has given."""

    def __init__(
        self, function: Any, args: Any, kwargs: Any, context: Any, compares: bool, keeps_rng: bool, stops: bool
    ) -> None:
        self.function = function
        self.args = args
        self.kwargs = kwargs
        self.context = context
        self.compares = compares
        self.stops = stops
        self.rng = default_generator.get_state() if keeps_rng else None
        self.versions = self._versions()
        #: The shape and dtype of what the first run saved.
        self.saved: list[tuple[tuple[int, ...], str]] = []
        #: What the second run saved, by number, until it is asked for; with the version of its memory.
        self.found: dict[int, tuple[Any, int]] = {}

    def _versions(self) -> list[int]:
        leaves = flatten((self.args, self.kwargs))[0]
        return [x._version for x in leaves if isinstance(x, _core.TensorBase)]

    def pack(self, tensor: Any) -> int:
        """The number of a saved tensor in the place of the tensor."""
        self.saved.append((tensor.shape, tensor._dtype))
        return len(self.saved) - 1

    def unpack(self, number: int) -> Any:
        """The tensor of a number."""
        if number not in self.found:
            self._run_again()
        tensor, version = self.found.pop(number)
        if tensor._version != version:
            raise CheckpointError(
                f"checkpoint: a tensor of shape {tensor.shape} that was saved for the gradient has been changed by an "
                "in-place operation in the checkpointed function"
            )
        return tensor

    def _run_again(self) -> None:
        if self._versions() != self.versions:
            raise CheckpointError("checkpoint: an argument of the function has been changed in place since it ran")
        self.found = {}
        count = 0

        def keep(tensor: Any) -> None:
            nonlocal count
            if count < len(self.saved):
                self._compare(count, tensor)
                self.found[count] = tensor, tensor._version
            count += 1
            if self.stops and count == len(self.saved):
                raise _Enough

        before = default_generator.get_state()
        if self.rng is not None:
            default_generator.set_state(self.rng)
        try:
            with enable_grad(), self.context, saved_tensors_hooks(keep, _never):
                self.function(*self.args, **self.kwargs)
        except _Enough:
            pass
        finally:
            if self.rng is not None:
                default_generator.set_state(before)
        if count != len(self.saved):
            raise CheckpointError(
                f"checkpoint: the function saved {len(self.saved)} tensors when it first ran and {count} when it ran again"
            )

    def _compare(self, number: int, tensor: Any) -> None:
        shape, dtype = self.saved[number]
        if self.compares and (tensor.shape, tensor._dtype) != (shape, dtype):
            raise CheckpointError(
                f"checkpoint: saved tensor {number} was of shape {shape} and dtype {dtype} when the function first ran, "
                f"and of shape {tensor.shape} and dtype {tensor._dtype} when it ran again"
            )


def _never(handle: Any) -> Any:
    raise CheckpointError("checkpoint: the graph of a second run is not walked")


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, preserve_rng_state: bool = True
) -> Any:
    """The functions (or an `nn.Sequential`) one after the other on `input`, in `segments` checkpointed pieces.

    The last piece is not checkpointed: backward begins with it.
    """
    layers = functions if isinstance(functions, Sequential) else _Chain(functions)
    if not 1 <= segments <= len(layers):
        raise ValueError(f"checkpoint_sequential: segments: expected 1 to {len(layers)}, got {segments}")
    size = len(layers) // segments
    last = size * (segments - 1)
    for start in range(0, last, size):
        input = checkpoint(layers[start : start + size], input, preserve_rng_state=preserve_rng_state)
    return layers[last:](input)


class _Chain:
    """Functions one after the other."""

    def __init__(self, functions: Iterable[Callable[..., Any]]) -> None:
        self.functions = list(functions)

    def __len__(self) -> int:
        return len(self.functions)

    def __getitem__(self, part: slice) -> _Chain:
        return _Chain(self.functions[part])

    def __call__(self, x: Any) -> Any:
        for function in self.functions:
            x = function(x)
        return x
