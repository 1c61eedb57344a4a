"""26 tables of a million rows: forward, backward and update, against FBGEMM's table-batched CPU code.

    python benchmarks/engine/tables.py [--tables 26] [--rows 1000000] [--dim 64] [--batch 4096] [--rounds 20]

Run it with a Python that has fbgemm-gpu-cpu 1.8.0 beside plectrum; without it only plectrum is measured. Each
trains its own memory, FBGEMM at its recommended settings (fused optimizer). First the numbers are checked:
steps of each from the same start, on small tables. A turn is five steps, for the ceiling too, which takes its
turns with the rest: a step of training follows one of its own.
"""

import argparse
import gc

import numpy as np
import torch
from _turns import report, take_turns, write_line, zipf_ids

import plectrum.nn
import plectrum.optim
from plectrum.kernels._pages import use_large_pages
from plectrum.rows._lookup import _gather
from plectrum.rows._place import place_of

try:
    from fbgemm_gpu.split_embedding_configs import EmbOptimType
    from fbgemm_gpu.split_table_batched_embeddings_ops_common import EmbeddingLocation, PoolingMode
    from fbgemm_gpu.split_table_batched_embeddings_ops_training import (
        ComputeDevice,
        SplitTableBatchedEmbeddingBagsCodegen,
    )
except ImportError:
    EmbOptimType = None


STEPS = 5  # of a turn


def fbgemm(n_tables, n_rows, dim, optimizer, lr):
    kind = EmbOptimType.EXACT_SGD if optimizer == "SGD" else EmbOptimType.EXACT_ROWWISE_ADAGRAD
    tables = [(n_rows, dim, EmbeddingLocation.HOST, ComputeDevice.CPU)] * n_tables
    peer = SplitTableBatchedEmbeddingBagsCodegen(
        tables, optimizer=kind, learning_rate=lr, eps=1e-8, pooling_mode=PoolingMode.SUM
    )
    peer.init_embedding_weights_uniform(-0.1, 0.1)
    return peer


def plectrum_tables(n_tables, n_rows, dim, optimizer, lr):
    """Our tables, filled as the peer fills its own."""
    layer = plectrum.nn.EmbeddingTables({str(t): (1, dim) for t in range(n_tables)})
    for t in range(n_tables):
        layer[str(t)].data = torch.empty(n_rows, dim).uniform_(-0.1, 0.1)
    options = {"eps": 1e-8} if optimizer == "RowwiseAdagrad" else {}
    return layer, getattr(plectrum.optim, optimizer)(layer, lr=lr, **options)


def check(optimizer):
    """Both take three steps from the same start on small tables; raise unless their numbers agree."""
    peer = fbgemm(3, 100, 8, optimizer, 0.05)
    layer, ours = plectrum_tables(3, 100, 8, optimizer, 0.05)
    with torch.no_grad():
        for t in range(3):
            layer[str(t)].copy_(peer.split_embedding_weights()[t])
    offsets = torch.arange(3 * 32 + 1)
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        ids = torch.randint(0, 100, (32, 3), generator=generator)
        slope = torch.randn(32, 24, generator=generator)
        out = peer(ids.T.contiguous().reshape(-1), offsets)
        mine = layer(ids)
        torch.testing.assert_close(mine, out)
        out.backward(slope)
        mine.backward(slope)
        ours.step()
        ours.zero_grad()
    for t in range(3):
        torch.testing.assert_close(layer[str(t)].detach(), peer.split_embedding_weights()[t])


