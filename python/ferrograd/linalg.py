"""Linear algebra by PyTorch's names: norms of vectors and matrices."""

from __future__ import annotations

from .functions.norms import linalg_norm as norm
from .functions.norms import matrix_norm, vector_norm

__all__ = ["matrix_norm", "norm", "vector_norm"]
