"""What plectrum writes, read back by the tools it is meant for; what these write, read by plectrum.

The tools live in an environment of their own (gensim, fasttext, tensorboard, model2vec, onnxruntime, duckdb):
    python -m venv /some/where && /some/where/bin/pip install gensim fasttext-wheel tensorboard model2vec \
        onnxruntime onnx duckdb sentence-transformers
    PLECTRUM_PEERS=/some/where/bin/python python -m pytest -m slow tests/interchange
"""

import json
import os
import subprocess

import numpy as np
import pytest

from plectrum import Vectors, formats, load
from plectrum.formats import Record

pytestmark = pytest.mark.slow
KEYS = ["the", "naïve", "東京", "-", "x" * 40, "42", "queen"]


@pytest.fixture(scope="module")
def peers():
    python = os.environ.get("PLECTRUM_PEERS")
    if not python:
        pytest.skip("PLECTRUM_PEERS does not name the Python of an environment with the other tools")

    def run(needed, code, *arguments):
        found = subprocess.run([python, "-c", f"import {needed}"], capture_output=True, check=False)
        if found.returncode:
            pytest.skip(f"the environment of PLECTRUM_PEERS has no {needed}")
        done = subprocess.run(
            [python, "-c", f"import sys, json\n{code}", *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": ""},
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout.splitlines()[-1])

    return run


@pytest.fixture
def record():
    return Record(KEYS, np.random.default_rng(0).normal(size=(7, 5)).astype("f4"), np.arange(7, 0, -1))


def assert_is_the_record(found, record):
    assert found["keys"] == list(record.keys)
    np.testing.assert_array_equal(np.array(found["matrix"], np.float32), record.matrix)


@pytest.mark.parametrize("name", ["word2vec", "word2vec-binary", "glove"])
def test_gensim_reads_word_vectors(name, record, tmp_path, peers):
    formats.write(record, tmp_path / "w", format=name)
    code = """
from gensim.models import KeyedVectors
kind = sys.argv[2]
how = {'binary': kind == 'word2vec-binary', 'no_header': kind == 'glove'}
w = KeyedVectors.load_word2vec_format(sys.argv[1], **how)
print(json.dumps({'keys': w.index_to_key, 'matrix': w.vectors.tolist()}))"""
    assert_is_the_record(peers("gensim", code, tmp_path / "w", name), record)


@pytest.mark.parametrize("binary", [True, False])
def test_gensims_word_vectors_are_read(binary, record, tmp_path, peers):
    np.save(tmp_path / "m.npy", record.matrix)
    code = """
import numpy as np
from gensim.models import KeyedVectors
w = KeyedVectors(5)
w.add_vectors(json.loads(sys.argv[1]), np.load(sys.argv[2]))
w.save_word2vec_format(sys.argv[3], binary=sys.argv[4] == 'True')
print('{}')"""
    peers("gensim", code, json.dumps(KEYS), tmp_path / "m.npy", tmp_path / "w", binary)
    back = load(tmp_path / "w")
    assert back.keys == KEYS
    np.testing.assert_array_equal(back.matrix, record.matrix)


def test_fasttext_starts_from_vec(record, tmp_path, peers):
    formats.write(record, tmp_path / "w.vec")
    (tmp_path / "text").write_text("\n".join(f"__label__{i % 2} {' '.join(KEYS)}" for i in range(50)) + "\n")
    code = """
import fasttext
m = fasttext.train_supervised(sys.argv[1], dim=5, pretrainedVectors=sys.argv[2], epoch=1, lr=1e-30,
minCount=1, thread=1, verbose=0)
keys = json.loads(sys.argv[3])
print(json.dumps({'keys': keys, 'matrix': [m.get_word_vector(k).tolist() for k in keys]}))"""
    found = peers("fasttext", code, tmp_path / "text", tmp_path / "w.vec", json.dumps(KEYS))
    assert_is_the_record(found, record)


@pytest.mark.parametrize("suffix", ["bin", "ftz"])
def test_fasttext_agrees_on_every_word(suffix, tmp_path, peers):
    from pathlib import Path

    names = {"bin": "skipgram.bin", "ftz": "pruned_qnorm.ftz"}
    place = Path(__file__).parents[1] / "formats" / "fasttext" / names[suffix]
    vectors = load(place)
    asked = [*vectors.keys, "нет", "日本語", "été", "", "abcdefgh" * 9]
    code = """
import fasttext
m = fasttext.load_model(sys.argv[1])
print(json.dumps([m.get_word_vector(k).tolist() for k in json.loads(sys.argv[2])]))"""
    expected = peers("fasttext", code, place, json.dumps(asked))
    np.testing.assert_allclose([vectors[word] for word in asked], expected, atol=1e-5)


def test_fasttext_predicts_the_same_labels(peers):
    from pathlib import Path

    from plectrum import TextClassifier

    root = Path(__file__).parents[2]
    models = sorted((root / "tests" / "formats" / "fasttext").glob("*.bin"))
    models += sorted((root / "tests" / "formats" / "fasttext").glob("*.ftz"))
    models = [p for p in models if formats.read_fasttext_model(p).arguments["model"] == "supervised"]
    models += sorted((root.parent / "shared" / "data" / "vectors").glob("pang_lee*.bin"))
    texts = ["a fine film", "dull , dull and long", "Привет été", "", "zzz qqq", "the acting is good " * 40]
    code = """
import fasttext
m = fasttext.load_model(sys.argv[1])
print(json.dumps([m.f.predict(text + chr(10), -1, 0.0, 'strict') for text in json.loads(sys.argv[2])]))"""
    assert len(models) >= 4
    for place in models:
        model = TextClassifier.load(place)
        answers = peers("fasttext", code, place, json.dumps(texts))
        for found, expected in zip(model.predict_proba(texts), answers, strict=True):
            ours = dict(zip(model.classes_.tolist(), found.tolist(), strict=True))
            assert len(expected) in (0, len(ours))  # fastText says nothing of a text without a known word
            for score, label in expected:
                assert ours[label] == pytest.approx(score, abs=1e-6)


def test_model2vec_and_sentence_transformers_open_the_folder(record, tmp_path, peers):
    record.keys = ["New York (NY)", *KEYS[1:]]
    record.unknown = np.full(5, 0.5, np.float32)
    formats.write(record, tmp_path / "m", format="static-embedding")
    asked = [*record.keys, "never seen", "New York"]
    expected = np.vstack([record.matrix, record.unknown, record.unknown])
    code = """
from model2vec import StaticModel
m = StaticModel.from_pretrained(sys.argv[1])
print(json.dumps(m.encode(json.loads(sys.argv[2])).tolist()))"""
    found = peers("model2vec", code, tmp_path / "m", json.dumps(asked))
    np.testing.assert_allclose(found[:7], record.matrix, rtol=1e-6)
    assert not np.any(found[7:])  # model2vec itself leaves unknown tokens out
    code = """
from sentence_transformers import SentenceTransformer
m = SentenceTransformer(sys.argv[1], device='cpu')
print(json.dumps(m.encode(json.loads(sys.argv[2])).tolist()))"""
    found = peers("sentence_transformers", code, tmp_path / "m", json.dumps(asked))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_model2vecs_folder_is_read(record, tmp_path, peers):
    formats.write(record, tmp_path / "m", format="static-embedding")
    code = """
from model2vec import StaticModel
StaticModel.from_pretrained(sys.argv[1]).save_pretrained(sys.argv[2])
print('{}')"""
    peers("model2vec", code, tmp_path / "m", tmp_path / "again")
    back = load(tmp_path / "again")
    assert back.keys == KEYS
    np.testing.assert_array_equal(back.matrix, record.matrix)


def test_onnxruntime_returns_vectors_for_strings(record, tmp_path, peers):
    record.unknown = np.full(5, 0.5, np.float32)
    formats.write(record, tmp_path / "w.onnx")
    asked = [*KEYS, "never seen"]
    code = """
import numpy as np, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1])
keys = np.array(json.loads(sys.argv[2]), dtype=object)
print(json.dumps(session.run(None, {'keys': keys})[0].tolist()))"""
    found = peers("onnxruntime", code, tmp_path / "w.onnx", json.dumps(asked))
    np.testing.assert_array_equal(np.array(found, "f4"), np.vstack([record.matrix, record.unknown]))
    code = """
import onnx
m = onnx.load(sys.argv[1])
onnx.checker.check_model(m, full_check=True)
onnx.save(m, sys.argv[2])
print('{}')"""
    peers("onnx", code, tmp_path / "w.onnx", tmp_path / "again.onnx")
    back = load(tmp_path / "again.onnx")
    assert back.keys == KEYS
    np.testing.assert_array_equal(back.matrix, record.matrix)
    np.testing.assert_array_equal(back.unknown, record.unknown)


def test_duckdb_queries_parquet_and_csv(record, tmp_path, peers):
    formats.write(record, tmp_path / "w.parquet")
    code = """
import duckdb
rows = duckdb.execute('select key, vector, count from read_parquet(?)', [sys.argv[1]]).fetchall()
near = duckdb.execute('''select key from read_parquet(?) order by array_cosine_similarity(vector::FLOAT[5],
  (select vector::FLOAT[5] from read_parquet(?) where key = 'queen')) desc limit 1''',
  [sys.argv[1], sys.argv[1]]).fetchall()
keys, matrix, counts = zip(*rows)
print(json.dumps({'keys': keys, 'matrix': matrix, 'counts': counts, 'near': near}))"""
    found = peers("duckdb", code, tmp_path / "w.parquet")
    assert_is_the_record(found, record)
    assert found["counts"] == record.counts.tolist()
    assert found["near"] == [["queen"]]
    formats.write(record, tmp_path / "w.csv")
    code = """
import duckdb
rows = duckdb.execute('select * from read_csv(?, all_varchar=true)', [sys.argv[1]]).fetchall()
print(json.dumps({'keys': [r[0] for r in rows], 'matrix': [[float(x) for x in r[2:]] for r in rows]}))"""
    assert_is_the_record(peers("duckdb", code, tmp_path / "w.csv"), record)


@pytest.mark.parametrize("with_counts", [True, False])
def test_tensorboards_loader_reads_the_folder(with_counts, record, tmp_path, peers):
    if not with_counts:
        record.counts = None
    formats.write(record, tmp_path / "p", format="projector")
    code = """
from google.protobuf import text_format
from tensorboard.plugins.projector import projector_config_pb2, projector_plugin
import os
config = projector_config_pb2.ProjectorConfig()
text_format.Parse(open(os.path.join(sys.argv[1], 'projector_config.pbtxt')).read(), config)
tensor = projector_plugin._read_tensor_tsv_file(os.path.join(sys.argv[1], config.embeddings[0].tensor_path))
place = os.path.join(sys.argv[1], config.embeddings[0].metadata_path)
labels = open(place, encoding='utf-8').read().split('\\n')[:-1]
if '\\t' in labels[0]:
    labels = [label.split('\\t')[0] for label in labels[1:]]
print(json.dumps({'keys': labels, 'matrix': tensor.tolist()}))"""
    assert_is_the_record(peers("tensorboard", code, tmp_path / "p"), record)


def test_the_command_that_is_printed_opens_the_projector_folder(tmp_path, peers):
    vectors = Vectors(["New York", "a\tb", 3], np.eye(3, 4), counts=[3, 2, 1])
    vectors.hand_off(tmp_path / "p", "projector")
    code = """
import json, subprocess, sys, time, urllib.request, os, socket
with socket.socket() as free:
    free.bind(('127.0.0.1', 0))
    port = free.getsockname()[1]
board = os.path.join(os.path.dirname(sys.executable), 'tensorboard')
server = subprocess.Popen([board, '--logdir', sys.argv[1], '--port', str(port)], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL)
at = f'http://127.0.0.1:{port}/data/plugin/projector/'
open_ = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
try:
    for _ in range(300):
        try:
            runs = json.load(open_(at + 'runs'))
            if runs:
                break
        except OSError:
            pass
        time.sleep(0.1)
    info = json.load(open_(at + f'info?run={runs[0]}'))['embeddings'][0]
    name = urllib.parse.quote(info['tensorName'])
    labels = open_(at + f'metadata?run={runs[0]}&name={name}').read().decode()
    numbers = open_(at + f'tensor?run={runs[0]}&name={name}').read()
finally:
    server.terminate()
print(json.dumps({'shape': info['tensorShape'], 'labels': labels, 'n_bytes': len(numbers)}))"""
    seen = peers("tensorboard", code, tmp_path / "p")
    assert seen["shape"] == [3, 4]
    assert seen["labels"] == "key\tcount\nNew York\t3\na⇥b\t2\n3\t1\n"
    assert seen["n_bytes"] == 3 * 4 * 4


def test_the_command_that_is_printed_opens_the_atlas_file(tmp_path, peers):
    rng = np.random.default_rng(0)
    vectors = Vectors([f"key {i}" for i in range(50)], rng.normal(size=(50, 4)), counts=range(50, 0, -1))
    command = vectors.hand_off(tmp_path / "atlas.parquet", "atlas")
    code = """
import os, shlex, subprocess
command = shlex.split(sys.argv[1])
command[0] = os.path.join(os.path.dirname(sys.executable), command[0])
done = subprocess.run([*command, '--export-application', sys.argv[2]], capture_output=True, text=True)
assert done.returncode == 0, done.stderr
about = json.load(open(os.path.join(sys.argv[2], 'data', 'metadata.json')))
import pyarrow.parquet as pq
table = pq.read_table(os.path.join(sys.argv[2], 'data', 'dataset.parquet'))
print(json.dumps({'about': about, 'names': table.column_names, 'keys': table['key'].to_pylist(),
                  'first': table['neighbors'][0].as_py()}))"""
    seen = peers("embedding_atlas", code, command, tmp_path / "site")
    assert seen["keys"] == vectors.keys
    assert {"x", "y", "count", "vector"} <= set(seen["names"])
    assert [f"key {i}" for i in seen["first"]["ids"]] == [key for key, _ in vectors.nearest("key 0", k=15)]
    assert '"neighbors"' in json.dumps(seen["about"])
