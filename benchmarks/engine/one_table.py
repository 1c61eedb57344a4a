"""One table: against torch's dense and sparse training and FBGEMM's sequence mode; exact against frozen rows.

    python benchmarks/engine/one_table.py [sequence] [exact] [bags] [--rounds 15]

Numbers are checked before anything is timed, frozen Adam's against SparseAdam's, SGD's against torch's; exact
AdamW's after the very steps that are timed, against torch's dense AdamW and what that would be in float64. At
a constant rate torch rounds what decays alike at every step, so that its own numbers drift.

In `sequence` and `exact` a turn is five steps, since a step of training follows one of its own: the first
after a dense step of torch's, which goes through a gigabyte, finds empty caches and takes twice as long.
"""

import argparse
import math

import numpy as np
import torch
from _turns import report, take_turns, training, verdict, write_line, zipf_ids

import plectrum.nn
import plectrum.optim

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
DECAY = 0.01  # of AdamW's weights


def fbgemm(n_rows, dim, kind, pooling):
    peer = SplitTableBatchedEmbeddingBagsCodegen(
        [(n_rows, dim, EmbeddingLocation.HOST, ComputeDevice.CPU)],
        optimizer=kind,
        learning_rate=1e-3,
        eps=1e-8,
        pooling_mode=pooling,
    )
    peer.init_embedding_weights_uniform(-0.1, 0.1)
    return peer


def assert_same_training(make_ours, make_theirs, batches, slope, tolerance):
    """Both start alike and take three steps; raise unless the weights agree to the tolerance."""
    a = plectrum.nn.Embedding(500, slope.shape[-1])
    b = torch.nn.Embedding(500, slope.shape[-1], _weight=a.weight.detach().clone())
    ours, (b, theirs) = make_ours(a), make_theirs(b)
    small = [ids % 500 for ids in batches]
    for k in range(3):
        training(a, ours, small, slope)(k)
        training(b, theirs, small, slope)(k)
    worst = (a.weight.detach() - b.weight.detach()).abs().max() / b.weight.detach().abs().max()
    assert worst < tolerance, f"the numbers differ by {worst:.2e} of the largest weight"


def with_sparse(kind, **options):
    def make(layer):
        layer.sparse = True
        return layer, kind(layer.parameters(), **options)

    return make


def sequence(rounds):
    """500,000 x 64, 40,960 ids, no pooling."""
    n_rows, dim, n_ids = 500_000, 64, 40_960
    rng = np.random.default_rng(0)
    batches = [torch.from_numpy(rng.integers(0, n_rows, n_ids)) for _ in range(4)]
    slope = torch.randn(n_ids, dim)
    assert_same_training(
        lambda m: plectrum.optim.SGD(m, lr=0.1), with_sparse(torch.optim.SGD, lr=0.1), batches, slope, 1e-5
    )
    assert_same_training(
        lambda m: plectrum.optim.Adam(m, absent_rows="frozen", eps=1e-14),
        with_sparse(torch.optim.SparseAdam, eps=1e-14),  # it adds eps elsewhere than torch.optim.Adam
        batches,
        slope,
        1e-5,
    )
    results = []
    for name, ours, theirs, bar in (
        ("SGD", {}, torch.optim.SGD, 1.5),
        ("Adam", {"absent_rows": "frozen"}, torch.optim.SparseAdam, 15),
        ("Adagrad", {}, torch.optim.Adagrad, None),
    ):
        mine, other = plectrum.nn.Embedding(n_rows, dim), torch.nn.Embedding(n_rows, dim, sparse=True)
        optimizer = getattr(plectrum.optim, name)(mine, lr=1e-3, **ours)
        calls = {
            "plectrum": training(mine, optimizer, batches, slope),
            "torch sparse": training(other, theirs(other.parameters(), lr=1e-3), batches, slope),
        }
        if EmbOptimType is not None and name in {"SGD", "Adagrad"}:
            kind = EmbOptimType.EXACT_SGD if name == "SGD" else EmbOptimType.EXACT_ADAGRAD
            peer, offsets = fbgemm(n_rows, dim, kind, PoolingMode.NONE), torch.arange(n_ids + 1)
            calls["FBGEMM"] = lambda k, peer=peer, offsets=offsets: peer(batches[k % 4], offsets).backward(
                slope
            )
        pairs = {("torch sparse", "plectrum"): bar, ("FBGEMM", "plectrum"): 10}
        results.append(
            report(
                f"{name}, 500,000 x 64, 40,960 ids",
                take_turns(calls, rounds, steps=STEPS),
                pairs,
                pairs if bar else None,
            )
        )
    return results


