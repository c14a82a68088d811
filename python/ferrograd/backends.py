"""What scripts set and ask of `torch.backends`.

Results here are deterministic whatever is set; no setting changes how anything is computed.
"""

from __future__ import annotations


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


cudnn = _Backend(enabled=False, benchmark=False, deterministic=True, allow_tf32=False)
cuda = _Backend()
mps = _Backend()
mkldnn = _Backend(enabled=False)
