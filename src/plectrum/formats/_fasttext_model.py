"""fastText's binary models, ``.bin`` and ``.ftz``, as plain data: supervised or not, quantised or pruned or
not.

Little-endian throughout: int32 magic 793712314 and version 11 or 12; the arguments (12 int32, 1 float64); the
dictionary (sizes; per entry the token ending in a zero byte, int64 count, int8 type; for pruned models pairs
of old and new bucket); the input matrix, dense or product-quantised; the output matrix likewise.
Source: fasttext.cc (loadModel), args.cc, dictionary.cc, densematrix.cc, quantmatrix.cc, productquantizer.cc.
"""

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plectrum.formats._damage import damaged
from plectrum.formats._source import Source, compression_of
from plectrum.formats._subwords import Rows, Subwords

MAGIC = struct.pack("<i", 793712314)
_VERSIONS = (11, 12)
_ARGUMENTS = (
    "dim",
    "ws",
    "epoch",
    "min_count",
    "neg",
    "word_ngrams",
    "loss",
    "model",
    "bucket",
    "min_n",
    "max_n",
    "lr_update_rate",
)
_LOSSES = {1: "hs", 2: "ns", 3: "softmax", 4: "ova"}
_MODELS = {1: "cbow", 2: "skip-gram", 3: "supervised"}
_LARGEST_N = 64  # characters in an n-gram; a damaged number would make the walk over words endless
_LONGEST_TOKEN = 1 << 16


@dataclass(frozen=True)
class QuantizedRows:
    """A matrix whose rows are unpacked when they are taken: product quantisation (Jegou et al. 2011).

    A row is cut into parts of `part_size` numbers, and each part is one of 256 centroids; with norms, rows
    were divided by their lengths first, and these are quantised too.
    """

    codes: NDArray[np.uint8]  # (n, n_parts)
    centroids: NDArray[np.float32]  # (embedding_dim * 256,): those of part after part
    dim: int
    part_size: int
    norm_codes: NDArray[np.uint8] | None = None  # (n,)
    norm_centroids: NDArray[np.float32] | None = None  # (256,)

    @property
    def shape(self) -> tuple[int, int]:
        """(n_rows, embedding_dim)."""
        return len(self.codes), self.dim

    def __getitem__(self, rows: Any) -> NDArray[np.float32]:
        codes = np.atleast_2d(self.codes[rows])
        unpacked = np.empty((len(codes), self.dim), np.float32)
        for part in range(codes.shape[1]):
            first = part * self.part_size
            size = min(self.part_size, self.dim - first)  # the last part may be shorter
            centroids = self.centroids[first * 256 : first * 256 + size * 256].reshape(256, size)
            unpacked[:, first : first + size] = centroids[codes[:, part]]
        if self.norm_codes is not None and self.norm_centroids is not None:
            with np.errstate(over="ignore", invalid="ignore"):  # a file may hold infinities
                unpacked *= self.norm_centroids[np.atleast_1d(self.norm_codes[rows])][:, None]
        return unpacked[0] if np.ndim(self.codes[rows]) == 1 else unpacked


@dataclass(frozen=True)
class FastTextModel:
    """What a fastText model file holds.

    Attributes
    ----------
    arguments : dict
        The training arguments that the file keeps; ``loss`` and ``model`` by name.
    words, labels : list of str
        In the order of their rows in `input_rows` and `output_rows`. Bytes that are no UTF-8 are kept as
        surrogate escapes. Labels keep their ``__label__``.
    word_counts, label_counts : int64 arrays
    input_rows : array of shape (n_words + n_buckets, embedding_dim)
        Words first, then hashed n-grams. A view of the file, or `QuantizedRows`.
    output_rows : array of shape (n_labels or n_words, embedding_dim)
    kept : int64 array of shape (2, n_kept), or None
        For pruned models: the n-gram buckets that are left, rising, and their rows behind the words.
    """

    arguments: dict[str, Any]
    words: list[str]
    labels: list[str]
    word_counts: NDArray[np.int64]
    label_counts: NDArray[np.int64]
    input_rows: Rows
    output_rows: Rows
    kept: NDArray[np.int64] | None

    @property
    def subwords(self) -> Subwords | None:
        """The character n-grams and their rows, None when the model has none."""
        if self.arguments["max_n"] < 1 or self.arguments["bucket"] < 1:
            return None
        min_n, max_n = max(1, self.arguments["min_n"]), self.arguments["max_n"]
        if max_n < min_n:
            return None
        return Subwords(self.input_rows, min_n, max_n, self.arguments["bucket"], len(self.words), self.kept)


