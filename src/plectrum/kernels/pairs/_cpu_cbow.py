"""CBOW with negative sampling: the mean of the contexts predicts the centre, a block of neighbours at a time.

As in `_cpu_skip_gram`, the centres of a block share their negatives, and each row of the block is written
once: what a context is told by all the centres that see it is added up before.
"""

import math

import numpy as np

from plectrum.kernels.native._cpu_compile import compiled
from plectrum.kernels.pairs._cpu_random import draw_below, mix, random_bits, unit_float
from plectrum.kernels.pairs._cpu_skip_gram import BLOCK, LOSS_EVERY
from plectrum.kernels.pairs._cpu_vector import (
    add_row,
    add_weighted_sum,
    dot_rows,
    sigmoid_errors,
    write_weighted_sum,
)

_ONE = np.float32(1)


@compiled(error_model="numpy")
def cbow(
    inputs, outputs, bag_starts, bags, longest_bag, frozen, tokens, first, last, window, shrinks,
    chance, other, negative, n_shared, block, learning_rate, key,
):  # fmt: skip
    """Train on ``tokens[first:last]`` as centres; the arguments are those of `skip_gram`, without parts.

    Each row of the mean gets the whole gradient, undivided, as word2vec does.

    Returns
    -------
    loss, n_centers : float, int
        Summed over a sixteenth of the centres.
    """
    n_keys = chance.shape[0]
    has_bags, has_frozen = bag_starts.shape[0] > 1, frozen.shape[0] > 1
    dim = outputs.shape[0] // n_keys
    n_vectors = dim // 16
    width = 2 * window
    n_tokens = tokens.shape[0]

    hidden = np.empty(BLOCK * dim, np.float32)
    change = np.empty((BLOCK + 1) * dim, np.float32)
    hidden_rows = np.arange(BLOCK + 1) * dim
    own, n_near = np.empty(BLOCK, np.int64), np.empty(BLOCK, np.int64)
    near = np.zeros(BLOCK * width, np.int64)
    total = np.zeros(BLOCK, np.float32)  # rows in each mean
    far = np.zeros(n_shared + 9, np.int64)  # the shared negatives, then one centre's own row
    far_width = ((n_shared + 16) // 16) * 16
    error = np.zeros(BLOCK * far_width + 16, np.float32)
    most_places = BLOCK + 2 * window + 1
    seen_by = np.zeros(most_places * width, np.int64)
    n_seen = np.zeros(most_places, np.int64)
    places = np.zeros(most_places * dim if has_bags else 1, np.float32)  # the summed bag of each place
    bag_rows, ones, share = np.zeros(longest_bag, np.int64), np.ones(1, np.float32), np.ones(1, np.float32)
    source = places if has_bags else inputs

    each = np.float32(negative / n_shared)
    state = mix(key + np.uint64(1))
    n_drawn = 0
    loss, n_lost, n_blocks = 0.0, 0, 0
    begin, end = 0, 0
    t = first
    while t < last:
        low, high = max(t - window, 0), min(t + block, last)
        n_places = min(high + window, n_tokens) - low
        for m in range(n_places):
            n_seen[m] = 0
        n_centers = 0
        for p in range(t, high):
            token = tokens[p]
            if p >= end:
                begin, end = p, p + 1
                if token < 0:
                    begin = p + 1
                else:
                    while begin > 0 and tokens[begin - 1] >= 0 and p - begin < window:
                        begin -= 1
                    while end < n_tokens and tokens[end] >= 0:
                        end += 1
            if token < 0:
                continue
            reach = window
            if shrinks:
                reach = 1 + draw_below(random_bits(key, p), window)
            from_, to = max(p - reach, begin), min(p + reach + 1, end)
            if to - from_ < 2:
                continue
            q, n_rows = 0, 0
            for s in range(from_, to):
                if s != p:
                    m, neighbour = s - low, tokens[s]
                    if has_bags:
                        near[n_centers * width + q] = m * dim
                        n_rows += bag_starts[neighbour + 1] - bag_starts[neighbour]
                    else:
                        near[n_centers * width + q] = np.int64(neighbour) * dim
                        n_rows += 1
                    seen_by[m * width + n_seen[m]] = n_centers * dim
                    n_seen[m] += 1
                    q += 1
            own[n_centers], n_near[n_centers], total[n_centers] = np.int64(token) * dim, q, n_rows
            n_centers += 1
        t = high
        if n_centers == 0:
            continue
        if has_bags:
            for m in range(n_places):
                if n_seen[m]:
                    bag = bag_starts[tokens[low + m]]
                    n_bag = bag_starts[tokens[low + m] + 1] - bag
                    for q in range(n_bag):
                        bag_rows[q] = np.int64(bags[bag + q]) * dim
                    write_weighted_sum(
                        places, m * dim, inputs, bag_rows, 0, ones, hidden_rows, 0, 0, n_bag, n_vectors
                    )
        for k in range(n_shared):
            bits = random_bits(state, n_drawn)
            n_drawn += 1
            drawn = draw_below(bits, n_keys)
            if unit_float(bits) >= chance[drawn]:
                drawn = np.int64(other[drawn])
            far[k] = drawn * dim
        for j in range(n_centers):
            share[0] = _ONE / total[j]
            write_weighted_sum(
                hidden, j * dim, source, near, j * width, share, hidden_rows, 0, 0, n_near[j], n_vectors
            )
            far[n_shared] = own[j]
            dot_rows(error, j * far_width, hidden, j * dim, outputs, far, 0, n_shared + 1, n_vectors)
        if n_blocks % LOSS_EVERY == 0:
            for j in range(n_centers):
                for k in range(n_shared):
                    loss += each * math.log1p(math.exp(error[j * far_width + k]))
                loss += math.log1p(math.exp(-error[j * far_width + n_shared]))
            n_lost += n_centers
        n_blocks += 1
        for j in range(n_centers):
            at = j * far_width
            sigmoid_errors(error, at, n_shared + 1, _ONE, -learning_rate * each)
            error[at + n_shared] = (
                learning_rate + error[at + n_shared] / each
            )  # learning_rate * (1 - sigmoid)
            for k in range(n_shared):
                if far[k] == own[j]:
                    error[at + k] = 0
            far[n_shared] = own[j]
            write_weighted_sum(
                change, j * dim, outputs, far, 0, error, hidden_rows, at, 1, n_shared + 1, n_vectors
            )
        for k in range(n_shared):
            add_weighted_sum(
                outputs,
                far[k],
                hidden,
                hidden_rows,
                0,
                error,
                hidden_rows,
                k,
                far_width,
                n_centers,
                n_vectors,
            )
        for j in range(n_centers):
            add_weighted_sum(
                outputs,
                own[j],
                hidden,
                hidden_rows,
                j,
                error,
                hidden_rows,
                j * far_width + n_shared,
                0,
                1,
                n_vectors,
            )
        for m in range(n_places):
            if n_seen[m] == 0:
                continue
            token = tokens[low + m]
            if has_bags:
                write_weighted_sum(
                    change,
                    BLOCK * dim,
                    change,
                    seen_by,
                    m * width,
                    ones,
                    hidden_rows,
                    0,
                    0,
                    n_seen[m],
                    n_vectors,
                )
                for q in range(bag_starts[token], bag_starts[token + 1]):
                    if not has_frozen or frozen[bags[q]] == 0:
                        add_row(inputs, np.int64(bags[q]) * dim, change, BLOCK * dim, n_vectors)
            elif not has_frozen or frozen[token] == 0:
                add_weighted_sum(
                    inputs, np.int64(token) * dim, change, seen_by, m * width, ones, hidden_rows, 0, 0,
                    n_seen[m], n_vectors,
                )  # fmt: skip
    return loss, n_lost
