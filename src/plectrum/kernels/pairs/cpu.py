"""The pair kernels in Numba. Float32 tables, flat, their rows a multiple of 16 floats apart."""

from plectrum.kernels.pairs._cpu_cbow import cbow
from plectrum.kernels.pairs._cpu_classify import classify
from plectrum.kernels.pairs._cpu_random import alias_table, thin
from plectrum.kernels.pairs._cpu_skip_gram import BLOCK, skip_gram
from plectrum.kernels.pairs._cpu_softmax import hierarchical_softmax, huffman_paths
from plectrum.kernels.pairs._cpu_vector import LANES

__all__ = [
    "BLOCK",
    "LANES",
    "alias_table",
    "cbow",
    "classify",
    "hierarchical_softmax",
    "huffman_paths",
    "skip_gram",
    "thin",
]
