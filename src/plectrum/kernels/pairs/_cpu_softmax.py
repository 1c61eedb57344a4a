"""Hierarchical softmax: a key is predicted as a way through a binary tree, a yes or no at each node."""

import math

import numpy as np

from plectrum.kernels.native._cpu_compile import compiled
from plectrum.kernels.pairs._cpu_random import draw_below, random_bits
from plectrum.kernels.pairs._cpu_vector import (
    add_row,
    add_weighted_sum,
    dot_rows,
    sigmoid_errors,
    write_weighted_sum,
)

_ONE = np.float32(1)


@compiled()
def huffman_paths(counts):
    """The tree in which frequent keys have short ways: for each key its nodes from the root, and the turns.

    Parameters
    ----------
    counts : int64 (n,)
        Falling; at least two.

    Returns
    -------
    starts : int64 (n + 1,)
        Key c has the entries ``starts[c]:starts[c + 1]`` of the other two.
    nodes : int32
        Inner nodes, in [0, n - 1).
    turns : uint8
        1 where the way turns to the less frequent side.
    """
    n = counts.shape[0]
    weight = np.full(2 * n - 1, np.int64(1) << 62)
    weight[:n] = counts
    parent, turn = np.zeros(2 * n - 1, np.int64), np.zeros(2 * n - 1, np.uint8)
    leaf, inner = n - 1, n
    for made in range(n, 2 * n - 1):
        weight[made] = 0
        for side in range(2):
            if leaf >= 0 and (inner >= made or weight[leaf] < weight[inner]):
                taken = leaf
                leaf -= 1
            else:
                taken = inner
                inner += 1
            weight[made] += weight[taken]
            parent[taken], turn[taken] = made, 1 - side
    starts = np.zeros(n + 1, np.int64)
    for c in range(n):
        length, at = 0, c
        while at != 2 * n - 2:
            length += 1
            at = parent[at]
        starts[c + 1] = starts[c] + length
    nodes, turns = np.empty(starts[n], np.int32), np.empty(starts[n], np.uint8)
    for c in range(n):
        at, place = c, starts[c + 1]
        while at != 2 * n - 2:
            place -= 1
            turns[place] = turn[at]
            at = parent[at]
            nodes[place] = at - n
    return starts, nodes, turns


@compiled(error_model="numpy")
def hierarchical_softmax(
    inputs, node_table, bag_starts, bags, longest_bag, frozen, tokens, first, last, window, shrinks,
    path_starts, path_nodes, path_turns, averages, learning_rate, key,
):  # fmt: skip
    """Train on ``tokens[first:last]`` as centres: skip-gram, or CBOW where `averages`.

    Parameters
    ----------
    node_table : float32 ((n_keys - 1) * dim,)
        The vectors of the inner nodes. Written.
    path_starts, path_nodes, path_turns
        From `huffman_paths`.

    The others are those of `skip_gram`.

    Returns
    -------
    loss, n_pairs : float, int
    """
    n_keys = path_starts.shape[0] - 1
    has_bags, has_frozen = bag_starts.shape[0] > 1, frozen.shape[0] > 1
    dim = node_table.shape[0] // (n_keys - 1)
    n_vectors = dim // 16
    n_tokens = tokens.shape[0]
    longest_path = 1
    for c in range(n_keys):
        longest_path = max(longest_path, path_starts[c + 1] - path_starts[c])
    rows = np.zeros(longest_bag * 2 * window, np.int64)  # input rows of the mean
    nodes = np.zeros(longest_path + 8, np.int64)
    error = np.zeros(longest_path + 16, np.float32)
    x, change = np.empty(dim, np.float32), np.empty(dim, np.float32)
    share, at_zero = np.ones(1, np.float32), np.zeros(1, np.int64)
    loss, n_pairs = 0.0, 0
    for p in range(first, last):
        if tokens[p] < 0:
            continue
        reach = window
        if shrinks:
            reach = 1 + draw_below(random_bits(key, p), window)
        from_, to = p, p + 1
        while from_ > 0 and p - from_ < reach and tokens[from_ - 1] >= 0:
            from_ -= 1
        while to < n_tokens and to - p <= reach and tokens[to] >= 0:
            to += 1
        if to - from_ < 2:
            continue
        n = 0
        for s in range(from_ if averages else p, to if averages else p + 1):
            if averages and s == p:
                continue
            if has_bags:
                for q in range(bag_starts[tokens[s]], bag_starts[tokens[s] + 1]):
                    rows[n] = np.int64(bags[q]) * dim
                    n += 1
            else:
                rows[n] = np.int64(tokens[s]) * dim
                n += 1
        share[0] = _ONE / np.float32(n)
        write_weighted_sum(x, 0, inputs, rows, 0, share, rows, 0, 0, n, n_vectors)
        change[:] = 0
        for s in range(p if averages else from_, p + 1 if averages else to):
            if s == p and not averages:
                continue
            start = path_starts[tokens[s]]
            length = path_starts[tokens[s] + 1] - start
            for q in range(length):
                nodes[q] = np.int64(path_nodes[start + q]) * dim
            dot_rows(error, 0, x, 0, node_table, nodes, 0, length, n_vectors)
            if p % 16 == 0:
                for q in range(length):
                    sign = 1.0 if path_turns[start + q] else -1.0
                    loss += math.log1p(math.exp(sign * error[q]))
                n_pairs += 1
            sigmoid_errors(error, 0, length, _ONE, -learning_rate)
            for q in range(length):
                if path_turns[start + q] == 0:
                    error[q] += learning_rate
            add_weighted_sum(change, 0, node_table, nodes, 0, error, nodes, 0, 1, length, n_vectors)
            for q in range(length):
                add_weighted_sum(node_table, nodes[q], x, at_zero, 0, error, nodes, q, 0, 1, n_vectors)
        for q in range(n):
            if not has_frozen or frozen[rows[q] // dim] == 0:
                add_row(inputs, rows[q], change, 0, n_vectors)
    return loss, n_pairs
