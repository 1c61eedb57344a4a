"""Text: corpora -> word vectors, labelled text -> classifiers."""

from plectrum.text._fasttext import FastText as FastText
from plectrum.text._word2vec import Word2Vec as Word2Vec

__all__ = ["FastText", "Word2Vec"]
