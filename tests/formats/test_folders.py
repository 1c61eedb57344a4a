import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from plectrum import formats, load
from plectrum.errors import FormatError
from plectrum.formats import Record

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "the", "##ing", "東"]


def bert_folder(path, *, dtype="float32", n_rows=6, name="bert.embeddings.word_embeddings.weight"):
    """A folder as BERT's: 768 columns, a WordPiece tokenizer, other tensors beside the embeddings."""
    rows = np.random.default_rng(0).normal(size=(n_rows, 768)).astype(dtype)
    path.mkdir()
    save_file({name: rows, "bert.pooler.dense.bias": np.zeros(768, "f4")}, path / "model.safetensors")
    (path / "config.json").write_text(json.dumps({"model_type": "bert", "hidden_size": 768}))
    vocabulary = {token: row for row, token in enumerate(TOKENS)}
    added = [{"id": 0, "content": "[PAD]"}, {"id": 1, "content": "[UNK]"}]
    model = {"type": "WordPiece", "unk_token": "[UNK]", "vocab": vocabulary}
    (path / "tokenizer.json").write_text(json.dumps({"added_tokens": added, "model": model}))
    return rows


def test_a_bert_folder_gives_its_token_embeddings(tmp_path):
    rows = bert_folder(tmp_path / "bert")
    vectors = load(tmp_path / "bert")
    assert vectors.keys == TOKENS
    np.testing.assert_array_equal(vectors.matrix, rows)
    np.testing.assert_array_equal(vectors.unknown, rows[1])
    assert not vectors.matrix.flags.writeable  # mapped, not read


def test_rows_without_a_token_are_left_out(tmp_path):
    rows = bert_folder(tmp_path / "bert", n_rows=8, dtype="float16")
    vectors = load(tmp_path / "bert")
    assert len(vectors) == len(TOKENS)
    np.testing.assert_array_equal(vectors.matrix, rows[: len(TOKENS)])


def test_bfloat16_becomes_float32(tmp_path):
    from plectrum.formats import _native

    bert_folder(tmp_path / "bert")
    values = np.array([[1.0, -2.5], [0.0, 3.0e38]], np.float32)
    raw = (values.view(np.uint32) >> 16).astype("<u2")
    header = {"wte.weight": {"dtype": "BF16", "shape": [2, 2], "data_offsets": [0, 8]}}
    text = json.dumps(header).encode()
    place = tmp_path / "bert" / "model.safetensors"
    place.write_bytes(len(text).to_bytes(8, "little") + text + raw.tobytes())
    found = _native.map_tensor(place, *_native.read_header(place), "wte.weight")
    np.testing.assert_array_equal(found, (raw.astype(np.uint32) << 16).view(np.float32))
    assert load(tmp_path / "bert").keys == TOKENS[:2]


