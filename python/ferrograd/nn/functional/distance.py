"""Distances and similarities of vectors."""

from ...functions.products import cosine_similarity, pairwise_distance, pdist

__all__ = ["cosine_similarity", "pairwise_distance", "pdist"]
