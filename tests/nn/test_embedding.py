import copy
import pickle

import numpy as np
import pytest
import torch

import plectrum.nn
from plectrum import Vectors, Vocabulary
from plectrum.errors import ArgumentError, ArgumentTypeError, UnknownKeyError

KINDS = [plectrum.nn.Embedding, plectrum.nn.EmbeddingBag]
TORCH = {plectrum.nn.Embedding: torch.nn.Embedding, plectrum.nn.EmbeddingBag: torch.nn.EmbeddingBag}
CITIES = ["Berlin", "Paris", "Berlin", None, "Rome"]


def a_vectors(**options):
    matrix = np.arange(12, dtype=np.float32).reshape(4, 3) / 7
    return Vectors(["Rome", "Oslo", "Berlin", 7], matrix, counts=[4, 3, 2, 1], **options)


@pytest.mark.parametrize("kind", KINDS)
class TestLayersWithKeys:
    def test_from_keys_makes_a_row_for_each_key_and_three_more(self, kind):
        layer = kind.from_keys(CITIES, 4)
        assert layer.vocabulary.keys == ["Berlin", "Paris", "Rome"]
        assert layer.weight.shape == (6, 4)
        assert layer.padding_idx == 0
        assert torch.equal(layer.weight[0], torch.zeros(4))
        assert not torch.equal(layer.weight[1], torch.zeros(4))  # unknown is a row to be trained

    def test_from_keys_takes_a_vocabulary_and_the_constructor_s_options(self, kind):
        vocabulary = Vocabulary.learn(CITIES)
        layer = kind.from_keys(vocabulary, 4, max_norm=1.5, dtype=torch.float64)
        assert layer.vocabulary is vocabulary
        assert layer.max_norm == 1.5
        assert layer.weight.dtype == torch.float64

    def test_from_keys_leaves_out_rare_keys(self, kind):
        assert kind.from_keys(CITIES, 4, min_count=2).vocabulary.keys == ["Berlin"]
        assert kind.from_keys(CITIES, 4, max_size=2).vocabulary.keys == ["Berlin", "Paris"]

    def test_rows_of_from_keys_start_at_a_length_of_about_one(self, kind):
        torch.manual_seed(0)
        layer = kind.from_keys(np.arange(3000), 64)
        assert layer.weight[1:].square().sum(dim=1).mean().item() == pytest.approx(1, abs=0.05)
        assert kind.from_keys(np.arange(3000), 64, init_std=2.0).weight[1:].std().item() == pytest.approx(
            2, abs=0.1
        )

    def test_a_key_gives_its_row(self, kind):
        layer = kind.from_keys(CITIES, 4)
        assert torch.equal(layer["Paris"], layer.weight[4].detach())
        assert torch.equal(layer[None], layer.weight[2].detach())
        assert not layer["Paris"].requires_grad
        assert "Paris" in layer
        assert "Atlantis" not in layer

    def test_an_unknown_key_gets_the_nearest_one(self, kind):
        with pytest.raises(UnknownKeyError, match="Did you mean 'Berlin'"):
            kind.from_keys(CITIES, 4)["Berlni"]

    def test_encode_gives_ids_for_the_layer(self, kind):
        layer = kind.from_keys(CITIES, 4)
        ids = layer.encode(["Rome", "Atlantis", None, "Berlin"])
        assert ids.tolist() == [5, 1, 2, 3]
        assert ids.dtype == torch.int64
        with pytest.raises(UnknownKeyError, match="Atlantis"):
            layer.encode(["Rome", "Atlantis"], unknown="error")

    def test_vectors_are_labelled_rows_without_the_reserved_ones(self, kind):
        layer = kind.from_keys(CITIES, 4)
        vectors = layer.vectors
        assert vectors.keys == ["Berlin", "Paris", "Rome"]
        assert np.array_equal(vectors["Rome"], layer["Rome"].numpy())
        assert np.array_equal(vectors.unknown, layer.weight[1].detach().numpy())
        assert list(vectors.counts) == [2, 1, 1]
        vectors.matrix.sum()
        before = layer["Rome"]
        with torch.no_grad():
            layer.weight += 1
        assert np.array_equal(vectors["Rome"], before.numpy())  # a copy

    def test_vectors_of_bfloat16_rows_are_float32(self, kind):
        assert kind.from_keys(CITIES, 4, dtype=torch.bfloat16).vectors.matrix.dtype == np.float32

    def test_keys_stay_out_of_the_state_dict(self, kind):
        layer = kind.from_keys(CITIES, 4)
        assert list(layer.state_dict()) == ["weight"]
        plain = TORCH[kind](6, 4)
        plain.load_state_dict(layer.state_dict(), strict=True)
        layer.load_state_dict(plain.state_dict(), strict=True)
        assert layer.vocabulary.keys == ["Berlin", "Paris", "Rome"]

    @pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
    def test_copies_keep_the_keys(self, kind, duplicate):
        layer = kind.from_keys(CITIES, 4)
        twin = duplicate(layer)
        assert twin.vocabulary == layer.vocabulary
        assert torch.equal(twin["Rome"], layer["Rome"])
        assert twin.vocabulary is not layer.vocabulary

    def test_a_layer_without_keys_says_how_to_get_them(self, kind):
        layer = kind(3, 2)
        for ask in (lambda: layer["Berlin"], lambda: layer.encode(["Berlin"]), lambda: layer.vectors):
            with pytest.raises(ArgumentError, match=r"from_keys.*layer\.vocabulary"):
                ask()
        assert "Berlin" not in layer
        with pytest.raises(TypeError, match="not iterable"):
            iter(layer)

    def test_repr_tells_what_torch_does_not(self, kind):
        layer = kind.from_keys(CITIES, 4)
        assert "keys=3" in repr(layer)
        assert "frozen" not in repr(layer)
        layer.weight.requires_grad = False
        assert "frozen=True" in repr(layer)
        assert repr(kind(3, 2)) == repr(TORCH[kind](3, 2))


