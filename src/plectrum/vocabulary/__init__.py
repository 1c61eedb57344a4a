"""Keys and their rows: which values are the same key, which row a key has, how often it was seen."""

from plectrum.vocabulary._factor import factor as factor
from plectrum.vocabulary._keys import PADDING as PADDING
from plectrum.vocabulary._keys import UNKNOWN as UNKNOWN
from plectrum.vocabulary._keys import canonical_key as canonical_key
from plectrum.vocabulary._vocabulary import Vocabulary as Vocabulary

__all__ = ["PADDING", "UNKNOWN", "Vocabulary", "canonical_key", "factor"]
