"""Skip-gram with negative sampling, a block of neighbouring centres at a time.

The textbook update touches, for every pair (centre, context), one input row and 1 + negative output rows:
some 40 reads and writes of rows per token. Here the centres of a block share their negatives, and the rows of
a block are read once and written once, which leaves about five; what is in between is products of small
matrices, held in registers. `reference.py` is the definition.
"""

import math

import numpy as np

from plectrum.kernels.native._cpu_compile import compiled
from plectrum.kernels.native._cpu_memory import prefetch_row
from plectrum.kernels.pairs._cpu_random import draw_below, mix, random_bits, unit_float
from plectrum.kernels.pairs._cpu_vector import (
    add_row,
    add_sum_weighted_at,
    add_weighted_sum,
    copy_row,
    dot_rows,
    sigmoid_errors,
    write_weighted_sum,
)

BLOCK = 16  # the most centres per block
REACH = 6  # a block looks no further than this many positions per centre for its centres
LOSS_EVERY = 16  # blocks per block whose loss is computed
_ONE = np.float32(1)
_FLOAT_BYTES = 4


@compiled(error_model="numpy")
def skip_gram(
    inputs, outputs, bag_starts, bags, longest_bag, frozen, tokens, first, last, window, shrinks,
    chance, other, part_starts, part_mass, negative, n_shared, block, learning_rate, key,
    in_part, out_part, n_parts,
):  # fmt: skip
    """Train on ``tokens[first:last]`` as centres; tokens outside are contexts only.

    Parameters
    ----------
    inputs, outputs : float32 (n_rows * dim,)
        The tables, flat, dim a multiple of 16. Written.
    bag_starts : int64 (n_keys + 1,) or (1,)
    bags : int32
        The input vector of key c is the mean of the rows ``bags[bag_starts[c]:bag_starts[c + 1]]``; with one
        start only, it is row c.
    longest_bag : int
    frozen : uint8 (n_input_rows,) or (1,)
        Input rows that stay as they are, when longer than one.
    tokens : int32 (n,)
        Keys; -1 ends a sentence.
    window : int
        Contexts on either side; with `shrinks` a number drawn from 1 to window, as word2vec does.
    chance, other : float32, int32 (n_keys,)
        Alias tables of the negatives, one for each part, one after the other from ``part_starts[part]``; row
        ``part + n_parts * i`` is entry i of a part.
    part_mass : float32 (n_parts,)
        Share of the negatives that lies in each part.
    negative : int
        Negatives per pair. The `n_shared` negatives of a block weigh ``negative / n_shared`` each.
    block : int
        Centres per block, at most 16. What all of them tell a row adds up, so that fewer are safer where few
        rows meet again and again.
    key : uint64
        All chance of this call.
    in_part, out_part, n_parts : int
        Only centres with ``row % n_parts == in_part`` and contexts and negatives of `out_part` take part, so
        that calls for disjoint parts may run at once and give the same bits in whatever order. n_parts is a
        power of two; 1 means all.

    Returns
    -------
    loss, n_pairs : float, int
        Summed over a sixteenth of the pairs.
    """
    n_keys = chance.shape[0]
    has_bags, has_frozen = bag_starts.shape[0] > 1, frozen.shape[0] > 1
    n_out = outputs.shape[0] // n_keys
    dim = n_out
    n_vectors = dim // 16
    row_bytes = dim * _FLOAT_BYTES
    mask = n_parts - 1
    width = ((2 * window + 15) // 16) * 16  # room for the contexts of one centre
    n_tokens = tokens.shape[0]

    x = np.empty(BLOCK * dim, np.float32)  # the block's centres, as they were when the block began
    change = np.empty(BLOCK * dim, np.float32)
    x_rows = np.arange(BLOCK) * dim
    center = np.empty(BLOCK, np.int64)
    n_near, n_all = np.empty(BLOCK, np.int64), np.empty(BLOCK, np.int64)
    near = np.zeros(BLOCK * width + 16, np.int64)  # output rows of the contexts of each centre
    near_error = np.zeros(BLOCK * width + 16, np.float32)
    far_keys, is_near = np.zeros(n_shared, np.int32), np.zeros(n_shared, np.int32)
    far = np.zeros(n_shared + 8, np.int64)  # output rows of the shared negatives
    far_error = np.zeros(BLOCK * (n_shared + 16), np.float32)
    far_width = ((n_shared + 15) // 16) * 16
    span = REACH * block
    n_places = span + 2 * window + 1
    seen_by = np.zeros(n_places * 2 * window, np.int64)  # for each place, the centres that see it ...
    seen_at = np.zeros(n_places * 2 * window, np.int64)  # ... and where their error stands
    n_seen = np.zeros(n_places, np.int64)
    bag_rows, share = np.zeros(longest_bag, np.int64), np.ones(1, np.float32)

    n_part = part_starts[out_part + 1] - part_starts[out_part]
    part_start = part_starts[out_part]
    each = np.float32(negative * part_mass[out_part] / n_shared)  # weight of a negative per pair
    state = mix(key + np.uint64(in_part * n_parts + out_part + 1))
    n_drawn = 0
    loss, n_pairs, n_blocks = 0.0, 0, 0
    begin, end = 0, 0  # of the sentence that holds p
    t = first
    while t < last:
        # ---- the block: its centres, and who sees whom
        low = max(t - window, 0)
        n_centers, p = 0, t
        high = min(t + span, last)
        n_places = 0
        while p < high and n_centers < block:
            token = tokens[p]
            if p >= end:
                begin = p
                if token < 0:
                    begin, end = p + 1, p + 1
                else:
                    while begin > 0 and tokens[begin - 1] >= 0 and p - begin < window:
                        begin -= 1
                    end = p + 1
                    while end < n_tokens and tokens[end] >= 0:
                        end += 1
            if token < 0 or (token & mask) != in_part:
                p += 1
                continue
            reach = window
            if shrinks:
                reach = 1 + draw_below(random_bits(key, p), window)
            from_, to = max(p - reach, begin), min(p + reach + 1, end)
            at, q = n_centers * width, 0
            if to - low > n_places:
                for m in range(n_places, to - low):
                    n_seen[m] = 0
                n_places = to - low
            for side in range(2):
                start, stop = (from_, p) if side == 0 else (p + 1, to)
                for s in range(start, stop):
                    neighbour, m = tokens[s], s - low
                    near[at + q] = np.int64(neighbour) * dim
                    place = m * 2 * window + n_seen[m]
                    seen_by[place], seen_at[place] = n_centers * dim, at + q
                    mine = np.int64((neighbour & mask) == out_part)
                    n_seen[m] += mine
                    q += mine
            p += 1
            if to - from_ > 1:
                center[n_centers], n_near[n_centers], n_all[n_centers] = token, q, to - from_ - 1
                n_centers += 1
        stop_at = p
        # ---- the negatives that they share
        for k in range(n_shared):
            bits = random_bits(state, n_drawn)
            n_drawn += 1
            drawn = draw_below(bits, n_part)
            if unit_float(bits) >= chance[part_start + drawn]:
                drawn = np.int64(other[part_start + drawn])
            far_keys[k] = drawn * n_parts + out_part
            far[k] = np.int64(far_keys[k]) * dim
            prefetch_row(outputs.ctypes.data + far[k] * _FLOAT_BYTES, row_bytes, False)
        # ---- centres, products, errors
        for j in range(n_centers):
            if has_bags:
                bag, n_bag = bag_starts[center[j]], bag_starts[center[j] + 1] - bag_starts[center[j]]
                for q in range(n_bag):
                    bag_rows[q] = np.int64(bags[bag + q]) * dim
                share[0] = _ONE / np.float32(n_bag)
                write_weighted_sum(x, j * dim, inputs, bag_rows, 0, share, x_rows, 0, 0, n_bag, n_vectors)
            else:
                copy_row(x, j * dim, inputs, center[j] * dim, n_vectors)
        for j in range(n_centers):
            dot_rows(far_error, j * far_width, x, j * dim, outputs, far, 0, n_shared, n_vectors)
            dot_rows(near_error, j * width, x, j * dim, outputs, near, j * width, n_near[j], n_vectors)
        if n_blocks % LOSS_EVERY == 0:
            for j in range(n_centers):
                for k in range(n_shared):
                    loss += each * n_all[j] * math.log1p(math.exp(far_error[j * far_width + k]))
                for q in range(n_near[j]):
                    loss += math.log1p(math.exp(-near_error[j * width + q]))
                n_pairs += n_near[j]
        n_blocks += 1
        for j in range(n_centers):
            weight = -learning_rate * each * np.float32(n_all[j])
            sigmoid_errors(far_error, j * far_width, n_shared, _ONE, weight)
            sigmoid_errors(near_error, j * width, n_near[j], -_ONE, learning_rate)
        for k in range(n_shared):  # a negative that is a true context of a centre is none for that pair
            is_near[k] = 0
        for m in range(n_places):
            if n_seen[m]:
                token = tokens[low + m]
                for k in range(n_shared):
                    is_near[k] |= far_keys[k] == token
        for k in range(n_shared):
            if is_near[k]:
                for j in range(n_centers):
                    n_same = 0
                    for q in range(n_near[j]):
                        n_same += near[j * width + q] == far[k]
                    far_error[j * far_width + k] *= np.float32(n_all[j] - n_same) / np.float32(n_all[j])
        # ---- changes: of the centres from the outputs as they were, then of the outputs from the centres
        for j in range(n_centers):
            write_weighted_sum(
                change, j * dim, outputs, far, 0, far_error, x_rows, j * far_width, 1, n_shared, n_vectors
            )
            add_weighted_sum(
                change,
                j * dim,
                outputs,
                near,
                j * width,
                near_error,
                x_rows,
                j * width,
                1,
                n_near[j],
                n_vectors,
            )
        for k in range(n_shared):
            add_weighted_sum(
                outputs, far[k], x, x_rows, 0, far_error, x_rows, k, far_width, n_centers, n_vectors
            )
        for m in range(n_places):
            if n_seen[m]:
                at = m * 2 * window
                row = np.int64(tokens[low + m]) * dim
                add_sum_weighted_at(
                    outputs, row, x, seen_by, at, near_error, seen_at, at, 0, n_seen[m], n_vectors
                )
        for j in range(n_centers):
            if has_bags:
                bag = bag_starts[center[j]]
                for q in range(bag, bag_starts[center[j] + 1]):
                    if not has_frozen or frozen[bags[q]] == 0:
                        add_row(inputs, np.int64(bags[q]) * dim, change, j * dim, n_vectors)
            elif not has_frozen or frozen[center[j]] == 0:
                add_row(inputs, center[j] * dim, change, j * dim, n_vectors)
        t = stop_at
    return loss, n_pairs
