"""Torch modules whose rows can have names: torch's signatures, torch's numbers."""

from plectrum.nn._bag import EmbeddingBag as EmbeddingBag
from plectrum.nn._embedding import Embedding as Embedding
from plectrum.nn._pretrained import Coverage as Coverage
from plectrum.nn._tables import EmbeddingTables as EmbeddingTables

__all__ = ["Coverage", "Embedding", "EmbeddingBag", "EmbeddingTables"]
