"""What scripts set and ask of `torch.backends`.

Results here are deterministic whatever is set. Of PyTorch's settings none changes how anything is computed; `conv` is
ours, and does.
"""

from __future__ import annotations

from . import _core


class _Backend:
    """A library of PyTorch's that is not here."""

    def __init__(self, **settings: bool) -> None:
        for name, value in settings.items():
            setattr(self, name, value)

    def is_available(self) -> bool:
        """Whether the library is here: no."""
        return False

    def is_built(self) -> bool:
        """Whether the library is here: no."""
        return False


class _Convolution:
    """How convolutions are computed."""

    @property
    def winograd(self) -> bool:
        """Whether float32 convolutions of 3 × 3 at stride 1 and their gradients may go by Winograd's algorithm
        F(4 × 4, 3 × 3), up to three times faster than the direct sum; default True, or False where the environment
        has FERROGRAD_WINOGRAD=0. It is for the whole process.

        The relative error is about twice the direct sum's (1.4e-6 against 0.8e-6 over 256 channels of random numbers).
        An infinity or NaN in the input reaches a tile of 4 × 4 results instead of the 3 × 3 that it belongs to.
        """
        return _core.is_winograd_enabled()

    @winograd.setter
    def winograd(self, mode: bool) -> None:
        _core.set_winograd(mode)


conv = _Convolution()
cudnn = _Backend(enabled=False, benchmark=False, deterministic=True, allow_tf32=False)
cuda = _Backend()
mps = _Backend()
mkldnn = _Backend(enabled=False)
