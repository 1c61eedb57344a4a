"""Damages files of every format; a reader returns or raises FormatError, soon and in little memory.

    python attacks/fuzz_formats.py [--seconds 60] [--seed 0] [--format NAME] [--keep FOLDER]

Seeds are a file of every format that can be written, and fastText's models of the tests. Each is cut short,
has bytes changed, has runs copied, removed or moved, has numbers replaced by extreme ones. What is found is
written to FOLDER with the seed that brings it back. Exit 1 when anything was found.
"""

import argparse
import random
import resource
import struct
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

import numpy as np

from plectrum import formats
from plectrum.errors import FormatError
from plectrum.formats import FORMATS, Record

MODELS = Path(__file__).parents[1] / "tests" / "formats" / "fasttext"
LONGEST = 5.0  # seconds that a file of some kilobytes may take
MEMORY = 2 << 30  # bytes of address space above what the process has at its start
EXTREMES = [
    *(struct.pack("<q", n) for n in (0, -1, 1, 2**31, 2**40, 2**62, 2**63 - 1, -(2**63))),
    *(struct.pack("<i", n) for n in (0, -1, 2**31 - 1, -(2**31), 65_536)),
    *(struct.pack("<f", x) for x in (float("inf"), float("nan"), 3.4e38)),
    *(b"%d" % n for n in (0, 10**6, 10**9, 10**12, 10**18, 10**30)),
    b"nan", b"-inf", b"1e999", b"\n", b" ", b"\t", b",", b'"', b"\0", b"\xff\xfe", b"{}", b"[]", b"null",
    b"-1",
]  # fmt: skip


def seeds(folder):
    """Yield (format, path) of whole files and folders."""
    rng = np.random.default_rng(0)
    keys = ["the", "naïve", "東京", "-", "x" * 40, "</s>", "42"]
    record = Record(keys, rng.normal(size=(7, 5)).astype(np.float32), np.arange(7, 0, -1))
    for name, known in FORMATS.items():
        if known.write:
            formats.write(record, folder / name, format=name)
            yield name, folder / name
    for model in sorted([*MODELS.glob("*.bin"), *MODELS.glob("*.ftz")]):
        yield "fasttext", model


def damage(raw, rng):
    """Return the bytes with one to four changes."""
    raw = bytearray(raw)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        at = rng.randrange(min(len(raw), 200) if rng.random() < 0.4 else len(raw)) if raw else 0
        length = rng.choice([1, 2, 4, 8, 16, 64])
        kind = rng.randrange(7)
        if kind == 0:
            del raw[at:]
        elif kind == 1:
            raw[at : at + 1] = bytes([rng.randrange(256)])
        elif kind == 2:
            extreme = rng.choice(EXTREMES)
            raw[at : at + len(extreme)] = extreme
        elif kind == 3:
            raw[at:at] = rng.choice(EXTREMES)
        elif kind == 4:
            del raw[at : at + length]
        elif kind == 5:
            raw[at:at] = raw[at : at + length] * rng.choice([1, 3, 100])
        else:
            raw[at : at + 1] = bytes([(raw[at] if at < len(raw) else 0) ^ (1 << rng.randrange(8))])
    return bytes(raw)


def attempt(name, path):
    """Read a file by its name and by its content; return what went wrong, or None."""
    for how in (name, None):
        began = time.perf_counter()
        try:
            record = formats.read(path, format=how)
            list(record.keys)
            if record.subwords is not None:
                record.subwords.vector("жук")
        except FormatError as error:
            if "expected" not in str(error):
                return f"a FormatError that says no expectation: {error}"
        except Exception:
            return traceback.format_exc()
        if time.perf_counter() - began > LONGEST:
            return f"{time.perf_counter() - began:.1f} seconds for {how}"
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--format")
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("error")
    n_tried, found = 0, []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = [(f, p) for f, p in seeds(folder) if options.format in (None, f)]
        for kind, path in whole:
            attempt(kind, path)  # loads libraries and compiles kernels, which may take long
            if wrong := attempt(kind, path):
                sys.exit(f"the undamaged {path} is not read: {wrong}")
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY,) * 2)
        end = time.monotonic() + options.seconds
        while time.monotonic() < end:
            rng = random.Random(f"{options.seed} {n_tried}")
            kind, path = rng.choice(whole)
            file = rng.choice(sorted(path.iterdir())) if path.is_dir() else path
            raw = file.read_bytes()
            target = file if path.is_dir() else folder / "damaged"
            target.write_bytes(damage(raw, rng))
            wrong = attempt(kind, path if path.is_dir() else target)
            if wrong:
                found.append((n_tried, kind, file.name, wrong))
                print(f"--- {kind}, {file.name}, try {n_tried}\n{wrong}", flush=True)
                if options.keep:
                    options.keep.mkdir(exist_ok=True)
                    (options.keep / f"{kind}-{options.seed}-{n_tried}").write_bytes(target.read_bytes())
            if path.is_dir():
                file.write_bytes(raw)
            n_tried += 1
    print(f"{n_tried:,} damaged files of {len({k for k, _ in whole})} formats: {len(found)} found")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
