"""Write the table of figures in the README from the result lines of the benchmarks, losses included.

    python benchmarks/readme_table.py            # rewrite README.md
    python benchmarks/readme_table.py --check    # exit 1 when README.md is not what the lines say

Each figure is the newest line of its file; the benchmarks run both sides in turn, in one run, on two cores.
"""

import json
import statistics
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
README = ROOT / "README.md"
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"


def lines_of(name):
    path = RESULTS / f"{name}.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def newest_cases(name):
    """Case -> its newest result, of a file whose lines hold a list of results."""
    found = {}
    for line in lines_of(name):
        for result in line["results"]:
            found[result.get("case") or result.get("task")] = result
    return found


def engine_rows():
    for name in ("engine_exact", "engine_sequence", "engine_tables", "engine_bags"):
        for case, result in newest_cases(name).items():
            for pair, ratio in result["ratios"].items():
                _, peer = pair.split(" over ", 1)
                if "plectrum" in peer:
                    continue
                quality = result.get("difference_of_largest_weight")
                said = (
                    "same numbers" if quality is None else f"numbers differ by {quality:.0e} of the largest"
                )
                yield case, peer, f"{ratio:.1f}x", said


def growth_row():
    cases = newest_cases("engine_growth")
    if not cases:
        return
    times = {case: result["times"]["plectrum"]["median_ms"] for case, result in cases.items()}
    small, large = times["exact AdamW, 100,000 rows"], times["exact AdamW, 10,000,000 rows"]
    yield (
        "exact AdamW, a step at 10,000,000 rows",
        "itself at 100,000 rows",
        f"{large / small:.1f}x the time",
        "",
    )


def words_rows():
    speeds, judged = {}, {}
    for line in lines_of("words_word2vec"):
        task = line["task"]
        peer = next(name for name in line["results"] if not name.startswith("plectrum"))
        kind = task["model"], task["architecture"]
        for who, ratios in line["ratios"].items():
            if "training" in ratios and line["note"] is None:  # a note tells why the seconds mean little
                speeds[(*kind, task["threads"], who)] = line
        if "analogies" in line["results"]["plectrum"]:
            judged[(*kind, task["learning_rate"], task["threads"], peer)] = line
    for (model, architecture, threads, who), line in speeds.items():
        mode = ", deterministic" if who.endswith("deterministic") else ""
        case = f"{model}, {architecture}, {threads} threads{mode}: training"
        yield case, "gensim `corpus_file`", f"{line['ratios'][who]['training']:.1f}x", ""
    for (model, architecture, rate, threads, peer), line in judged.items():
        case = f"{model}, {architecture}, {threads} threads, rate {rate:g}: scores, seeds: {line['seeds'][1]}"
        yield case, peer, "", quality_of(line, peer)


def quality_of(line, peer):
    parts = []
    for measure in ("analogies", "wordsim353", "simlex999"):
        ours, theirs = (line["results"][name][measure][0] for name in ("plectrum", peer))
        parts.append(f"{measure} {ours:.3f} against {theirs:.3f}")
    return "; ".join(parts)


def mean(values):
    """The mean of what is there, None when nothing is."""
    there = [value for value in values if value is not None]
    return statistics.mean(there) if there else None


def plain_rows(name, peer):
    for case, result in newest_cases(name).items():
        if isinstance(result.get("ratio"), int | float):
            yield case, peer, f"{result['ratio']:.1f}x", ""


def scale_rows():
    for case, result in newest_cases("tabular_scale").items():
        quality = f"held-out loss {result['loss']:.4f} against {result['dense_loss']:.4f}"
        yield f"training the regressor: {case}", "itself, dense steps", f"{result['ratio']:.1f}x", quality


def fastai_rows():
    newest = {}
    for line in lines_of("tabular_fastai"):
        settings = line["peer_settings"]
        newest[line["data"], settings["batch_size"], settings["learning_rate"], line["seed"]] = line
    for data, batch_size, rate in sorted({key[:3] for key in newest}):
        lines = [line for key, line in newest.items() if key[:3] == (data, batch_size, rate)]
        reached = [line for line in lines if line["ours_seconds_to_goal"] is not None]
        ratios = [line["fastai_seconds"] / line["ours_seconds_to_goal"] for line in reached]
        said = f"{statistics.median(ratios):.1f}x" if reached else "not reached"
        if 0 < len(reached) < len(lines):
            said += f" in {len(reached)} of {len(lines)} runs"
        ours, theirs = (mean([line[f"{who}_test_loss"] for line in lines]) for who in ("ours", "fastai"))
        quality = f"test loss {ours:.4f} against {theirs:.4f}, {len(lines)} seeds"
        peer = f"fastai 2.8, batch {batch_size}, rate {rate:g}"
        yield f"{data}: time to fastai's final validation loss", peer, said, quality


def table():
    rows = [
        *engine_rows(),
        *growth_row(),
        *words_rows(),
        *plain_rows("formats_load", "gensim"),
        *plain_rows("vectors_search", "gensim"),
        *plain_rows("vocabulary_encode", "pandas.Categorical"),
        *scale_rows(),
        *fastai_rows(),
    ]
    head = ["| what | against | faster by | quality |", "|---|---|---|---|"]
    body = [f"| {what} | {peer} | {ratio} | {quality} |" for what, peer, ratio, quality in rows]
    return "\n".join([*head, *body])


def main():
    text = README.read_text(encoding="utf-8")
    start, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    wanted = f"{text[:start]}\n{table()}\n{text[end:]}"
    if "--check" in sys.argv:
        sys.exit(int(wanted != text))
    README.write_text(wanted, encoding="utf-8")


if __name__ == "__main__":
    main()