RATES = {  # of learning, at step k; by what a case is called for it
    ", cosine schedule": lambda k: 5e-4 * (1 + math.cos(math.pi * k / 1000)),
    "": lambda _: 1e-3,
}


def scheduled(step, optimizer, rate):
    """Return a function that takes the k-th step at the rate of that step."""

    def train(k):
        for group in optimizer.param_groups:
            group["lr"] = rate(k)
        step(k)

    return train


def in_double_precision(start, ids, slope, rows, rate):
    """Return what torch's dense AdamW makes of these rows in float64: every row goes its own way."""
    kept = torch.nn.Parameter(start[rows].double())
    optimizer = torch.optim.AdamW([kept], weight_decay=DECAY)
    place = torch.full((len(start),), len(rows)).index_copy_(0, rows, torch.arange(len(rows)))

    def step(k):
        sums = torch.zeros(len(rows) + 1, start.shape[1], dtype=torch.float64)  # the last: all other rows
        kept.grad = sums.index_add_(0, place[ids[k]], slope.double())[:-1]
        optimizer.step()

    train = scheduled(step, optimizer, rate)
    for k in range(len(ids)):
        train(k)
    return kept.detach()


def compare_numbers(mine, dense, start, ids, slope, rate):
    """Print and return how far the two are from each other, and some rows of each from float64's."""
    mine, dense = mine.weight.detach(), dense.weight.detach()
    largest = dense.abs().max()
    apart = float((mine - dense).abs().max() / largest)
    print(f"  numbers differ from torch's by {apart:.1e} of the largest (bar 1e-5: {verdict(apart <= 1e-5)})")
    farthest = (mine - dense).abs().amax(1).topk(2000).indices
    rows = torch.cat([farthest, ids[:50].reshape(-1), torch.randperm(len(start))[:2000]]).unique()
    true = in_double_precision(start, ids, slope, rows, rate)
    off = {
        name: float((weight[rows] - true).abs().max() / largest)
        for name, weight in (("plectrum", mine), ("torch", dense))
    }
    print(f"  over {len(rows):,} rows, plectrum's differ from float64's by {off['plectrum']:.1e},", end=" ")
    print(f"torch's by {off['torch']:.1e}")
    assert off["plectrum"] < 1e-5
    return {"difference_of_largest_weight": apart, "difference_from_float64": off}


def exact(rounds):
    """4,096 Zipf ids a step; 200 steps first, so that rows are behind by anything from 1 to 200."""
    return [exact_at(name, rounds) for name in RATES]


