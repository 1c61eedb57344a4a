"""Text: corpora -> word vectors, labelled text -> classifiers."""

from plectrum.text._word2vec import Word2Vec as Word2Vec

__all__ = ["Word2Vec"]