def copies(layer, batches, n_tables, dim):
    """Return what sets the ceiling: copies of a batch's rows, by torch's operations and by a plain loop.

    As three things: name -> call; name -> bytes it moves, counted as for the step itself, where a row that
    occurs more than once comes from memory once; and the distinct rows of every batch and table.
    """
    distinct = [[torch.unique(ids[:, t]) for t in range(n_tables)] for ids in batches]
    room = torch.zeros(max(len(r) for rows in distinct for r in rows), dim)
    weights = [layer[str(t)].detach() for t in range(n_tables)]

    def by_index(k):
        for table, rows in zip(weights, distinct[k % len(batches)], strict=True):
            part = room[: len(rows)]
            torch.index_select(table, 0, rows, out=part)
            table.index_copy_(0, rows, part)

    wide = torch.zeros(batches[0].shape[0], n_tables * dim)
    places = [place_of(weight) for weight in weights]

    def plain(k):
        _gather(batches[k % len(batches)], places, wide)

    n_distinct = np.mean([sum(len(r) for r in rows) for rows in distinct])
    moved = {
        "index_select, index_copy_": 2 * 4 * dim * n_distinct,  # the room stays in the caches
        "plain copy": 4 * dim * (n_distinct + n_tables * batches[0].shape[0]),  # as in `bytes_needed`
    }
    return dict(zip(moved, (by_index, plain), strict=True)), moved, distinct


def bytes_needed(distinct, batch, n_tables, dim, state_per_row):
    """Rows out, gradients in, each distinct row and its state read and written: what a step must move."""
    n_distinct = np.mean([sum(len(r) for r in rows) for rows in distinct])
    forward = 4 * dim * (n_distinct + n_tables * batch)
    return forward + 4 * dim * n_tables * batch + 2 * n_distinct * 4 * (dim + state_per_row)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("tables", 26), ("rows", 1_000_000), ("dim", 64), ("batch", 4096), ("rounds", 20)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    torch.set_num_threads(2)
    rng = np.random.default_rng(0)
    sizes = (asked.tables, asked.rows, asked.dim)
    batches = [
        torch.stack([zipf_ids(asked.rows, asked.batch, rng) for _ in range(asked.tables)], 1)
        for _ in range(4)
    ]
    flat = [ids.T.contiguous().reshape(-1) for ids in batches]
    offsets = torch.arange(asked.tables * asked.batch + 1)
    slope = torch.randn(asked.batch, asked.tables * asked.dim)
    use_large_pages(slope.data_ptr(), slope.numel() * 4)
    results = []
    for optimizer, bar in (("RowwiseAdagrad", 1.6), ("SGD", 2.5)):
        if EmbOptimType is not None:
            check(optimizer)
        peer = fbgemm(*sizes, optimizer, 1e-6) if EmbOptimType is not None else None
        layer, ours = plectrum_tables(*sizes, optimizer, 1e-6)

        def train(k, layer=layer, ours=ours):
            layer(batches[k % 4]).backward(slope)
            ours.step()
            ours.zero_grad()

        def train_peer(k, peer=peer):
            peer(flat[k % 4], offsets).backward(slope)

        calls = {"plectrum": train} | ({"FBGEMM": train_peer} if peer is not None else {})
        copy_calls, moved, distinct = copies(layer, batches, asked.tables, asked.dim)
        seconds = take_turns(calls | copy_calls, asked.rounds, warm_up=4, steps=STEPS)
        pair = ("FBGEMM", "plectrum")
        found = report(f"{optimizer}, {sizes[0]} x {sizes[1]:,} x {sizes[2]}", seconds, [pair], {pair: bar})
        speed = max(n_bytes / np.median(seconds[name]) for name, n_bytes in moved.items())
        needed = bytes_needed(distinct, asked.batch, asked.tables, asked.dim, optimizer != "SGD")
        share = needed / speed / np.median(seconds["plectrum"])
        print(f"  moves {needed / 1e6:.0f} MB; ceiling {speed / 1e9:.1f} GB/s; {share:.0%} of it")
        found |= {
            "bytes": int(needed),
            "ceiling_bytes_per_s": speed,
            "share_of_ceiling": share,
        }
        results.append(found)
        del peer, layer, ours, calls, copy_calls, train, train_peer
        gc.collect()
    write_line("engine_tables", results, seed=0, sizes=vars(asked))


if __name__ == "__main__":
    main()
