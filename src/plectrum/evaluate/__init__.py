"""How good vectors are: analogies and word pairs, by stated conventions, coverage always beside the score."""

from plectrum.evaluate._analogies import CONVENTIONS as CONVENTIONS
from plectrum.evaluate._analogies import AnalogyScores as AnalogyScores
from plectrum.evaluate._analogies import SectionScore as SectionScore
from plectrum.evaluate._analogies import analogies as analogies
from plectrum.evaluate._pairs import PairScores as PairScores
from plectrum.evaluate._pairs import word_pairs as word_pairs

__all__ = ["CONVENTIONS", "AnalogyScores", "PairScores", "SectionScore", "analogies", "word_pairs"]
