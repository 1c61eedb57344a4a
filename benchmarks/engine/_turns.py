"""What the engine's benchmarks share: taking turns, spread, ceilings, and one JSON line per run."""

import json
import os
import platform
import statistics
import subprocess
import time
from pathlib import Path

import numpy as np
import torch

RESULTS = Path(__file__).parents[1] / "results"


def zipf_ids(n_rows, size, rng, exponent=1.05):
    """Zipf ids whose popular rows lie anywhere in the table."""
    shares = np.cumsum(1 / np.arange(1, n_rows + 1) ** exponent)
    popularity = np.searchsorted(shares / shares[-1], rng.random(size))
    return torch.from_numpy(rng.permutation(n_rows)[popularity])


def training(layer, optimizer, batches, slope):
    """Return a function that takes the k-th step: lookup, backward by `slope`, update."""

    def train(k):
        layer(batches[k % len(batches)]).backward(slope)
        optimizer.step()
        optimizer.zero_grad()

    return train


def take_turns(calls, rounds, warm_up=3, steps=1):
    """Let each take turns of `steps` calls, in alternating order; return name -> seconds per call."""
    for name in calls:
        for k in range(warm_up):
            calls[name](k)
    seconds = {name: [] for name in calls}
    for k in range(rounds):
        order = list(calls) if k % 2 else list(calls)[::-1]
        for name in order:
            start = time.perf_counter()
            for step in range(steps):
                calls[name](k * steps + step)
            seconds[name].append((time.perf_counter() - start) / steps)
    return seconds


def summary(seconds):
    """Return the median and the quartiles in milliseconds."""
    low, middle, high = (
        1e3 * q for q in (statistics.quantiles(seconds, n=4) if len(seconds) > 3 else [min(seconds)] * 3)
    )
    return {"median_ms": round(middle, 3), "quartiles_ms": [round(low, 3), round(high, 3)], "n": len(seconds)}


def verdict(is_met):
    """Return how a bar is said to have been met or not."""
    return "met" if is_met else "NOT MET"


def report(title, seconds, ratios=(), bars=None):
    """Print medians and ratios; return both. `ratios` are pairs (slower, faster): how many times as fast."""
    found = {name: summary(s) for name, s in seconds.items()}
    print(f"\n{title}")
    for name, s in found.items():
        print(f"  {name:38s} {s['median_ms']:9.3f} ms   quartiles {s['quartiles_ms']}")
    quotients = {}
    for slow, fast in ratios:
        if slow in found and fast in found:
            quotient = found[slow]["median_ms"] / found[fast]["median_ms"]
            bar = (bars or {}).get((slow, fast))
            note = "" if bar is None else f"   (bar {bar}: {verdict(quotient >= bar)})"
            print(f"  {fast} is {quotient:.2f}x as fast as {slow}{note}")
            quotients[f"{fast} over {slow}"] = round(quotient, 3)
    return {"case": title, "times": found, "ratios": quotients}


def write_line(name, results, **about):
    """Append one line to benchmarks/results/<name>.jsonl."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    try:
        from importlib.metadata import version

        fbgemm = version("fbgemm-gpu-cpu")
    except Exception:
        fbgemm = None
    line = {
        "commit": commit.stdout.strip(),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "fbgemm-gpu-cpu": fbgemm,
        },
        "machine": {"cores": os.cpu_count(), "threads": torch.get_num_threads(), "system": platform.system()},
        "load": round(os.getloadavg()[0], 2),
        **about,
        "results": results,
    }
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / f"{name}.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")
