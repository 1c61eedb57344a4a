"""Bytes to plain records and back: one file per format, and a registry."""

from plectrum.formats._atomic import atomic_path as atomic_path
from plectrum.formats._fasttext_lines import FastTextLines as FastTextLines
from plectrum.formats._fasttext_model import FastTextModel as FastTextModel
from plectrum.formats._fasttext_model import read_model as read_fasttext_model
from plectrum.formats._fasttext_scores import label_probabilities as label_probabilities
from plectrum.formats._format import Format as Format
from plectrum.formats._format import Wanted as Wanted
from plectrum.formats._keys import keys_from_json as keys_from_json
from plectrum.formats._keys import keys_to_json as keys_to_json
from plectrum.formats._record import Record as Record
from plectrum.formats._registry import FORMATS as FORMATS
from plectrum.formats._registry import read as read
from plectrum.formats._registry import sniff as sniff
from plectrum.formats._registry import write as write
from plectrum.formats._subwords import Subwords as Subwords
from plectrum.formats._text_keys import TextKeys as TextKeys

__all__ = [
    "FORMATS",
    "FastTextLines",
    "FastTextModel",
    "Format",
    "Record",
    "Subwords",
    "TextKeys",
    "Wanted",
    "atomic_path",
    "keys_from_json",
    "keys_to_json",
    "label_probabilities",
    "read",
    "read_fasttext_model",
    "sniff",
    "write",
]
