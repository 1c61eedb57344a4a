"""Text: corpora -> word vectors, labelled text -> classifiers."""

from plectrum.text._classifier import TextClassifier as TextClassifier
from plectrum.text._fasttext import FastText as FastText
from plectrum.text._glove import GloVe as GloVe
from plectrum.text._learn import learn_words as learn_words
from plectrum.text._learn_labels import learn_labels as learn_labels
from plectrum.text._phrases import Phrases as Phrases
from plectrum.text._saved import load_model as load_model
from plectrum.text._word2vec import Word2Vec as Word2Vec

__all__ = [
    "FastText",
    "GloVe",
    "Phrases",
    "TextClassifier",
    "Word2Vec",
    "learn_labels",
    "learn_words",
    "load_model",
]
