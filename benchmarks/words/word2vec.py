"""Word2Vec and FastText against gensim (corpus_file, its fastest way) or fastText: words/s, and quality.

    python benchmarks/words/word2vec.py --peer-python GENSIM_VENV/bin/python [--epochs 5 --seeds 5 --quality]
    python benchmarks/words/word2vec.py ... --architecture cbow --threads 2 --tokens 3000000

The two take turns, each in its own interpreter and process, on the same file: fil8 in lines of 1,000 words
(gensim drops what is beyond the 10,000th word of a line). Words per second are raw words of the text, also
those that thinning leaves out. Reading (counting, numbering) and training are given apart and together; the
compilation of kernels, which is kept between processes, is not in it. fastText does not say how long it
reads: all its time counts as training. With --quality the vectors are judged by the same code for both.
With --keep-peer FOLDER the peer's trainings stay there and are used again by later runs of the same task:
then only the scores are reported, as the two did not take turns.
"""

import argparse
import hashlib
import json
import lzma
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
DATA = HERE.parents[2] / "shared" / "data" / "text"


def write_corpus(path, n_tokens):
    with lzma.open(DATA / "fil8.txt.xz") as file:
        words = file.read().split()[:n_tokens]
    with path.open("wb") as file:
        for start in range(0, len(words), 1000):
            file.write(b" ".join(words[start : start + 1000]) + b"\n")