class _Cursor:
    """The bytes of a model file, read from front to back; every shortfall is a `FormatError`."""

    def __init__(self, path: Path, raw: NDArray[np.uint8]) -> None:
        self.path, self.raw, self.at = path, raw, 0

    def left(self) -> int:
        return len(self.raw) - self.at

    def take(self, n_bytes: int, what: str) -> NDArray[np.uint8]:
        if n_bytes > self.left():
            raise damaged(
                self.path, self.at, f"{n_bytes:,} bytes of {what}", f"{self.left():,} until the end"
            )
        found = self.raw[self.at : self.at + n_bytes]
        self.at += n_bytes
        return found

    def unpack(self, layout: str, what: str) -> tuple[Any, ...]:
        return struct.unpack("<" + layout, self.take(struct.calcsize("<" + layout), what).tobytes())

    def sizes(self, layout: str, what: str) -> tuple[int, ...]:
        """Read counts, which cannot be negative."""
        at = self.at
        found = self.unpack(layout, what)
        if min(found) < 0:
            raise damaged(self.path, at, f"{what} of 0 or more", f"{found}")
        return found

    def array(self, dtype: str, n: int, what: str) -> NDArray[Any]:
        """Return an array that lies in the file itself."""
        return self.take(n * np.dtype(dtype).itemsize, what).view(dtype)


def is_fasttext(path: Path, head: bytes) -> bool:
    """Whether a file begins as fastText's models do."""
    del path
    return head[:4] == MAGIC


def read_model(path: Path) -> FastTextModel:
    """Return what a fastText model file holds; dense matrices stay in the file, mapped into memory.

    Raises
    ------
    FormatError
        The file is no fastText model, is damaged, or was written by another version.
    """
    cursor = _Cursor(path, _bytes_of(path))
    arguments = _read_arguments(cursor)
    words, labels, counts, kept = _read_dictionary(cursor)
    quantized = _read_flag(cursor, "the flag of a quantised input matrix")
    at = cursor.at
    input_rows = _read_matrix(cursor, quantized=quantized, what="the input matrix")
    if kept is not None and not quantized:
        raise damaged(path, at, "a quantised input matrix, as the dictionary is pruned", "a dense one")
    _check_shape(cursor, at, input_rows, len(words) + _n_ngrams(arguments, kept), arguments["dim"])
    quantized_output = _read_flag(cursor, "the flag of a quantised output matrix") and quantized
    at = cursor.at
    output_rows = _read_matrix(cursor, quantized=quantized_output, what="the output matrix")
    n_outputs = len(labels) if arguments["model"] == "supervised" else len(words)
    if output_rows.shape != (n_outputs, arguments["dim"]):
        raise damaged(
            path, at, f"an output matrix of {n_outputs:,} x {arguments['dim']}", f"{output_rows.shape}"
        )
    return FastTextModel(
        arguments, words, labels, counts[: len(words)], counts[len(words) :], input_rows, output_rows, kept
    )


def _bytes_of(path: Path) -> NDArray[np.uint8]:
    with path.open("rb") as file:
        start = file.read(6)
        if compression_of(start) is None:
            if not start:
                return np.empty(0, np.uint8)
            return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
    with Source(path) as source:
        parts = []
        while part := source.read(1 << 24):
            parts.append(part)
    return np.frombuffer(b"".join(parts), np.uint8)


def _read_arguments(cursor: _Cursor) -> dict[str, Any]:
    magic = cursor.take(4, "fastText's magic number").tobytes()
    if magic != MAGIC:
        raise damaged(cursor.path, 0, f"fastText's magic number {MAGIC!r}", f"{magic!r}")
    (version,) = cursor.unpack("i", "version")
    if version not in _VERSIONS:
        raise damaged(
            cursor.path, 4, "fastText's version 11 or 12", f"{version}", advice="Convert it with fastText."
        )
    at = cursor.at
    found: dict[str, Any] = dict(zip(_ARGUMENTS, cursor.unpack("12i", "arguments"), strict=True))
    (found["t"],) = cursor.unpack("d", "arguments")
    if found["loss"] not in _LOSSES or found["model"] not in _MODELS or found["dim"] < 1:
        expected = "a loss of 1 to 4, a model of 1 to 3 and a dimension of 1 or more"
        raise damaged(cursor.path, at, expected, f"{found['loss']}, {found['model']} and {found['dim']}")
    if found["bucket"] < 0 or max(found["min_n"], found["max_n"]) > _LARGEST_N:
        raise damaged(
            cursor.path, at, f"buckets of 0 or more and n-grams of at most {_LARGEST_N}", f"{found['bucket']}"
        )
    found["loss"], found["model"] = _LOSSES[found["loss"]], _MODELS[found["model"]]
    if version == 11 and found["model"] == "supervised":
        found["max_n"] = 0  # old supervised models had no character n-grams, whatever they say
    found["version"] = version
    return found


def _read_dictionary(
    cursor: _Cursor,
) -> tuple[list[str], list[str], NDArray[np.int64], NDArray[np.int64] | None]:
    at = cursor.at
    size, n_words, n_labels = cursor.sizes("3i", "the dictionary's sizes")
    cursor.sizes("q", "the number of tokens")
    (n_pruned,) = cursor.unpack("q", "the number of buckets that are left")
    if size != n_words + n_labels or 10 * size > cursor.left():
        expected = f"{size:,} entries, words and labels together, of at least 10 bytes"
        raise damaged(
            cursor.path, at, expected, f"{n_words:,} words, {n_labels:,} labels, {cursor.left():,} bytes"
        )
    entries, counts, kinds = _read_entries(cursor, size)
    wrong = np.flatnonzero(kinds != (np.arange(size) >= n_words))
    if len(wrong):
        row = int(wrong[0])
        raise damaged(
            cursor.path, at, "words (0) before labels (1)", f"type {int(kinds[row])} at entry {row:,}"
        )
    return entries[:n_words], entries[n_words:], counts, _read_pruning(cursor, n_pruned)


