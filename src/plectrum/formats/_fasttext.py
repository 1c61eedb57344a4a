"""fastText's models as vectors: the words' own, and through their n-grams those of any other word."""

from pathlib import Path

import numpy as np

from plectrum.formats._fasttext_model import is_fasttext, read_model
from plectrum.formats._format import Format, Wanted
from plectrum.formats._record import Record


def read_fasttext(path: Path, wanted: Wanted) -> Record:
    """Return the words of a fastText model with the vectors that fastText gives them.

    A word's vector is the mean of its own row and those of its n-grams. `Record.subwords` answers for words
    that are not here. A supervised model's labels stand in the metadata.
    """
    model = read_model(path)
    n = wanted.rows_to_read(len(model.words))
    rows = [row for row in range(n) if wanted.has(model.words[row])]
    words = [model.words[row] for row in rows]
    subwords = model.subwords
    at = np.array(rows, np.int64)
    own = model.input_rows[at] if wanted.keys is not None else model.input_rows[:n]
    if subwords is not None:
        matrix = subwords.word_vectors(words, own)
    else:
        matrix = np.asarray(own, np.float32)
    metadata = {"fasttext": model.arguments}
    if model.labels:
        metadata["fasttext"] = {**model.arguments, "labels": model.labels}
    return Record(words, matrix, model.word_counts[at], metadata=metadata, subwords=subwords)


FORMAT = Format(
    name="fasttext",
    title="fastText model (.bin, .ftz)",
    suffixes=(),
    is_this=is_fasttext,
    read=read_fasttext,
    holds=frozenset({"counts", "subwords"}),
)
