"""Encoding strings: plectrum's Vocabulary against pandas.Categorical, in the same run.

    python benchmarks/vocabulary/encode.py [--values 10000000] [--levels 100000] [--rounds 5] [--only list]

For every container the rows are first checked to be the same as pandas' codes; then the two take turns.
Both sides are given their best: pandas the levels as a ready Index of the values' own type (whose hash table
it keeps between calls), plectrum a ready Vocabulary (likewise). "Index built" is both from a plain list of
levels: the whole of `pandas.Categorical(values, categories=levels)`, against
`Vocabulary.from_keys(levels).encode(values)`.
"""

import argparse
import gc
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from plectrum import Vocabulary

RESULTS = Path(__file__).parents[1] / "results" / "vocabulary_encode.jsonl"


def containers(levels, codes):
    """Name -> (what plectrum is given, what pandas is given, pandas' levels as an Index)."""
    shared = np.array(levels, object)[codes]
    arrow = pa.array(levels).take(pa.array(codes))
    text = pd.array(arrow, dtype="str")
    objects, texts = pd.Index(levels, dtype=object), pd.Index(levels, dtype="str")
    yield "object array", shared, shared, objects
    listed = shared.tolist()
    yield "list", listed, listed, objects
    del listed
    distinct_objects = arrow.to_pylist()  # one Python string per value, as a file reader leaves them
    yield "list of separate strings", distinct_objects, distinct_objects, objects
    del distinct_objects
    series = pd.Series(text)
    yield "pandas str column", series, series, texts
    # pandas has no way of its own for a bare Arrow array (it makes Python objects of it, which takes 20 s):
    # it is given the same memory as a str column, which costs it nothing.
    yield "pyarrow string column", arrow, series, texts


def timed(call):
    gc.collect()
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def assert_same_rows(rows, codes):
    expected = np.where(codes < 0, 1, codes.astype(np.int64) + 3)
    if rows.dtype != np.int64 or not (rows == expected).all():
        raise AssertionError("plectrum and pandas give different rows")


def measure(name, mine, theirs, index, levels, vocabulary, rounds):
    runs = {
        "plectrum": lambda: vocabulary.encode(mine),
        "pandas": lambda: pd.Categorical(theirs, categories=index),
        "plectrum cold": lambda: Vocabulary.from_keys(levels).encode(mine),
        "pandas cold": lambda: pd.Categorical(theirs, categories=levels),
    }
    assert_same_rows(runs["plectrum"](), runs["pandas"]().codes)
    assert_same_rows(runs["plectrum cold"](), runs["pandas cold"]().codes)
    seconds = {who: [] for who in runs}
    for _ in range(rounds):
        for who, run in runs.items():
            seconds[who].append(timed(run))
    medians = {who: statistics.median(s) for who, s in seconds.items()}
    ratios = [
        medians["pandas"] / medians["plectrum"],
        medians["pandas cold"] / medians["plectrum cold"],
    ]
    spread = " ".join(f"{who} {min(s):.3f}-{max(s):.3f}" for who, s in seconds.items())
    print(
        f"{name:26s} {medians['plectrum']:7.3f} {medians['pandas']:7.3f} {ratios[0]:6.2f} "
        f"{medians['plectrum cold']:7.3f} {medians['pandas cold']:7.3f} {ratios[1]:6.2f}   {spread}"
    )
    return {
        "case": f"encoding {len(mine):,} strings over {len(levels):,} levels, {name}",
        "seconds": {k: round(v, 4) for k, v in medians.items()},
        "ratio": round(ratios[0], 3),
        "ratio_cold": round(ratios[1], 3),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--values", type=int, default=10_000_000)
    parser.add_argument("--levels", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="the container to measure, such as 'pandas str column'")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")  # pandas announces changes of Categorical
    rng = np.random.default_rng(asked.seed)
    levels = [f"level-{n:06d}" for n in range(asked.levels)]
    codes = rng.integers(0, asked.levels, asked.values)
    vocabulary = Vocabulary.from_keys(levels)
    print(
        f"{asked.values:,} strings over {asked.levels:,} levels, medians of {asked.rounds} rounds, seconds; "
        "ratio: pandas / plectrum"
    )
    print(f"{'':26s} {'index ready':>22s} {'index built':>22s}")
    heads = ("plectrum", "pandas", "ratio") * 2
    print(f"{'container':26s} " + " ".join(f"{h:>{6 if h == 'ratio' else 7}s}" for h in heads) + "   spread")
    results = [
        measure(*case, levels, vocabulary, asked.rounds)
        for case in containers(levels, codes)
        if asked.only in (None, case[0])
    ]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"peak memory {peak:,} MiB; smallest ratio {min(r['ratio'] for r in results):.2f}, index built "
        f"{min(r['ratio_cold'] for r in results):.2f}"
    )
    record(asked, results, peak)


def record(asked, results, peak):
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent,
    )
    line = {
        "benchmark": "vocabulary/encode",
        "date": time.strftime("%Y-%m-%d"),
        "commit": commit.stdout.strip(),
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "pandas": pd.__version__,
            "pyarrow": pa.__version__,
        },
        "machine": {"cores": os.cpu_count(), "system": platform.system(), "processor": platform.machine()},
        "values": asked.values,
        "levels": asked.levels,
        "rounds": asked.rounds,
        "seed": asked.seed,
        "peak_mib": peak,
        "results": results,
    }
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("a") as file:
        file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    sys.exit(main())
