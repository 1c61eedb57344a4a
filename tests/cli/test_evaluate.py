import json

import numpy as np
import pytest

from cli.command import plectrum_here as plectrum
from plectrum.vectors import Vectors


@pytest.fixture
def vectors(tmp_path):
    """Capitals stand where their country does, one step to the right."""
    countries, capitals = ["france", "italy", "norway"], ["paris", "rome", "oslo"]
    places = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, -1.0]])
    matrix = np.vstack([places, places + np.eye(3)[0]])
    path = tmp_path / "v.safetensors"
    Vectors(countries + capitals, matrix).save(path)
    return path


def test_analogies_are_told_from_pairs(vectors, tmp_path):
    (tmp_path / "q.txt").write_text(": capitals\nfrance paris italy rome\nitaly rome norway oslo\n")
    done = plectrum("evaluate", vectors, tmp_path / "q.txt", "--json")
    done.assert_succeeds()
    assert json.loads(done.out)["accuracy"] == 1.0
    assert "capitals" in plectrum("evaluate", vectors, tmp_path / "q.txt").out


def test_analogies_are_asked_as_another_program_asks_them(vectors, tmp_path):
    (tmp_path / "q.txt").write_text("France Paris Italy Rome\n")
    ask = ("evaluate", vectors, tmp_path / "q.txt", "--json", "--convention")
    assert json.loads(plectrum(*ask, "gensim").out)["accuracy"] == 1.0
    assert json.loads(plectrum(*ask, "glove").out)["n_asked"] == 0  # its capitals are other words
    plectrum(*ask, "gloves").assert_fails(1, "hyperwords")


def test_pairs_are_told_from_analogies(vectors, tmp_path):
    lines = ["word 1\tword 2\tmean", "france\tparis\t9", "france\tnorway\t1", "rome\titaly\t8"]
    (tmp_path / "p.tsv").write_text("\n".join(lines))
    done = plectrum("evaluate", vectors, tmp_path / "p.tsv", "--json")
    done.assert_succeeds()
    assert json.loads(done.out)["n_pairs"] == 3


def test_questions_that_are_not_there(vectors, tmp_path):
    plectrum("evaluate", vectors, tmp_path / "nothing").assert_fails(1, "nothing")
