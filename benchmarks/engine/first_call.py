"""The wait of the very first call, which compiles, and of the first in a new process, which finds the code.

    python benchmarks/engine/first_call.py

Each case is a process of its own that takes three steps on tables large enough for every kernel, the first
time with an empty cache folder. What is counted begins when torch and plectrum are imported. The bar is ten
seconds.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

import torch
from _turns import write_line

import plectrum.nn
import plectrum.optim

BAR = 10.0  # seconds
CASES = {
    "AdamW, rows": (lambda: plectrum.nn.Embedding(100_000, 64), "AdamW", (40_000,)),
    "SGD with momentum, rows": (lambda: plectrum.nn.Embedding(100_000, 64), "SGD", (40_000,)),
    "Adagrad, bags": (lambda: plectrum.nn.EmbeddingBag(50_000, 64, mode="sum"), "Adagrad", (8192, 4)),
    "AdamW, tables": (
        lambda: plectrum.nn.EmbeddingTables({"a": (100_000, 64), "b": (50_000, 16)}),
        "AdamW",
        (8192, 2),
    ),
}


def measure(name):
    """Take three steps in this process and print the seconds that they took."""
    make, rule, shape = CASES[name]
    layer = make()
    start = time.perf_counter()
    optimizer = getattr(plectrum.optim, rule)(layer, **({"momentum": 0.9} if rule == "SGD" else {}))
    for _ in range(3):
        layer(torch.randint(0, 50_000, shape)).pow(2).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    total = sum(table.detach().sum() for table in layer.parameters())  # brings all rows up to date
    assert torch.isfinite(total)
    print(time.perf_counter() - start)


def seconds_of(name, cache):
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
    command = [sys.executable, __file__, "--measure", name]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout), "compiling its kernels" in done.stderr


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--measure", choices=list(CASES), help="(what this program starts, for itself)")
    asked = parser.parse_args()
    torch.set_num_threads(2)
    if asked.measure:
        measure(asked.measure)
        return
    results = []
    for name in CASES:
        with tempfile.TemporaryDirectory() as cache:
            first, is_said = seconds_of(name, cache)
            assert is_said, "nobody was told what the wait is"
            later = statistics.median(seconds_of(name, cache)[0] for _ in range(3))
        verdict = "met" if first < BAR else "NOT MET"
        print(f"{name:28s} first {first:5.2f} s (bar {BAR:g}: {verdict}), in a new process {later:5.2f} s")
        results.append({"case": name, "first_seconds": round(first, 2), "later_seconds": round(later, 2)})
    write_line("engine_first_call", results)


if __name__ == "__main__":
    main()