def exact_at(name, rounds, n_rows=1_000_000):
    """`exact` at one of `RATES`."""
    torch.manual_seed(0)
    dim, n_ids, rate = 64, 4096, RATES[name]
    n_steps = 200 + STEPS * rounds
    ids = zipf_ids(n_rows, n_ids * n_steps, np.random.default_rng(0)).reshape(n_steps, n_ids)
    slope, start = torch.randn(n_ids, dim), torch.randn(n_rows, dim)
    mine, frozen = (plectrum.nn.Embedding(n_rows, dim, _weight=start.clone()) for _ in range(2))
    dense = torch.nn.Embedding(n_rows, dim, _weight=start.clone())
    optimizers = {
        "plectrum exact": (mine, plectrum.optim.AdamW(mine, weight_decay=DECAY)),
        "plectrum frozen": (frozen, plectrum.optim.Adam(frozen, absent_rows="frozen")),
        "torch dense, fused": (
            dense,
            torch.optim.AdamW(dense.parameters(), weight_decay=DECAY, fused=True),
        ),
    }
    one_step = {
        who: scheduled(training(layer, optimizer, ids, slope), optimizer, rate)
        for who, (layer, optimizer) in optimizers.items()
    }
    for k in range(200):
        for step in one_step.values():
            step(k)
    shifted = {who: (lambda k, step=step: step(200 + k)) for who, step in one_step.items()}
    pairs = {("torch dense, fused", "plectrum exact"): 100, ("plectrum exact", "plectrum frozen"): None}
    seconds = take_turns(shifted, rounds, 0, STEPS)
    found = report(f"AdamW, {n_rows:,} x 64, 4,096 Zipf ids{name}", seconds, pairs, pairs)
    slower = found["ratios"]["plectrum frozen over plectrum exact"]
    print(f"  exact takes {slower:.2f}x the time of frozen (bar 2.5: {verdict(slower <= 2.5)})")
    return found | {"steps_per_turn": STEPS} | compare_numbers(mine, dense, start, ids, slope, rate)


def bags(rounds):
    """100,000 rows, 4,096 bags of 20 ids: forward against torch, training against FBGEMM and torch sparse."""
    n_rows, dim, n_bags, size = 100_000, 64, 4096, 20
    rng = np.random.default_rng(0)
    batches = [zipf_ids(n_rows, n_bags * size, rng).reshape(n_bags, size) for _ in range(4)]
    slope = torch.randn(n_bags, dim)
    offsets = torch.arange(0, n_bags * size + 1, size)
    results = []
    for name, bar in (("SGD", 1.3), ("RowwiseAdagrad", 1.3)):
        mine = plectrum.nn.EmbeddingBag(n_rows, dim, mode="sum")
        start = mine.weight.detach().clone()
        other = torch.nn.EmbeddingBag(n_rows, dim, mode="sum", sparse=True, _weight=start)
        optimizer = getattr(plectrum.optim, name)(mine, lr=1e-3)
        torch.testing.assert_close(mine(batches[0]), other(batches[0]))
        calls = {"plectrum": training(mine, optimizer, batches, slope)}
        if name == "SGD":
            theirs = torch.optim.SGD(other.parameters(), lr=1e-3)
            calls["torch sparse"] = training(other, theirs, batches, slope)
        if EmbOptimType is not None:
            kind = EmbOptimType.EXACT_SGD if name == "SGD" else EmbOptimType.EXACT_ROWWISE_ADAGRAD
            peer = fbgemm(n_rows, dim, kind, PoolingMode.SUM)
            flat = [ids.reshape(-1) for ids in batches]
            calls["FBGEMM"] = lambda k, peer=peer, flat=flat: peer(flat[k % 4], offsets).backward(slope)
        pairs = {("FBGEMM", "plectrum"): bar, ("torch sparse", "plectrum"): None}
        results.append(report(f"{name}, bags of 20", take_turns(calls, rounds * 2), pairs, pairs))
    with torch.no_grad():
        calls = {"plectrum": lambda k: mine(batches[k % 4]), "torch": lambda k: other(batches[k % 4])}
        pairs = {("torch", "plectrum"): 1.0}
        results.append(report("bags of 20, forward", take_turns(calls, rounds * 4), pairs, pairs))
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", default=["sequence", "exact", "bags"])
    parser.add_argument("--rounds", type=int, default=15)
    asked = parser.parse_args()
    torch.set_num_threads(2)
    for case in asked.cases:
        results = {"sequence": sequence, "exact": exact, "bags": bags}[case](asked.rounds)
        write_line(f"engine_{case}", results, seed=0)


if __name__ == "__main__":
    main()
