"""How the cost of a step grows: with rows, dim, batch and skew; and the memory that training takes.

    python benchmarks/engine/growth.py [rows] [dim] [batch] [skew] [memory] [--rounds 12] [--largest 10000000]

`rows`: exact AdamW at 10,000 to 10,000,000 rows, and the bar "10,000,000 rows at most 1.5 times 100,000".
`dim`, `batch`, `skew`: against torch's sparse SGD and its dense AdamW (fused, its fastest), which take the
same steps from the same start. The weights must then be those of dense AdamW, or, for SGD, those of the same
steps in float64, else no time is written down.
`memory`: each candidate trains in a process of its own and tells how far its peak lies above where it stood
before training: optimizer state, gradients and all else.

A turn is five steps, as in `one_table.py`.
"""

import argparse
import gc
import json
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from _turns import report, take_turns, training, write_line, zipf_ids

import plectrum.nn
import plectrum.optim

STEPS = 5  # of a turn
BEHIND = 40  # steps before the first turn, so that rows are behind
CLOSE = 1e-5  # how far weights may be apart, as a share of the largest


def assert_close(found, expected, what):
    """Raise unless two tables agree; return how far they are apart, as a share of the largest weight."""
    differ = float((found.detach() - expected.detach()).abs().max() / expected.detach().abs().max())
    assert differ < CLOSE, f"{what}: the weights differ by {differ:.1e} of the largest"
    return differ


def after_sgd(start, batches, slope, lr, steps):
    """Return in float64 what SGD makes of a table whose rows all get the same slopes, step after step.

    torch's sparse SGD is no judge of the last digits: it adds each gradient of a popular row to the weight in
    turn, and rounds as often.
    """
    found, slope = start.double(), slope.double()
    for k, n in enumerate(np.bincount(np.asarray(steps) % len(batches), minlength=len(batches))):
        found.index_add_(0, batches[k], slope, alpha=-lr * float(n))
    return found


def check():
    """Exact AdamW takes 200 steps beside torch's dense AdamW; raise unless their weights agree."""
    n_rows, dim, n_ids = 2000, 16, 256
    batches = zipf_ids(n_rows, n_ids * 64, np.random.default_rng(1)).reshape(64, n_ids)
    slope = torch.randn(n_ids, dim)
    mine = plectrum.nn.Embedding(n_rows, dim)
    other = torch.nn.Embedding(n_rows, dim, _weight=mine.weight.detach().clone())
    ours = training(mine, plectrum.optim.AdamW(mine, dense_below=0), batches, slope)
    theirs = training(other, torch.optim.AdamW(other.parameters(), fused=True), batches, slope)
    for k in range(200):
        ours(k)
        theirs(k)
    differ = assert_close(mine.weight, other.weight, "AdamW")
    print(f"exact AdamW and torch's differ by {differ:.1e} of the largest weight")


def rows(asked):
    """Exact AdamW from 10,000 rows up, 64 numbers each, 4,096 Zipf ids a step."""
    dim, n_ids, results = 64, 4096, []
    for n_rows in (10_000, 100_000, 1_000_000, 10_000_000):
        if n_rows > asked.largest:
            break
        ids = zipf_ids(n_rows, n_ids * 64, np.random.default_rng(0)).reshape(64, n_ids)
        slope = torch.randn(n_ids, dim)
        layer = plectrum.nn.Embedding(n_rows, dim, _weight=torch.full((n_rows, dim), 0.1))
        step = training(layer, plectrum.optim.AdamW(layer, dense_below=0), ids, slope)
        seconds = take_turns({"plectrum": step}, asked.rounds * 3, 60)
        results.append(report(f"exact AdamW, {n_rows:,} rows", seconds))
        del layer, step
        gc.collect()
    times = {result["case"]: result["times"]["plectrum"]["median_ms"] for result in results}
    last = times.get("exact AdamW, 10,000,000 rows")
    if last is not None:
        quotient = last / times["exact AdamW, 100,000 rows"]
        print(f"  10,000,000 rows take {quotient:.2f}x the time of 100,000 (bar 1.5)")
    return results


