"""Forward and forward-with-backward of plectrum's layers beside torch's, in one run, answers compared first.

    python benchmarks/nn/layers.py

Peer: torch.nn in the same process, at its defaults; for many tables, a torch.nn.Embedding each and torch.cat.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import time
from pathlib import Path

import torch

import plectrum
import plectrum.nn

ROOT = Path(__file__).parents[2]


class Separate(torch.nn.Module):
    """Many tables as torch has them."""

    def __init__(self, tables):
        super().__init__()
        self.layers = torch.nn.ModuleList(
            torch.nn.Embedding.from_pretrained(tables[name].detach().clone(), freeze=False) for name in tables
        )

    def forward(self, ids):
        return torch.cat([layer(ids[:, t]) for t, layer in enumerate(self.layers)], dim=1)


def zipf(n_rows, *shape):
    """Ids that follow a power law of exponent 1.05, spread over the table."""
    weights = torch.arange(1, n_rows + 1, dtype=torch.float64) ** -1.05
    drawn = torch.multinomial(weights, torch.Size(shape).numel(), replacement=True).view(shape)
    return (drawn * 7919) % n_rows


def cases(seed):
    torch.manual_seed(seed)
    small = plectrum.nn.Embedding(1000, 16)
    yield "one small batch: 8 x 4 ids of 1,000 x 16", small, same(small), (zipf(1000, 8, 4),), 2000
    large = plectrum.nn.Embedding(500_000, 64)
    yield "40,960 ids of 500,000 x 64", large, same(large), (zipf(500_000, 40_960),), 10
    for mode in ("sum", "mean", "max"):
        bags = plectrum.nn.EmbeddingBag(500_000, 64, mode=mode)
        yield (
            f"4,096 bags of 20 ids of 500,000 x 64, {mode}",
            bags,
            same(bags),
            (zipf(500_000, 4096, 20),),
            10,
        )
    tables = plectrum.nn.EmbeddingTables({f"t{t}": (100_000, 32) for t in range(26)})
    ids = torch.stack([zipf(100_000, 4096) for _ in range(26)], dim=1)
    yield "26 tables of 100,000 x 32, batch 4,096", tables, Separate(tables), (ids,), 10
    narrow = plectrum.nn.EmbeddingTables({f"t{t}": (200, 8) for t in range(8)})
    ids = torch.stack([zipf(200, 512) for _ in range(8)], dim=1)
    yield "8 tables of 200 x 8, batch 512", narrow, Separate(narrow), (ids,), 400


def same(layer):
    """Torch's layer of the same kind with the same weights."""
    kind = getattr(torch.nn, type(layer).__name__)
    options = {"mode": layer.mode} if isinstance(layer, torch.nn.EmbeddingBag) else {}
    return kind.from_pretrained(layer.weight.detach().clone(), freeze=False, **options)


def seconds(layer, inputs, n, *, train):
    began = time.perf_counter()
    for _ in range(n):
        if train:
            layer(*inputs).sum().backward()
            layer.zero_grad()
        else:
            with torch.no_grad():
                layer(*inputs)
    return (time.perf_counter() - began) / n


def compare(name, ours, theirs, inputs, n, repeats):
    torch.testing.assert_close(ours(*inputs), theirs(*inputs))
    results = []
    for train in (False, True):
        times = {"plectrum": [], "torch": []}
        n_runs = n if not train else max(1, n // 10)
        for turn in range(repeats + 1):
            sides = [("plectrum", ours), ("torch", theirs)]
            for side, layer in sides if turn % 2 else sides[::-1]:
                taken = seconds(layer, inputs, n_runs, train=train)
                if turn:  # the first turn is to warm up
                    times[side].append(taken)
        medians = {side: statistics.median(taken) for side, taken in times.items()}
        ratio = medians["torch"] / medians["plectrum"]
        what = "training (dense gradient)" if train else "forward"
        shown = ", ".join(
            f"{side} {statistics.median(t) * 1e6:,.1f} us ({min(t) * 1e6:,.1f} to {max(t) * 1e6:,.1f})"
            for side, t in times.items()
        )
        print(f"{name}, {what}: {shown}; {ratio:.2f} times as fast")
        results.append({"case": name, "what": what, "ratio": round(ratio, 3), "seconds": times})
    return results


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    results = []
    for case in cases(options.seed):
        results += compare(*case, options.repeats)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    line = {
        "commit": commit,
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "versions": {"plectrum": plectrum.__version__, "torch": torch.__version__},
        "machine": {"cores": os.cpu_count(), "system": f"{platform.system()} {platform.machine()}"},
        "seed": options.seed,
        "threads": options.threads,
        "results": results,
    }
    place = ROOT / "benchmarks" / "results" / "nn_layers.jsonl"
    place.parent.mkdir(exist_ok=True)
    with place.open("a", encoding="utf-8") as out:
        out.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