def _read_entries(cursor: _Cursor, size: int) -> tuple[list[str], NDArray[np.int64], NDArray[np.uint8]]:
    """Return the tokens of the dictionary, their counts and their types."""
    from plectrum.kernels.parse_text import cpu

    starts, ends = np.empty(size, np.int64), np.empty(size, np.int64)
    n_whole, at = cpu.split_entries(cursor.raw, cursor.at, _LONGEST_TOKEN, starts, ends, 9)
    if n_whole < size:
        expected = f"entry {n_whole:,} of the dictionary: a token, a zero byte, a count and a type"
        raise damaged(cursor.path, at, expected, f"{cursor.raw[at : at + 16].tobytes()!r}")
    view = cursor.raw[cursor.at : at].tobytes()
    places = zip((starts - cursor.at).tolist(), (ends - cursor.at).tolist(), strict=True)
    tokens = [view[a:b].decode("utf-8", "surrogateescape") for a, b in places]
    counts = cursor.raw[ends[:, None] + np.arange(1, 9)].view("<i8").reshape(size)
    kinds = cursor.raw[ends + 9]
    cursor.at = at
    return tokens, counts, kinds


def _read_pruning(cursor: _Cursor, n_pruned: int) -> NDArray[np.int64] | None:
    if n_pruned < 0:
        return None
    pairs = cursor.array("<i4", 2 * n_pruned, "buckets that are left").reshape(-1, 2).astype(np.int64)
    if pairs.min(initial=0) < 0:
        raise damaged(cursor.path, cursor.at, "buckets and rows of 0 or more", f"{int(pairs.min())}")
    return np.ascontiguousarray(pairs[np.argsort(pairs[:, 0], kind="stable")].T)


def _read_flag(cursor: _Cursor, what: str) -> bool:
    (flag,) = cursor.unpack("B", what)
    if flag > 1:
        raise damaged(cursor.path, cursor.at - 1, f"{what}, 0 or 1", f"{flag}")
    return bool(flag)


def _read_matrix(cursor: _Cursor, *, quantized: bool, what: str) -> Rows:
    if quantized:
        return _read_quantized(cursor, what)
    n, dim = cursor.sizes("2q", f"the size of {what}")
    return cursor.array("<f4", n * dim, f"{what}, {n:,} x {dim:,}").reshape(n, dim)


def _read_quantized(cursor: _Cursor, what: str) -> QuantizedRows:
    has_norms = _read_flag(cursor, f"the flag of quantised norms of {what}")
    n, dim = cursor.sizes("2q", f"the size of {what}")
    at = cursor.at
    (n_codes,) = cursor.sizes("i", f"the number of codes of {what}")
    codes = cursor.take(n_codes, f"the codes of {what}")
    n_parts, part_size, centroids = _read_quantizer(cursor, dim, what)
    if n_codes != n * n_parts:
        raise damaged(cursor.path, at, f"{n:,} x {n_parts} codes of {what}", f"{n_codes:,}")
    norm_codes = norm_centroids = None
    if has_norms:
        norm_codes = cursor.take(n, f"the norms of {what}")
        _, _, norm_centroids = _read_quantizer(cursor, 1, f"the norms of {what}")
    return QuantizedRows(codes.reshape(n, n_parts), centroids, dim, part_size, norm_codes, norm_centroids)


def _read_quantizer(cursor: _Cursor, dim: int, what: str) -> tuple[int, int, NDArray[np.float32]]:
    at = cursor.at
    found_dim, n_parts, part_size, last_size = cursor.sizes("4i", f"the quantiser of {what}")
    if (
        found_dim != dim
        or part_size < 1
        or (n_parts - 1) * part_size + last_size != dim
        or last_size > part_size
    ):
        expected = f"a quantiser of {dim:,} dimensions in equal parts, the last perhaps shorter"
        raise damaged(
            cursor.path, at, expected, f"{found_dim}: {n_parts} parts of {part_size}, the last {last_size}"
        )
    return n_parts, part_size, cursor.array("<f4", dim * 256, f"the centroids of {what}").astype(np.float32)


def _n_ngrams(arguments: dict[str, Any], kept: NDArray[np.int64] | None) -> int:
    """How many n-gram rows must stand behind the words', that every row which is asked for is there."""
    if kept is not None:
        return int(kept[1].max(initial=-1)) + 1
    return int(arguments["bucket"]) if arguments["max_n"] > 0 or arguments["word_ngrams"] > 1 else 0


def _check_shape(cursor: _Cursor, at: int, rows: Rows, n_needed: int, dim: int) -> None:
    if rows.shape[1] != dim or rows.shape[0] < n_needed:
        expected = f"an input matrix of at least {n_needed:,} x {dim:,}"
        raise damaged(cursor.path, at, expected, f"{rows.shape[0]:,} x {rows.shape[1]:,}")