def both(title, n_rows, dim, batches, rounds):
    """Time SGD against torch's sparse SGD and exact AdamW against torch's dense AdamW on these batches."""
    start = torch.randn(n_rows, dim)
    slope = torch.randn(batches.shape[1], dim)
    results = []
    for name, peer, options in (
        ("SGD", "torch sparse", {"lr": 1e-3}),
        ("AdamW", "torch dense, fused", {"lr": 1e-3, "weight_decay": 0.01}),
    ):
        mine = plectrum.nn.Embedding(n_rows, dim, _weight=start.clone())
        other = torch.nn.Embedding(n_rows, dim, sparse=name == "SGD", _weight=start.clone())
        fused = {"fused": True} if name == "AdamW" else {}
        ours = getattr(plectrum.optim, name)(mine, dense_below=0, **options)
        theirs = getattr(torch.optim, name)(other.parameters(), **options, **fused)
        calls = {
            "plectrum": training(mine, ours, batches, slope),
            peer: training(other, theirs, batches, slope),
        }
        for k in range(BEHIND):
            for call in calls.values():
                call(k)
        seconds = take_turns(calls, rounds, 0, STEPS)
        found = report(f"{name}, {title}", seconds, [(peer, "plectrum")])
        expected = other.weight
        if name == "SGD":
            steps = [*range(BEHIND), *range(rounds * STEPS)]
            expected = after_sgd(start, batches, slope, options["lr"], steps)
        differ = assert_close(mine.weight, expected, f"{name}, {title}")
        results.append(found | {"difference_of_largest_weight": differ, "steps_per_turn": STEPS})
        del mine, other, ours, theirs, calls, expected
        gc.collect()
    return results


def dim(asked):
    """100,000 rows, 4,096 Zipf ids a step, rows of 8 to 512 numbers."""
    n_rows, n_ids, results = min(100_000, asked.largest), 4096, []
    for width in (8, 16, 32, 64, 128, 256, 512):
        ids = zipf_ids(n_rows, n_ids * 64, np.random.default_rng(0)).reshape(64, n_ids)
        results += both(f"dim {width}, {n_rows:,} rows, 4,096 Zipf ids", n_rows, width, ids, asked.rounds)
    return results


def batch(asked):
    """1,000,000 rows of 64 numbers, 256 to 65,536 Zipf ids a step."""
    n_rows, results = min(1_000_000, asked.largest), []
    for n_ids in (256, 1024, 4096, 16_384, 65_536):
        ids = zipf_ids(n_rows, n_ids * 16, np.random.default_rng(0)).reshape(16, n_ids)
        results += both(f"batch {n_ids:,}, {n_rows:,} x 64, Zipf ids", n_rows, 64, ids, asked.rounds)
    return results


