"""Nearest keys and analogies, against gensim.

    python benchmarks/vectors/search.py --peer /path/to/python/with/gensim [--repeats 3] [--only nearest]

1,000 nearest-key questions over 340,000 x 100 (made of the 50,000 GloVe vectors of ../shared/data, those
after the first 50,000 turned a little at random), and the 19,544 analogies of questions-words over the
30,000 most frequent words. Before anything is timed, both must give the same answers.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np

import plectrum

sys.path.insert(0, str(Path(__file__).parents[1]))
from _session import SHARED, Peer, append, report, take_turns, timed

N_LARGE, N_QUESTIONS, K, SEED = 340_000, 1000, 10, 0
QUESTIONS = SHARED / "text" / "questions-words.txt"


def large(vectors):
    rng = np.random.default_rng(SEED)
    rows = np.arange(N_LARGE) % len(vectors)
    matrix = vectors.matrix[rows]
    noise = rng.normal(scale=0.3, size=matrix.shape).astype(np.float32)
    noise[: len(vectors)] = 0
    keys = [
        f"{vectors.keys[row]}_{i}" if i >= len(vectors) else vectors.keys[row] for i, row in enumerate(rows)
    ]
    return plectrum.Vectors(keys, matrix + noise)


def nearest(peer, folder, vectors, repeats):
    table = large(vectors)
    path = folder / "large.w2v"
    table.save(path)
    peer.ask(do="load", path=str(path), binary=True, rows=[])
    keys = [table.keys[row] for row in range(0, N_LARGE, N_LARGE // N_QUESTIONS)][:N_QUESTIONS]
    theirs = peer.ask(do="nearest", keys=keys[:100], k=K)["answers"]
    for answer, other in zip(table.nearest(keys[:100], k=K), theirs, strict=True):
        assert np.allclose([s for _, s in answer], [s for _, s in other], atol=1e-5)
        assert (
            len({key for key, _ in answer} & {key for key, _ in other}) >= K - 1
        )  # a tie may fall either way
    seconds = take_turns(
        lambda: timed(lambda: table.nearest(keys, k=K))[0],
        lambda: peer.ask(do="nearest", keys=keys, k=K)["seconds"],
        repeats,
    )
    alone = statistics.median([timed(lambda key=key: table.nearest(key, k=K))[0] for key in keys[:50]])
    flops = 2 * N_LARGE * table.embedding_dim * N_QUESTIONS / statistics.median(seconds["plectrum"])
    more = {"gigaflops": round(flops / 1e9), "one_question_ms": round(alone * 1e3, 2)}
    return report(f"{N_QUESTIONS:,} nearest of {N_LARGE:,} x 100", seconds, 5, **more)


def analogies(peer, folder, vectors, repeats):
    path = folder / "small.w2v"
    vectors.save(path)
    peer.ask(do="load", path=str(path), binary=True, rows=[])
    theirs = peer.ask(do="analogies", path=str(QUESTIONS), restrict=30_000)
    found = plectrum.evaluate.analogies(vectors, QUESTIONS, restrict=30_000)
    same = {s.name: [s.n_correct, s.n_asked] for s in found.sections}
    assert same == theirs["sections"], (same, theirs["sections"])
    seconds = take_turns(
        lambda: timed(lambda: plectrum.evaluate.analogies(vectors, QUESTIONS, restrict=30_000))[0],
        lambda: peer.ask(do="analogies", path=str(QUESTIONS), restrict=30_000)["seconds"],
        repeats,
    )
    more = {"accuracy": round(found.accuracy, 4), "asked": found.n_asked}
    return report("19,544 analogies over 30,000 x 100", seconds, 4, **more)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer", required=True)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=["nearest", "analogies"])
    options = parser.parse_args()
    peer = Peer(options.peer)
    vectors = plectrum.load(SHARED / "vectors" / "glove.6B.100d.top50k.txt.xz")
    with tempfile.TemporaryDirectory() as name:
        tasks = {"nearest": nearest, "analogies": analogies}
        for task in options.only:
            found = tasks[task](peer, Path(name), vectors, options.repeats)
            append("vectors_search", peer.ask(do="versions"), [found], seed=SEED)
    peer.close()


if __name__ == "__main__":
    main()
