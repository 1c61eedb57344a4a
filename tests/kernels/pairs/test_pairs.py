import heapq
from itertools import pairwise

import numpy as np
import pytest

from plectrum.kernels.pairs import cpu, reference
from plectrum.kernels.pairs._cpu_skip_gram import BLOCK, REACH

NO_BAGS = np.zeros(1, np.int64), np.zeros(0, np.int32), 1
FREE = np.zeros(1, np.uint8)
KEY = 0x1234_5678_9ABC_DEF1


def tables(n_rows, dim, n_inputs=None, seed=0):
    """Float32 tables padded to 16 columns, and float64 copies without the padding."""
    random = np.random.default_rng(seed)
    width = -(-dim // 16) * 16
    made = []
    for n in (n_inputs or n_rows, n_rows):
        table = np.zeros((n, width), np.float32)
        table[:, :dim] = random.normal(size=(n, dim)) * 0.5
        made.append(table)
    return made, [table[:, :dim].astype(np.float64) for table in made]


def some_tokens(n, n_keys, seed=1, ends=0.05):
    random = np.random.default_rng(seed)
    tokens = np.minimum(random.geometric(2 / n_keys, n) - 1, n_keys - 1).astype(np.int32)
    tokens[random.random(n) < ends] = -1
    return tokens


def negatives(n_keys, n_parts=1, seed=2):
    weights = np.random.default_rng(seed).random(n_keys) + 0.1
    found = [cpu.alias_table(weights[p::n_parts].copy()) for p in range(n_parts)]
    starts = np.cumsum([0, *(len(c) for c, _ in found)])
    mass = np.array([weights[p::n_parts].sum() for p in range(n_parts)], np.float32) / np.float32(
        weights.sum()
    )
    return found, np.concatenate([c for c, _ in found]), np.concatenate([o for _, o in found]), starts, mass


def some_bags(n_keys, n_inputs, seed=3):
    random = np.random.default_rng(seed)
    lists = [
        [key, *random.integers(n_keys, n_inputs, random.integers(0, 9)).tolist()] for key in range(n_keys)
    ]
    starts = np.cumsum([0, *map(len, lists)])
    return lists, (starts, np.concatenate(lists).astype(np.int32), int(np.diff(starts).max()))


def blocks_of(tokens, part):
    return reference.blocks(
        tokens, first=0, last=len(tokens), window=5, shrinks=True, key=KEY, block=BLOCK, part=part
    )


def assert_close(table, expected):
    np.testing.assert_allclose(table[:, : expected.shape[1]], expected, rtol=2e-4, atol=2e-5)
    assert not table[:, expected.shape[1] :].any(), "the padding was written to"


def test_comparison_can_fail():
    with pytest.raises(AssertionError):
        assert_close(np.zeros((2, 16), np.float32), np.ones((2, 3)))


@pytest.mark.parametrize("dim", [1, 16, 100, 130])
@pytest.mark.parametrize(
    ("window", "shrinks", "n_shared", "block"), [(5, True, 16, 16), (1, False, 4, 5), (9, True, 13, 1)]
)
def test_skip_gram_equals_its_definition(dim, window, shrinks, n_shared, block):
    n_keys = 30
    (inputs, outputs), (a, b) = tables(n_keys, dim)
    tokens = some_tokens(150, n_keys)
    _, chance, other, starts, mass = negatives(n_keys)
    rate = np.float32(0.05)
    cpu.skip_gram(
        inputs.reshape(-1), outputs.reshape(-1), *NO_BAGS, FREE, tokens, 7, 140, window, shrinks,
        chance, other, starts, mass, 5, n_shared, block, rate, np.uint64(KEY), 0, 0, 1,
    )  # fmt: skip
    reference.skip_gram(
        a, b, [[c] for c in range(n_keys)], tokens, first=7, last=140, window=window, shrinks=shrinks,
        chance=chance, other=other, mass=1.0, negative=5, n_shared=n_shared, block=block,
        learning_rate=float(rate), key=KEY,
    )  # fmt: skip
    assert_close(inputs, a)
    assert_close(outputs, b)


def test_skip_gram_by_parts_equals_its_definition_and_covers_every_pair_once():
    n_keys, n_parts = 40, 4
    (inputs, outputs), (a, b) = tables(n_keys, 20)
    tokens = some_tokens(300, n_keys)
    found, chance, other, starts, mass = negatives(n_keys, n_parts)
    rate = np.float32(0.05)
    seen = 0
    for turn in range(n_parts):
        for in_part in range(n_parts):
            out_part = (in_part + turn) % n_parts
            cpu.skip_gram(
                inputs.reshape(-1), outputs.reshape(-1), *NO_BAGS, FREE, tokens, 0, 300, 5, True,
                chance, other, starts, mass, 5, 8, BLOCK, rate, np.uint64(KEY), in_part, out_part, n_parts,
            )  # fmt: skip
            part = (in_part, out_part, n_parts)
            reference.skip_gram(
                a, b, [[c] for c in range(n_keys)], tokens, first=0, last=300, window=5, shrinks=True,
                chance=found[out_part][0], other=found[out_part][1], mass=float(mass[out_part]), negative=5,
                n_shared=8, block=BLOCK, learning_rate=float(rate), key=KEY, part=part,
            )  # fmt: skip
            seen += sum(len(c.contexts) for block in blocks_of(tokens, part) for c in block)
    assert_close(inputs, a)
    assert_close(outputs, b)
    whole = blocks_of(tokens, (0, 0, 1))
    assert seen == sum(len(c.contexts) for block in whole for c in block)


def test_rows_outside_the_part_are_untouched():
    n_keys = 40
    (inputs, outputs), (a, b) = tables(n_keys, 16)
    _, chance, other, starts, mass = negatives(n_keys, 4)
    cpu.skip_gram(
        inputs.reshape(-1), outputs.reshape(-1), *NO_BAGS, FREE, some_tokens(400, n_keys), 0, 400,
        5, True, chance, other, starts, mass, 5, 8, BLOCK, np.float32(0.1), np.uint64(KEY), 1, 3, 4,
    )  # fmt: skip
    moved_in = np.flatnonzero((inputs[:, :16] != a).any(1))
    moved_out = np.flatnonzero((outputs[:, :16] != b).any(1))
    assert len(moved_in) > 5
    assert set(moved_in % 4) == {1}
    assert len(moved_out) > 5
    assert set(moved_out % 4) == {3}


def test_skip_gram_with_bags_equals_its_definition():
    n_keys, n_inputs = 20, 60
    (inputs, outputs), (a, b) = tables(n_keys, 24, n_inputs)
    tokens = some_tokens(120, n_keys)
    lists, bags = some_bags(n_keys, n_inputs)
    _, chance, other, starts, mass = negatives(n_keys)
    cpu.skip_gram(
        inputs.reshape(-1), outputs.reshape(-1), *bags, FREE, tokens, 0, 120, 5, True,
        chance, other, starts, mass, 5, 16, BLOCK, np.float32(0.05), np.uint64(KEY), 0, 0, 1,
    )  # fmt: skip
    reference.skip_gram(
        a, b, lists, tokens, first=0, last=120, window=5, shrinks=True, chance=chance, other=other,
        mass=1.0, negative=5, n_shared=16, block=BLOCK, learning_rate=float(np.float32(0.05)), key=KEY,
    )  # fmt: skip
    assert_close(inputs, a)
    assert_close(outputs, b)


@pytest.mark.parametrize("with_bags", [False, True])
@pytest.mark.parametrize(("dim", "window", "n_shared", "block"), [(100, 5, 16, 16), (7, 2, 31, 3)])
def test_cbow_equals_its_definition(dim, window, n_shared, block, with_bags):
    n_keys, n_inputs = 30, 70
    (inputs, outputs), (a, b) = tables(n_keys, dim, n_inputs)
    tokens = some_tokens(200, n_keys)
    lists, bags = some_bags(n_keys, n_inputs) if with_bags else ([[c] for c in range(n_keys)], NO_BAGS)
    _, chance, other, _, _ = negatives(n_keys)
    cpu.cbow(
        inputs.reshape(-1), outputs.reshape(-1), *bags, FREE, tokens, 3, 190, window, True,
        chance, other, 5, n_shared, block, np.float32(0.05), np.uint64(KEY),
    )  # fmt: skip
    reference.cbow(
        a, b, lists, tokens, first=3, last=190, window=window, shrinks=True, chance=chance, other=other,
        negative=5, n_shared=n_shared, block=block, learning_rate=float(np.float32(0.05)), key=KEY,
    )  # fmt: skip
    assert_close(inputs, a)
    assert_close(outputs, b)


@pytest.mark.parametrize("averages", [False, True])
@pytest.mark.parametrize("with_bags", [False, True])
def test_hierarchical_softmax_equals_its_definition(averages, with_bags):
    n_keys, n_inputs = 30, 70
    (inputs, outputs), (a, b) = tables(n_keys, 20, n_inputs)
    nodes, v = outputs[1:].copy(), b[1:].copy()
    tokens = some_tokens(150, n_keys)
    lists, bags = some_bags(n_keys, n_inputs) if with_bags else ([[c] for c in range(n_keys)], NO_BAGS)
    starts, path, turns = cpu.huffman_paths(np.arange(n_keys, 0, -1))
    cpu.hierarchical_softmax(
        inputs.reshape(-1), nodes.reshape(-1), *bags, FREE, tokens, 0, 150, 4, True,
        starts, path, turns, averages, np.float32(0.05), np.uint64(KEY),
    )  # fmt: skip
    paths = [(path[s:e].tolist(), turns[s:e].tolist()) for s, e in pairwise(starts)]
    reference.hierarchical_softmax(
        a, v, lists, tokens, first=0, last=150, window=4, shrinks=True, paths=paths, averages=averages,
        learning_rate=float(np.float32(0.05)), key=KEY,
    )  # fmt: skip
    assert_close(inputs, a)
    assert_close(nodes, v)


def test_blocks_look_as_far_as_those_of_the_definition():
    assert REACH == reference.REACH


def test_frozen_rows_stay_and_the_others_learn():
    n_keys = 30
    (inputs, outputs), (a, _) = tables(n_keys, 16)
    frozen = np.zeros(n_keys, np.uint8)
    frozen[::2] = 1
    _, chance, other, starts, mass = negatives(n_keys)
    tokens = some_tokens(300, n_keys)
    cpu.skip_gram(
        inputs.reshape(-1), outputs.reshape(-1), *NO_BAGS, frozen, tokens, 0, 300, 5, True,
        chance, other, starts, mass, 5, 16, BLOCK, np.float32(0.05), np.uint64(KEY), 0, 0, 1,
    )  # fmt: skip
    cpu.cbow(
        inputs.reshape(-1), outputs.reshape(-1), *NO_BAGS, frozen, tokens, 0, 300, 5, True,
        chance, other, 5, 16, BLOCK, np.float32(0.05), np.uint64(KEY),
    )  # fmt: skip
    moved = (inputs[:, :16] != a).any(1)
    assert not moved[::2].any()
    assert moved[1:20:2].all()


@pytest.mark.parametrize("tokens", [[], [-1], [3], [-1, 3, -1, 4, -1], [5, -1]])
def test_texts_without_pairs_change_nothing(tokens):
    n_keys = 10
    (inputs, outputs), (a, b) = tables(n_keys, 16)
    _, chance, other, starts, mass = negatives(n_keys)
    tokens = np.array(tokens, np.int32)
    cpu.skip_gram(
        inputs.reshape(-1), outputs.reshape(-1), *NO_BAGS, FREE, tokens, 0, len(tokens), 5, True,
        chance, other, starts, mass, 5, 16, BLOCK, np.float32(0.05), np.uint64(KEY), 0, 0, 1,
    )  # fmt: skip
    cpu.cbow(
        inputs.reshape(-1), outputs.reshape(-1), *NO_BAGS, FREE, tokens, 0, len(tokens), 5, True,
        chance, other, 5, 16, BLOCK, np.float32(0.05), np.uint64(KEY),
    )  # fmt: skip
    np.testing.assert_array_equal(inputs, a)
    np.testing.assert_array_equal(outputs, b)


def test_alias_tables_draw_with_the_given_chances():
    weights = np.array([5.0, 1.0, 0.0, 3.0, 0.5])
    chance, other = cpu.alias_table(weights.copy())
    share = np.zeros(5)
    for i in range(5):
        share[i] += chance[i] / 5
        share[other[i]] += (1 - chance[i]) / 5
    np.testing.assert_allclose(share, weights / weights.sum(), atol=1e-6)


def test_huffman_paths_are_prefix_free_and_of_the_least_total_length():
    counts = np.sort(np.random.default_rng(0).integers(1, 1000, 50))[::-1].astype(np.int64).copy()
    starts, _, turns = cpu.huffman_paths(counts)
    codes = ["".join(map(str, turns[s:e])) for s, e in pairwise(starts)]
    assert not any(a != b and b.startswith(a) for a in codes for b in codes)
    heap, least = counts.tolist(), 0
    heapq.heapify(heap)
    while len(heap) > 1:
        merged = heapq.heappop(heap) + heapq.heappop(heap)
        least += merged
        heapq.heappush(heap, merged)
    assert sum(count * len(code) for count, code in zip(counts.tolist(), codes, strict=True)) == least


def test_thinned_pieces_agree_about_the_tokens_that_both_see():
    tokens = some_tokens(1000, 30, ends=0.01)
    keep = np.full(30, 0.6, np.float32)
    whole, pieces = np.empty(1010, np.int32), []
    n, first, last = cpu.thin(tokens, 0, 1000, keep, np.uint64(KEY), 5, whole)
    assert (first, last) == (0, n)
    for start in range(0, 1000, 100):
        out = np.empty(112, np.int32)
        m, first, last = cpu.thin(tokens, start, start + 100, keep, np.uint64(KEY), 5, out)
        own = sum(len(piece) for piece, _, _ in pieces)
        pieces.append((out[first:last].copy(), out[:first].copy(), out[last:m].copy()))
        before, after = pieces[-1][1:]
        np.testing.assert_array_equal(before, whole[own - len(before) : own])
        own += last - first
        np.testing.assert_array_equal(after, whole[own : own + len(after)])
        assert len(before) <= 5
        assert len(after) <= 5
        assert -1 not in before
        assert -1 not in after
    np.testing.assert_array_equal(np.concatenate([piece for piece, _, _ in pieces]), whole[:n])
    assert 0.5 < np.mean(whole[:n] >= 0) * n / (tokens >= 0).sum() < 0.7


@pytest.mark.parametrize("n_parts", [1, 4])
def test_shared_negatives_have_the_gradient_of_word2vec_on_average(n_parts):
    """Every pair with its context, and with `negative` draws of its own that are not the context."""
    n_keys, dim, negative, rate, rounds = 12, 6, 5, np.float32(1e-4), 3000
    (inputs, outputs), (a, b) = tables(n_keys, dim)
    tokens = some_tokens(80, n_keys)
    weights = np.random.default_rng(5).random(n_keys) + 0.1
    parts = [cpu.alias_table(weights[p::n_parts].copy()) for p in range(n_parts)]
    chance, other = (np.concatenate(column) for column in zip(*parts, strict=True))
    starts = np.cumsum([0, *(len(c) for c, _ in parts)])
    p = weights / weights.sum()
    mass = np.array([p[part::n_parts].sum() for part in range(n_parts)], np.float32)
    total = np.zeros((n_keys, dim))
    for key in range(rounds):
        moved, rest = inputs.copy(), outputs.copy()
        for in_part in range(n_parts):
            for out_part in range(n_parts):
                cpu.skip_gram(
                    moved.reshape(-1), rest.reshape(-1), *NO_BAGS, FREE, tokens, 0, 80, 2, False, chance,
                    other, starts, mass, negative, 16 // n_parts, BLOCK, rate, np.uint64(key),
                    in_part, out_part, n_parts,
                )  # fmt: skip
        total += (moved - inputs)[:, :dim]
    expected = np.zeros((n_keys, dim))
    for place in np.flatnonzero(tokens >= 0):
        for at in reference.window_of(tokens, place, window=2, shrinks=False, key=0):
            c, o = tokens[place], tokens[at]
            expected[c] += (1 - reference.sigmoid(a[c] @ b[o])) * b[o]
            drawn = np.where(np.arange(n_keys) == o, 0.0, p) * reference.sigmoid(b @ a[c])
            expected[c] -= negative * drawn @ b
    np.testing.assert_allclose(total / rounds / rate, expected, rtol=0.05, atol=0.25)
    assert np.abs(expected).max() > 5