def skew(asked):
    """1,000,000 rows of 64 numbers, 4,096 ids a step: uniform, Zipf of two exponents, one and the same id."""
    n_rows, n_ids, results = min(1_000_000, asked.largest), 4096, []
    rng = np.random.default_rng(0)
    cases = {
        "uniform ids": torch.from_numpy(rng.integers(0, n_rows, n_ids * 64)),
        "Zipf 1.05": zipf_ids(n_rows, n_ids * 64, rng),
        "Zipf 1.5": zipf_ids(n_rows, n_ids * 64, rng, exponent=1.5),
        "one id": torch.full((n_ids * 64,), n_rows // 3),
    }
    for name, ids in cases.items():
        ids = ids.reshape(64, n_ids)
        distinct = np.mean([len(torch.unique(part)) for part in ids])
        found = both(f"{name}, {n_rows:,} x 64, 4,096 ids", n_rows, 64, ids, asked.rounds)
        results += [result | {"distinct_ids": float(distinct)} for result in found]
    return results


# ------------------------------------------------------------------------------------------- memory

CANDIDATES = {
    "plectrum AdamW": lambda layer: plectrum.optim.AdamW(layer),
    "torch AdamW, dense, fused": lambda layer: torch.optim.AdamW(layer.parameters(), fused=True),
    "torch AdamW, dense": lambda layer: torch.optim.AdamW(layer.parameters()),
    "plectrum Adam, frozen": lambda layer: plectrum.optim.Adam(layer, absent_rows="frozen", eps=1e-14),
    "torch SparseAdam": lambda layer: torch.optim.SparseAdam(layer.parameters(), eps=1e-14),
}
SAME = {"plectrum AdamW": "torch AdamW, dense, fused", "plectrum Adam, frozen": "torch SparseAdam"}


def peak_bytes():
    """Return the most memory that this process has held.

    Linux lets a process begin with the peak of the one that started it, in `ru_maxrss` but not in VmHWM.
    """
    status = Path("/proc/self/status")
    for line in status.read_text().splitlines() if status.exists() else ():
        if line.startswith("VmHWM"):
            return 1024 * int(line.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def measure(name, n_rows):
    """Train in this process, which has done nothing else; print how far the peak rose, as JSON."""
    dim, n_ids, n_steps = 64, 4096, 30
    small = torch.nn.Embedding(5000, dim, sparse=name == "torch SparseAdam")
    warm_up = CANDIDATES[name](small)  # code is loaded and threads are there before anything is counted
    training(small, warm_up, torch.arange(n_ids).reshape(1, -1), torch.ones(n_ids, dim))(0)
    ids = zipf_ids(n_rows, n_ids * n_steps, np.random.default_rng(0)).reshape(n_steps, n_ids)
    slope = torch.randn(n_ids, dim, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)  # the table comes last, so that the peak is where the process stands
    layer = torch.nn.Embedding(n_rows, dim, sparse=name == "torch SparseAdam")
    before = peak_bytes()
    step = training(layer, CANDIDATES[name](layer), ids, slope)
    for k in range(n_steps):
        step(k)
    trained = peak_bytes()
    with torch.no_grad():
        layer.weight.sum()  # whoever trains reads the table in the end: all rows are brought up to date
    seen = layer.weight.detach()[torch.linspace(0, n_rows - 1, 200).long()].flatten().tolist()
    risen = {"steps": trained - before, "steps_and_reading": peak_bytes() - before}
    print(json.dumps({"risen": risen, "table": 4 * n_rows * dim, "seen": seen}))


def memory(asked):
    """Peak memory of exact AdamW beside torch's optimizers, 1,000,000 x 64; ours alone ten times as large."""
    results = []
    for n_rows in sorted({min(1_000_000, asked.largest), asked.largest}):
        names = [name for name in CANDIDATES if n_rows <= 1_000_000 or name == "plectrum AdamW"]
        answers = {}
        print(f"\nmemory above the table's own, {n_rows:,} x 64, 4,096 Zipf ids, 30 steps")
        for name in names:
            command = [sys.executable, __file__, "--measure", name, "--largest", str(n_rows)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found = answers[name] = json.loads(done.stdout.splitlines()[-1])
            share = {what: risen / found["table"] for what, risen in found["risen"].items()}
            print(
                f"  {name:28s} {share['steps']:5.2f} tables while stepping, "
                f"{share['steps_and_reading']:5.2f} with the table read at the end"
            )
            results.append({"case": f"{name}, {n_rows:,} x 64", "bytes": found["risen"], "of_table": share})
        for ours, theirs in SAME.items():
            if theirs in answers:
                a, b = (np.array(answers[name]["seen"]) for name in (ours, theirs))
                assert np.abs(a - b).max() < CLOSE * np.abs(b).max(), f"{ours} and {theirs} differ"
    return results


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog="`rows` tells whether a step at 10,000,000 rows takes at most 1.5 times that at 100,000.",
    )
    cases = {case.__name__: case for case in (rows, dim, batch, skew, memory)}
    parser.add_argument("cases", nargs="*", default=list(cases), help=", ".join(cases))
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--largest", type=int, default=10_000_000, help="no table has more rows")
    parser.add_argument("--measure", choices=list(CANDIDATES), help="(what `memory` starts, for itself)")
    asked = parser.parse_args()
    torch.set_num_threads(2)
    if asked.measure:
        measure(asked.measure, asked.largest)
        return
    check()
    for case in asked.cases:
        results = cases[case](asked)
        name = {"memory": "engine_memory", "rows": "engine_growth"}.get(case, f"engine_growth_{case}")
        write_line(name, results, seed=0, largest=asked.largest)


if __name__ == "__main__":
    main()