def test_shards_are_found_through_their_index(tmp_path):
    rows = bert_folder(tmp_path / "m", name="model.embed_tokens.weight")
    (tmp_path / "m" / "model.safetensors").rename(tmp_path / "m" / "model-00001-of-00002.safetensors")
    index = {"weight_map": {"model.embed_tokens.weight": "model-00001-of-00002.safetensors"}}
    (tmp_path / "m" / "model.safetensors.index.json").write_text(json.dumps(index))
    np.testing.assert_array_equal(load(tmp_path / "m").matrix, rows)
    index["weight_map"]["model.embed_tokens.weight"] = "../elsewhere.safetensors"
    (tmp_path / "m" / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(FormatError, match="a tensor of token embeddings"):
        load(tmp_path / "m")


@pytest.mark.parametrize("name", ["vocab.txt", "vocab.json"])
def test_older_tokenizers_are_read(tmp_path, name):
    rows = bert_folder(tmp_path / "m")
    (tmp_path / "m" / "tokenizer.json").unlink()
    as_json = json.dumps({token: row for row, token in enumerate(TOKENS)})
    (tmp_path / "m" / name).write_text(
        as_json if name.endswith("json") else "\n".join(TOKENS) + "\n", encoding="utf-8"
    )
    vectors = load(tmp_path / "m")
    assert vectors.keys == TOKENS
    np.testing.assert_array_equal(vectors["東"], rows[5])


def test_a_checkpoint_in_pickle_is_not_opened(tmp_path):
    bert_folder(tmp_path / "m")
    (tmp_path / "m" / "model.safetensors").rename(tmp_path / "m" / "pytorch_model.bin")
    with pytest.raises(FormatError, match="which is pickle"):
        load(tmp_path / "m")


def test_a_unigram_tokenizer_is_read(tmp_path):
    rows = bert_folder(tmp_path / "m")
    model = {"type": "Unigram", "unk_id": 1, "vocab": [[token, -1.0] for token in TOKENS]}
    (tmp_path / "m" / "tokenizer.json").write_text(json.dumps({"model": model}))
    vectors = load(tmp_path / "m")
    assert vectors.keys == TOKENS
    np.testing.assert_array_equal(vectors.unknown, rows[1])


def test_shared_rows_and_weights_of_a_static_model_are_applied(tmp_path):
    place = tmp_path / "m"
    formats.write(Record(["a", "b", "c"], np.eye(3, dtype="f4")), place, format="static-embedding")
    tensors = {
        "embeddings": np.array([[9, 9], [1, 2]], "f4"),
        "mapping": np.array([0, 1, 1, 0], "i8"),
        "weights": np.array([1, 1, 0.5, 2], "f4"),
    }
    save_file(tensors, place / "model.safetensors")
    np.testing.assert_array_equal(load(place).matrix, [[1, 2], [0.5, 1], [18, 18]])


def test_the_layout_of_sentence_transformers_is_read(tmp_path):
    place = tmp_path / "m"
    formats.write(Record(["a", "b"], np.eye(2, dtype="f4")), place, format="static-embedding")
    inner = place / "0_StaticEmbedding"
    inner.mkdir()
    (place / "tokenizer.json").rename(inner / "tokenizer.json")
    (place / "model.safetensors").unlink()
    save_file({"embedding.weight": np.array([[0, 0], [1, 2], [3, 4]], "f4")}, inner / "model.safetensors")
    np.testing.assert_array_equal(load(place)["b"], [3, 4])


def test_the_unknown_vector_of_a_static_model_is_kept_when_there_is_one(tmp_path):
    for unknown in (None, np.array([5.0, 6.0], "f4")):
        place = tmp_path / f"m{unknown is None}"
        formats.write(
            Record(["a", "[UNK]"], np.eye(2, dtype="f4"), unknown=unknown), place, format="static-embedding"
        )
        back = load(place)
        assert back.keys == ["a", "[UNK]"]
        assert (back.unknown is None) == (unknown is None)


def test_the_projector_folder_holds_what_tensorboard_reads(tmp_path):
    place = tmp_path / "p"
    formats.write(Record(["a", "b c"], np.eye(2), np.array([3, 1])), place, format="projector")
    assert (place / "metadata.tsv").read_text() == "key\tcount\na\t3\nb c\t1\n"
    assert (place / "vectors.tsv").read_text() == "1\t0\n0\t1\n"
    assert 'tensor_path: "vectors.tsv"' in (place / "projector_config.pbtxt").read_text()
    formats.write(Record(["a", "b"], np.eye(2)), place, format="projector")
    assert (place / "metadata.tsv").read_text() == "a\nb\n"


def test_a_projector_folder_of_other_names_is_read(tmp_path):
    place = tmp_path / "p"
    place.mkdir()
    (place / "t.tsv").write_text("1.5\t2\n3\t4\n")
    (place / "m.tsv").write_text("word\tkind\na\tx\nb\ty\n")
    config = 'embeddings { tensor_name: "t" tensor_path: "t.tsv" metadata_path: "m.tsv" }'
    (place / "projector_config.pbtxt").write_text(config)
    vectors = load(place)
    assert vectors.keys == ["a", "b"]
    np.testing.assert_array_equal(vectors.matrix, [[1.5, 2], [3, 4]])


def test_labels_that_do_not_match_the_vectors_are_told(tmp_path):
    place = tmp_path / "p"
    formats.write(Record(["a", "b"], np.eye(2)), place, format="projector")
    (place / "metadata.tsv").write_text("a\n")
    with pytest.raises(FormatError, match="expected 2 labels, one per vector; got 1"):
        load(place)