@pytest.mark.parametrize("kind", KINDS)
class TestLayersFromVectors:
    def test_rows_follow_the_keys_of_the_vectors(self, kind):
        vectors = a_vectors()
        layer = kind.from_pretrained(vectors)
        assert layer.vocabulary.keys == vectors.keys
        for key in vectors.keys:
            assert np.array_equal(layer[key].numpy(), vectors[key])
        assert layer.padding_idx == 0
        assert not layer.weight.requires_grad
        assert layer.weight.dtype == torch.float32
        assert torch.equal(layer.weight[0], torch.zeros(3))

    def test_labelled_vectors_come_back_as_they_went_in(self, kind):
        vectors = a_vectors(unknown=np.full(3, 0.5, np.float32), missing=np.full(3, -0.5, np.float32))
        back = kind.from_pretrained(vectors).vectors
        assert back.keys == vectors.keys
        assert np.array_equal(back.matrix, vectors.matrix)
        assert np.array_equal(back.unknown, vectors.unknown)
        assert np.array_equal(back.missing, vectors.missing)
        assert list(back.counts) == list(vectors.counts)

    def test_rows_are_aligned_by_key_and_the_coverage_is_kept(self, kind):
        vocabulary = Vocabulary.from_keys(["Paris", "Berlin", 7.0, "Lima", "Rome"])
        vectors = a_vectors()
        layer = kind.from_pretrained(vectors, vocabulary=vocabulary, missing="zeros", freeze=False)
        assert layer.vocabulary is vocabulary
        assert layer.weight.requires_grad
        for key in ("Berlin", 7, "Rome"):
            assert np.array_equal(layer[key].numpy(), vectors[key])
        for key in ("Paris", "Lima"):
            assert not layer[key].any()
        assert (layer.coverage.n_found, layer.coverage.n_keys) == (3, 5)
        assert layer.coverage.not_found == ("Paris", "Lima")
        assert str(layer.coverage) == "3 of 5 found; 2 start as zeros"
        assert "found=3" in repr(layer)

    def test_rows_not_found_start_as_the_mean_or_on_the_scale_of_those_found(self, kind):
        vocabulary = Vocabulary.from_keys(["Rome", "Oslo", *range(1000, 3000)])
        vectors = a_vectors()
        mean = kind.from_pretrained(vectors, vocabulary=vocabulary, missing="mean")
        assert np.allclose(mean[1500].numpy(), vectors.matrix[:2].mean(axis=0))
        torch.manual_seed(0)
        normal = kind.from_pretrained(vectors, vocabulary=vocabulary)
        assert normal.weight[5:].std().item() == pytest.approx(vectors.matrix[:2].std(), rel=0.05)
        torch.manual_seed(0)
        again = kind.from_pretrained(vectors, vocabulary=vocabulary)
        assert torch.equal(again.weight, normal.weight)

    def test_nothing_found_is_said_and_still_gives_a_layer(self, kind):
        for missing in ("normal", "mean", "zeros"):
            vocabulary = Vocabulary.from_keys(["x", "y"])
            layer = kind.from_pretrained(a_vectors(), vocabulary=vocabulary, missing=missing)
            assert layer.coverage.n_found == 0
            assert layer.weight.isfinite().all()

    def test_the_coverage_is_logged(self, kind, caplog):
        with caplog.at_level("INFO", logger="plectrum.nn"):
            kind.from_pretrained(a_vectors(), vocabulary=Vocabulary.from_keys(["Rome", "Lima"]))
        assert "1 of 2 found; 1 start as normal" in caplog.text

    def test_a_tensor_with_a_vocabulary_must_fit_it(self, kind):
        vocabulary = Vocabulary.from_keys(["Rome", "Lima"])
        layer = kind.from_pretrained(torch.randn(5, 2), vocabulary=vocabulary)
        assert torch.equal(layer["Lima"], layer.weight[4])
        with pytest.raises(ArgumentError, match="must have 5 rows"):
            kind.from_pretrained(torch.randn(2, 2), vocabulary=vocabulary)

    def test_what_is_neither_tensor_nor_vectors_is_refused(self, kind):
        with pytest.raises(ArgumentTypeError, match=r"torch\.from_numpy"):
            kind.from_pretrained(np.zeros((2, 2)))
        with pytest.raises(ArgumentError, match="'normal', 'mean', 'zeros'"):
            kind.from_pretrained(a_vectors(), missing="random")

    def test_the_vectors_are_not_changed_by_training(self, kind):
        vectors = a_vectors()
        before = vectors.matrix.copy()
        layer = kind.from_pretrained(vectors, freeze=False)
        with torch.no_grad():
            layer.weight.zero_()
        assert np.array_equal(vectors.matrix, before)


def test_the_same_seed_gives_torch_s_start():
    for ours, theirs in zip(KINDS, (torch.nn.Embedding, torch.nn.EmbeddingBag), strict=True):
        torch.manual_seed(1)
        first = ours(20, 3)
        torch.manual_seed(1)
        assert torch.equal(first.weight, theirs(20, 3).weight)


def test_encoded_keys_train_only_their_rows():
    layer = plectrum.nn.Embedding.from_keys(CITIES, 4)
    layer(layer.encode(["Rome", None])).sum().backward()
    touched = layer.weight.grad.abs().sum(dim=1).nonzero().flatten().tolist()
    assert touched == [2, 5]


def test_padding_reads_zero_and_gets_no_gradient():
    layer = plectrum.nn.Embedding.from_keys(CITIES, 4)
    out = layer(torch.tensor([0, 3]))
    assert not out[0].any()
    out.sum().backward()
    assert not layer.weight.grad[0].any()
