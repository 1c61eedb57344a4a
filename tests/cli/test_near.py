import datetime as dt
import json
import subprocess

import numpy as np
import pytest

from cli.command import command
from cli.command import plectrum as plectrum_process
from cli.command import plectrum_here as plectrum
from plectrum.cli._keys import find_key, readings
from plectrum.cli._near import lines_at_hand
from plectrum.errors import ArgumentError, UnknownKeyError
from plectrum.vectors import Vectors
from runs.fake_run import make_fake_run


def write_vectors(path, n=5):
    rng = np.random.default_rng(0)
    Vectors([f"key {i}" for i in range(n)], rng.normal(size=(n, 4)), np.arange(n)[::-1].copy()).save(path)
    return path


def test_a_run_finds_the_column_by_itself(tmp_path):
    make_fake_run(tmp_path / "r", levels={"dest": 30})
    done = plectrum("near", tmp_path / "r", "key 3", "-k", 4)
    done.assert_succeeds()
    lines = [line.split("\t") for line in done.out.splitlines()]
    assert len(lines) == 4
    similarities = [float(similarity) for _, similarity, _ in lines]
    assert similarities == sorted(similarities, reverse=True)
    assert all(key.startswith("key ") and key != "key 3" and int(count) > 0 for key, _, count in lines)


def test_a_key_of_two_columns_asks_for_one(tmp_path):
    make_fake_run(tmp_path / "r", levels={"dest": 30, "origin": 3})
    plectrum("near", tmp_path / "r", "key 2").assert_fails(1, "dest, origin", "--column dest")
    plectrum("near", tmp_path / "r", "key 2", "--column", "origin").assert_succeeds()
    assert len(plectrum("near", tmp_path / "r", "key 20").out.splitlines()) == 10
    plectrum("near", tmp_path / "r", "key 2", "--column", "hour").assert_fails(1, "hour", "has none")
    plectrum("near", tmp_path / "r", "key 2", "--column", "x").assert_fails(1, "'x'", "dest, origin")


def test_a_typing_error_gets_did_you_mean(tmp_path):
    path = write_vectors(tmp_path / "v.parquet")
    plectrum("near", path, "kye 3").assert_fails(1, "no key 'kye 3'", "Did you mean 'key 3'")


def test_json_is_one_document(tmp_path):
    path = write_vectors(tmp_path / "v.parquet")
    answer = json.loads(plectrum("near", path, "key 3", "-k", 2, "--json").out)
    assert answer["key"] == "key 3"
    assert [set(n) for n in answer["neighbours"]] == [{"key", "similarity", "count"}] * 2
    many = json.loads(plectrum_process("near", path, "-", "--json", stdin="key 1\nkey 2\n").out)
    assert [a["key"] for a in many] == ["key 1", "key 2"]


def test_many_keys_come_from_standard_input(tmp_path):
    path = write_vectors(tmp_path / "v.parquet")
    done = plectrum_process("near", path, "-", "-k", 1, stdin="key 1\nnothing\n\nkey 2\n")
    assert [line.split("\t")[0] for line in done.out.splitlines()] == ["key 1", "key 2"]
    done.assert_fails(1, "no key 'nothing'")


def test_keys_of_several_columns_are_answered_in_their_order_up_to_one_of_two_columns(tmp_path):
    make_fake_run(tmp_path / "r", levels={"dest": 30, "origin": 3})
    keys = ["key 20", "nothing", "key 10", "key 2", "key 11"]
    done = plectrum_process("near", tmp_path / "r", "-", "-k", 1, stdin="\r\n".join(keys))
    assert [line.split("\t")[0] for line in done.out.splitlines()] == ["key 20", "key 10"]
    done.assert_fails(1, "no key 'nothing'", "--column dest")


def test_an_answer_comes_before_the_next_key_is_given(tmp_path):
    path = write_vectors(tmp_path / "v.parquet")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command("near", path, "-", "-k", 1), **pipes) as process:
        for key in ("key 3", "key 1"):
            process.stdin.write(f"{key}\n")
            process.stdin.flush()
            assert process.stdout.readline().startswith(f"{key}\t")
        process.stdin.close()
        assert process.wait(20) == 0


class Arriving:
    """A stream whose bytes arrive in these parts."""

    def __init__(self, *parts):
        self.parts = list(parts)

    def read1(self, size):
        return self.parts.pop(0) if self.parts else b""


def test_lines_are_taken_as_they_come_and_put_together_across_parts():
    stream = Arriving(b"one\ntw", b"o\r\n\nthr\xc3", b"\xa4e", b"e\nlast")
    assert list(lines_at_hand(stream)) == [["one"], ["two"], [], ["thr\xe4ee"], ["last"]]
    assert list(lines_at_hand(Arriving())) == [[]]


@pytest.mark.parametrize("suffix", [".safetensors", ".parquet"])
def test_any_file_of_vectors_will_do(tmp_path, suffix):
    done = plectrum("near", write_vectors(tmp_path / f"v{suffix}"), "key 3")
    done.assert_succeeds()
    assert len(done.out.splitlines()) == 4


def test_an_unfinished_run_says_so(tmp_path):
    from plectrum.runs import open_run

    open_run(tmp_path / "r").close()
    plectrum("near", tmp_path / "r", "x").assert_fails(1, "was not finished", "--resume")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("12", 12),
        ("12", "12"),
        ("1.50", 1.5),
        ("2013-01-31", dt.date(2013, 1, 31)),
        ("TRUE", True),
        ("-3", -3),
    ],
)
def test_a_word_finds_keys_of_other_types(text, key):
    tables = {"a": Vectors([key, "other"], np.eye(2)), "b": Vectors(["x", "y"], np.eye(2))}
    assert find_key(tables, text) == ("a", key)


def test_text_goes_before_numbers():
    assert find_key({None: Vectors([12, "12"], np.eye(2))}, "12") == (None, "12")
    assert list(readings("x")) == ["x"]


def test_errors_name_columns_and_neighbours():
    tables = {"a": Vectors(["JFK", "LGA"], np.eye(2)), "b": Vectors(["JFK", "y"], np.eye(2))}
    with pytest.raises(UnknownKeyError, match=r"columns a, b, has no key 'jfk '.* Did you mean 'JFK'"):
        find_key(tables, "jfk ")
    with pytest.raises(ArgumentError, match="2: a, b"):
        find_key(tables, "JFK")
