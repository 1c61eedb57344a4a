"""Vectors: keys and their rows of one matrix, and what can be asked of them."""

from plectrum.vectors._coverage import Coverage as Coverage
from plectrum.vectors._hand_off import VIEWERS as VIEWERS
from plectrum.vectors._hand_off import hand_off as hand_off
from plectrum.vectors._vectors import Vectors as Vectors
from plectrum.vectors._vectors import load as load

__all__ = ["VIEWERS", "Coverage", "Vectors", "hand_off", "load"]