def run(python, script, task, environment):
    done = subprocess.run(
        [python, str(HERE / script), json.dumps(task)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def run_kept(kept, python, script, task, environment):
    """Run a training, or take it from the folder `kept`, where it is then kept."""
    about = {name: value for name, value in task.items() if name not in ("corpus", "out")}
    about["bytes"] = Path(task["corpus"]).stat().st_size
    name = hashlib.sha256(json.dumps([script, about], sort_keys=True).encode()).hexdigest()[:16]
    record, out = kept / f"{name}.result", Path(task["out"])
    if not record.exists():
        kept.mkdir(parents=True, exist_ok=True)
        result = run(python, script, task, environment)
        for suffix in (".npy", ".json"):
            shutil.copy(out.with_suffix(suffix), kept / f"{name}{suffix}")
        record.write_text(json.dumps({**result, "task": about}))
    for suffix in (".npy", ".json"):
        shutil.copy(kept / f"{name}{suffix}", out.with_suffix(suffix))
    return json.loads(record.read_text())


def judge(folder, runs):
    """Add the scores of the latest run of each."""
    from quality import load, scores

    order, _ = load(folder / "plectrum")
    for who, results in runs.items():
        results[-1]["quality"] = scores(*load(folder / who.replace(" ", "_")), order)
        print(who, results[-1]["quality"], flush=True)


def speeds(results, epochs):
    speed = [r["words"] * epochs / r["train"] for r in results]
    total = [r["words"] * epochs / (r["read"] + r["train"]) for r in results]
    return {
        "words_per_second": statistics.median(speed),
        "spread": [min(speed), max(speed)],
        "words_per_second_with_reading": statistics.median(total),
        "read_seconds": statistics.median(r["read"] for r in results),
    }


def quality(results):
    """Return of every score the mean, the standard deviation, and each seed's."""
    found = {}
    for name, first in results[0].get("quality", {}).items():
        if name == "n_questions":
            found[name] = first
            continue
        values = [r["quality"][name] for r in results]
        deviation = statistics.stdev(values) if len(values) > 1 else None
        found[name] = [statistics.mean(values), deviation]
        found[f"{name}_by_seed"] = values
    return found


def differences(ours, theirs):
    """Return of every score our lead over the peer, seed by seed: its mean and its standard error."""
    found = {}
    for name in ours[0]["quality"].keys() - {"n_questions"}:
        by = [a["quality"][name] - b["quality"][name] for a, b in zip(ours, theirs, strict=True)]
        error = statistics.stdev(by) / len(by) ** 0.5 if len(by) > 1 else None
        found[name] = [statistics.mean(by), error]
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer-python", required=True, help="an interpreter that has gensim")
    parser.add_argument("--peer", choices=["gensim", "fasttext"], default="gensim")
    parser.add_argument("--sample", type=float, default=1e-3)
    parser.add_argument("--ns-exponent", type=float, default=0.75, help="plectrum's; fastText's own is 0.5")
    parser.add_argument("--model", choices=["word2vec", "fasttext"], default="word2vec")
    parser.add_argument("--architecture", choices=["skip-gram", "cbow"], default="skip-gram")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--tokens", type=int, default=None, help="only the first so many words of fil8")
    parser.add_argument("--learning-rate", type=float, default=0.025)
    parser.add_argument("--deterministic", action="store_true", help="also plectrum's deterministic mode")
    parser.add_argument("--quality", action="store_true")
    parser.add_argument("--keep-peer", type=Path, help="a folder for the peer's trainings, used again")
    parser.add_argument("--peer-alone", action="store_true", help="only fill the folder of --keep-peer")
    parser.add_argument("--note", default=None)
    options = parser.parse_args()
    if (options.keep_peer and not options.quality) or (options.peer_alone and not options.keep_peer):
        parser.error("--keep-peer goes with --quality, and --peer-alone with --keep-peer")
    task = {
        "model": options.model, "architecture": options.architecture, "threads": options.threads,
        "epochs": options.epochs, "embedding_dim": 100, "window": 5, "negative": 5, "sample": options.sample,
        "min_count": 5, "learning_rate": options.learning_rate, "min_n": 3, "max_n": 6, "bucket": 2_000_000,
        "deterministic": False, "ns_exponent": options.ns_exponent,
    }  # fmt: skip
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    mine = {**os.environ}
    peer = options.peer
    contenders = {peer: (options.peer_python, f"{peer}_peer.py", environment, {})}
    contenders["plectrum"] = (sys.executable, "plectrum_run.py", mine, {})
    if options.deterministic:
        contenders["plectrum deterministic"] = (
            sys.executable, "plectrum_run.py", mine, {"deterministic": True},
        )  # fmt: skip
    if options.peer_alone:
        contenders = {peer: contenders[peer]}
    runs = {who: [] for who in contenders}
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "corpus.txt"
        write_corpus(corpus, options.tokens)
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            for who, (python, script, env, extra) in contenders.items():
                out = Path(folder) / who.replace(" ", "_") if options.quality else None
                asked = {**task, **extra, "corpus": str(corpus), "seed": seed, "out": out and str(out)}
                if options.keep_peer and who == peer:
                    result = run_kept(options.keep_peer, python, script, asked, env)
                else:
                    result = run(python, script, asked, env)
                runs[who].append(result)
                print(seed, who, {k: v for k, v in result.items() if k != "versions"}, flush=True)
            if options.quality and not options.peer_alone:
                judge(Path(folder), runs)
    if not options.peer_alone:
        report(options, task, runs)


def report(options, task, runs):
    found, compared = {}, {}
    took_turns = options.keep_peer is None
    for who, results in runs.items():
        found[who] = {**(speeds(results, options.epochs) if took_turns else {}), **quality(results)}
        print(f"{who:24}", *(f"{k} {v}" for k, v in found[who].items()), sep="\n    ")
    theirs = found[options.peer]
    for who in found.keys() - {options.peer}:
        if took_turns:
            compared[who] = {
                "training": found[who]["words_per_second"] / theirs["words_per_second"],
                "from file to vectors": found[who]["words_per_second_with_reading"]
                / theirs["words_per_second_with_reading"],
            }
        if options.quality:
            compared.setdefault(who, {})["lead"] = differences(runs[who], runs[options.peer])
    print(f"compared with {options.peer}:", json.dumps(compared, indent=1))
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False, cwd=HERE
    )
    line = {
        "benchmark": "words/word2vec.py", "commit": commit.stdout.strip(), "task": task,
        "tokens": runs[options.peer][0]["words"], "seeds": [options.first_seed, options.seeds],
        "results": found, "ratios": compared, "note": options.note, "cores": os.cpu_count(),
        "system": platform.system(), "python": platform.python_version(),
        "versions": runs[options.peer][0]["versions"] | runs["plectrum"][0]["versions"],
    }  # fmt: skip
    path = HERE.parent / "results" / "words_word2vec.jsonl"
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
