"""What the benchmarks against gensim share: a peer that stays alive, turns, and the line of the result."""

import json
import os
import platform
import statistics
import subprocess
import time
from pathlib import Path

import numpy as np

import plectrum

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"


class Peer:
    """gensim in its own interpreter, asked by lines of JSON, so that both sides take turns in one run."""

    def __init__(self, python):
        script = Path(__file__).parent / "formats" / "gensim_peer.py"
        self.process = subprocess.Popen(
            [python, "-P", str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, **task):
        self.process.stdin.write(json.dumps(task) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise SystemExit(f"the peer failed: {answer['error']}")
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def timed(function):
    began = time.perf_counter()
    result = function()
    return time.perf_counter() - began, result


def take_turns(ours, theirs, repeats):
    """Return the seconds of both, who takes turns in coming first."""
    seconds = {"plectrum": [], "peer": []}
    for turn in range(repeats):
        sides = [("plectrum", ours), ("peer", theirs)]
        for name, run in sides if turn % 2 == 0 else sides[::-1]:
            seconds[name].append(run())
    return seconds


def spread(values):
    return f"{statistics.median(values):.3f} s ({min(values):.3f} to {max(values):.3f})"


def report(name, seconds, bar, **more):
    """Print the medians and their ratio, and return the record of the line."""
    ratio = statistics.median(seconds["peer"]) / statistics.median(seconds["plectrum"])
    print(f"{name}: plectrum {spread(seconds['plectrum'])}, gensim {spread(seconds['peer'])}")
    print(f"    {ratio:.1f} times as fast (bar: {bar}); {', '.join(f'{k} {v}' for k, v in more.items())}")
    return {"task": name, "ratio": round(ratio, 2), "bar": bar, "seconds": seconds, **more}


def append(file, peer_versions, results, **about):
    """Append one line to benchmarks/results/<file>.jsonl."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    line = {
        "commit": commit,
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "versions": {"plectrum": plectrum.__version__, "numpy": np.__version__, **peer_versions},
        # The load tells whether others were at work while the times were taken.
        "load_average": [round(x, 1) for x in os.getloadavg()],
        "machine": {"cores": os.cpu_count(), "system": f"{platform.system()} {platform.machine()}"},
        **about,
        "results": results,
    }
    place = ROOT / "benchmarks" / "results" / f"{file}.jsonl"
    place.parent.mkdir(exist_ok=True)
    with place.open("a", encoding="utf-8") as out:
        out.write(json.dumps(line) + "\n")


def peak_megabytes():
    """Return the highest resident memory of this process so far (Linux)."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return float("nan")
