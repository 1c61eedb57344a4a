"""Vectors: keys and their rows of one matrix, and what can be asked of them."""

from plectrum.vectors._coverage import Coverage as Coverage
from plectrum.vectors._hand_off import VIEWERS as VIEWERS
from plectrum.vectors._hand_off import hand_off as hand_off
from plectrum.vectors._labels import key_label as key_label
from plectrum.vectors._labels import key_labels as key_labels
from plectrum.vectors._labels import legible as legible
from plectrum.vectors._notebook import ShowsVectors as ShowsVectors
from plectrum.vectors._vectors import Vectors as Vectors
from plectrum.vectors._vectors import load as load

__all__ = [
    "VIEWERS",
    "Coverage",
    "ShowsVectors",
    "Vectors",
    "hand_off",
    "key_label",
    "key_labels",
    "legible",
    "load",
]
