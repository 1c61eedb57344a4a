"""Loading files of word vectors, against gensim.

    python benchmarks/formats/load.py --peer /path/to/python/with/gensim [--repeats 5] [--only small large]

GloVe text of 50,000 x 100 (needs ../shared/data) and one of 340,000 x 100 made from it, word2vec binary of
the latter, and plectrum's own format. Before anything is timed, every number of the 50,000 is compared with
``numpy.float32(float(text))``, and rows of every file with what gensim reads. Peak memory is that of a fresh
process, above what it takes to import plectrum and load a file of three rows.
"""

import argparse
import lzma
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import plectrum

sys.path.insert(0, str(Path(__file__).parents[1]))
from _session import SHARED, Peer, append, peak_megabytes, report, take_turns, timed

N_LARGE = 340_000
GLOVE = SHARED / "vectors" / "glove.6B.100d.top50k.txt.xz"


def make_files(folder):
    """Write the two GloVe files; the larger one repeats the smaller with other keys."""
    raw = lzma.decompress(GLOVE.read_bytes())
    (folder / "small.txt").write_bytes(raw)
    lines = raw.split(b"\n")[:-1]
    with (folder / "large.txt").open("wb") as out:
        for row in range(N_LARGE):
            key, _, numbers = lines[row % len(lines)].partition(b" ")
            again = b"" if row < len(lines) else b"_%d" % (row // len(lines))
            out.write(key + again + b" " + numbers + b"\n")
    return lines


def check_every_number(path, lines):
    vectors = plectrum.load(path)
    for row, line in enumerate(lines):
        key, *numbers = line.split(b" ")
        assert vectors.keys[row] == key.decode()
        assert vectors.matrix[row].tolist() == [float(np.float32(float(x))) for x in numbers]
    print(f"every one of {vectors.matrix.size:,} numbers is numpy.float32(float(text))")


def memory(path):
    """Print the peak memory of loading, above that of a small file; run in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "w.txt"
        small.write_text("".join(f"k{i} {' '.join(['0.5'] * 100)}\n" for i in range(3000)))
        plectrum.load(small)
    before = peak_megabytes()
    vectors = plectrum.load(path)
    print((peak_megabytes() - before) / (vectors.matrix.nbytes / 2**20))


def peak_share(path):
    done = subprocess.run(
        [sys.executable, __file__, "--memory", str(path)], capture_output=True, text=True, check=True
    )
    return round(float(done.stdout), 2)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", nargs="+", default=["small", "large", "binary", "own"])
    parser.add_argument("--memory")
    options = parser.parse_args()
    if options.memory:
        memory(options.memory)
        return
    peer = Peer(options.peer)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        lines = make_files(folder)
        if "small" in options.only:
            check_every_number(folder / "small.txt", lines)
        if "binary" in options.only:
            plectrum.load(folder / "large.txt").save(folder / "large.w2v")
        tasks = {
            "small": ("glove text 50,000 x 100", "small.txt", {"no_header": True}, 10),
            "large": ("glove text 340,000 x 100", "large.txt", {"no_header": True}, 10),
            "binary": ("word2vec binary 340,000 x 100", "large.w2v", {"binary": True}, 5),
        }
        for name, (title, file, how, bar) in tasks.items():
            if name in options.only:
                found = against_gensim(peer, title, folder / file, how, bar, options.repeats)
                append("formats_load", peer.ask(do="versions"), [found])
        if "own" in options.only:
            append("formats_load", peer.ask(do="versions"), [own_format(folder, options.repeats)])
    peer.close()


def against_gensim(peer, title, path, how, bar, repeats):
    vectors = plectrum.load(path)
    rows = list(range(0, len(vectors), len(vectors) // 500))
    theirs = peer.ask(do="load", path=str(path), rows=rows, **how)
    assert theirs["keys"] == [vectors.keys[row] for row in rows]
    assert np.array_equal(np.array(theirs["matrix"], np.float32), vectors.matrix[rows])
    assert tuple(theirs["shape"]) == vectors.matrix.shape
    del vectors
    seconds = take_turns(
        lambda: timed(lambda: plectrum.load(path))[0],
        lambda: peer.ask(do="load", path=str(path), rows=[], **how)["seconds"],
        repeats - 1,
    )
    seconds["peer"].append(theirs["seconds"])
    seconds["plectrum"].append(timed(lambda: plectrum.load(path))[0])
    rate = path.stat().st_size / statistics.median(seconds["plectrum"]) / 1e6
    return report(title, seconds, bar, megabytes_per_second=round(rate), peak_by_matrix=peak_share(path))


def own_format(folder, repeats):
    path = folder / "large.safetensors"
    plectrum.load(folder / "large.txt").save(path)
    opened = [timed(lambda: plectrum.load(path))[0] for _ in range(repeats)]
    first_key = [timed(lambda: plectrum.load(path)["the"])[0] for _ in range(repeats)]
    median, first = statistics.median(opened) * 1e3, statistics.median(first_key) * 1e3
    print(
        f"own format 340,000 x 100: opened in {median:.2f} ms; opened and asked for one key in {first:.0f} ms"
    )
    share = peak_share(path)
    print(f"    peak memory {share} of the matrix")
    return {"task": "own format", "open_ms": median, "first_key_ms": first, "peak_by_matrix": share}


if __name__ == "__main__":
    main()
