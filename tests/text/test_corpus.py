import bz2
import gzip
import lzma

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import csv
from pyarrow import parquet as pq

from plectrum.errors import ArgumentError, ArgumentTypeError, DataError, MissingColumnError
from plectrum.kernels.tokens import reference
from plectrum.text import _sources
from plectrum.text._corpus import read_corpus
from plectrum.text._scan import ByteScanner
from plectrum.text._tokens import TokenStore

LINES = ["the cat sat on the mat", "", "  the dog\tsat  ", "a café naïve 日本 the", "mat"]
TEXT = "\n".join(LINES)


def sentences(corpus):
    text = [[]]
    for row in corpus.tokens.tolist():
        if row < 0:
            text.append([])
        else:
            text[-1].append(corpus.keys[row])
    return text


EXPECTED = [line.split() for line in LINES if line.split()]


def zstandard(raw):
    return pa.compress(raw, codec="zstd", asbytes=True)


def two_frames(raw):
    return zstandard(raw[:30]) + zstandard(raw[30:])


@pytest.mark.parametrize(
    "compress", [bytes, gzip.compress, bz2.compress, lzma.compress, zstandard, two_frames]
)
def test_a_file_is_read_whatever_it_is_compressed_with(tmp_path, compress):
    path = tmp_path / "text.bin"  # told by content, not by name
    path.write_bytes(compress(TEXT.encode()))
    corpus = read_corpus(path, min_count=1)
    assert sentences(corpus) == EXPECTED
    assert corpus.n_words == sum(map(len, EXPECTED))


def test_lists_and_files_give_the_same_corpus(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    a, b = read_corpus(path, min_count=2), read_corpus((line for line in EXPECTED), min_count=2)
    assert a.keys == b.keys == ["the", "sat", "mat"]
    assert a.counts.tolist() == b.counts.tolist() == [4, 2, 2]
    assert a.tokens.tolist() == b.tokens.tolist()
    assert (a.n_words, a.n_distinct) == (b.n_words, b.n_distinct)


def test_columns_of_parquet_and_csv_are_sentences(tmp_path):
    table = pa.table({"id": list(range(4)), "text": ["to be or", None, "not\nto", "be, then"]})
    pq.write_table(table, tmp_path / "a.parquet")
    csv.write_csv(table, tmp_path / "a.csv")
    for name in ("a.parquet", "a.csv"):
        corpus = read_corpus(tmp_path / name, column="text", min_count=1)
        assert sentences(corpus) == [["to", "be", "or"], ["not", "to"], ["be,", "then"]]
        with pytest.raises(ArgumentError, match="id, text"):
            read_corpus(tmp_path / name)
        with pytest.raises(MissingColumnError, match="'words'"):
            read_corpus(tmp_path / name, column="words")
        with pytest.raises(DataError, match="must be a column of text"):
            read_corpus(tmp_path / name, column="id")


def test_words_and_lines_may_cross_the_pieces_that_are_read(tmp_path, monkeypatch):
    path = tmp_path / "text.txt"
    path.write_text(TEXT + "\n" + "x" * 50, encoding="utf-8")
    for size in (1, 2, 3, 7, 16):
        monkeypatch.setattr(_sources, "PIECE", size)
        assert sentences(read_corpus(path, min_count=1)) == [*EXPECTED, ["x" * 50]]


def test_one_endless_line_is_one_sentence(tmp_path):
    path = tmp_path / "endless.txt"
    path.write_text(" ".join(f"w{i % 7}" for i in range(50_000)))
    corpus = read_corpus(path)
    assert len(corpus.tokens) == 50_000
    assert (corpus.tokens >= 0).all()


def test_a_text_longer_than_the_memory_is_kept_in_a_file():
    text = [[str(i % 11) for i in range(k, k + 30)] for k in range(200)]
    inside, outside = read_corpus(text), read_corpus(text, memory=100)
    assert isinstance(outside.tokens, np.memmap)
    np.testing.assert_array_equal(inside.tokens, outside.tokens)
    store = TokenStore(memory=0)
    assert len(store.finish()) == 0


def test_known_keys_keep_their_rows_and_new_ones_follow():
    corpus = read_corpus([["b", "new", "new", "rare"], ["a"]], min_count=2, known=["a", "b", "c"])
    assert corpus.keys == ["a", "b", "c", "new"]
    assert corpus.counts.tolist() == [1, 1, 0, 2]
    assert corpus.tokens.tolist() == [1, 3, 3, -1, 0]


def test_keys_need_not_be_text():
    assert read_corpus([[1, 2, 1], [(3, 4), 2]], min_count=1).keys == [1, 2, (3, 4)]


def test_bytes_that_are_not_utf8_stay_distinct():
    scanner = ByteScanner()
    scanner.scan(b"a\xff a\xfe caf\xc3\xa9 ")
    assert scanner.keys() == ["a\\xff", "a\\xfe", "café"]


@settings(deadline=None)  # the first example compiles
@given(st.binary(max_size=400), st.integers(1, 3))
def test_the_scanner_equals_its_definition(text, capacity):
    text = text + b" "
    words, counts, tokens = reference.scan_text(text)
    scanner = ByteScanner(capacity)
    found = scanner.scan(text).tolist()
    assert scanner.counts.tolist() == counts
    assert list(map(str.encode, scanner.keys())) == [
        word.decode("utf-8", "backslashreplace").encode() for word in words
    ]
    assert [token for token in found if token >= 0] == [token for token in tokens if token >= 0]
    lines = text.split(b"\n")
    assert found.count(-1) == len(lines) - 1


def test_text_instead_of_lists_of_words_is_refused_with_advice():
    with pytest.raises(ArgumentTypeError, match="Split it first"):
        read_corpus(["a text", "of strings"])
    with pytest.raises(ArgumentTypeError, match="path of a file or an iterable"):
        read_corpus(7)


def test_an_empty_text_and_one_of_rare_words_are_refused(tmp_path):
    path = tmp_path / "empty.txt"
    path.write_text("")
    with pytest.raises(DataError, match="it is empty"):
        read_corpus(path)
    with pytest.raises(DataError, match="seen 2 times"):
        read_corpus([["a", "a", "b"]])


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress, zstandard])
def test_a_file_that_was_cut_off_or_damaged_is_named(tmp_path, compress):
    path = tmp_path / "cut.bin"
    whole = compress(np.random.default_rng(0).bytes(50_000))
    path.write_bytes(whole[:30_000])
    with pytest.raises(DataError, match=r"cut\.bin.*damaged or cut off"):
        read_corpus(path)
    for at in (20, 30_000):
        path.write_bytes(whole[:at] + bytes(8) + whole[at + 8 :])
        with pytest.raises(DataError):  # what is damaged is found, or no word is frequent
            read_corpus(path, min_count=100_000)
