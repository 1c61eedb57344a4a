"""Write the figures in the README from the result lines of the benchmarks, losses included.

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


def axis_rows():
    """Return how the ratio to a peer goes with dim, batch and skew: its least and its greatest."""
    for axis in ("dim", "batch", "skew"):
        found = {}  # rule, sizes, peer -> what was varied -> ratio
        differ = {}
        for case, result in newest_cases(f"engine_growth_{axis}").items():
            rule, variant, *sizes = case.split(", ")
            for pair, ratio in result["ratios"].items():
                key = rule, ", ".join(sizes), pair.split(" over ", 1)[1]
                found.setdefault(key, {})[variant] = ratio
                differ[key] = max(differ.get(key, 0), result["difference_of_largest_weight"])
        for key, ratios in found.items():
            rule, sizes, peer = key
            least, greatest = (pick(ratios, key=ratios.get) for pick in (min, max))
            said = f"{ratios[least]:.1f}x ({least}) to {ratios[greatest]:.1f}x ({greatest})"
            case = f"{rule}, {sizes}, {len(ratios)} cases of {axis}"
            yield case, peer, said, f"numbers differ by {differ[key]:.0e} of the largest"


def memory_rows():
    cases = newest_cases("engine_memory")
    for case, result in cases.items():
        name, sizes = case.split(", ")[0], case.rsplit(", ", 1)[1]
        if name != "plectrum AdamW":
            continue
        ours = result["of_table"]["steps_and_reading"]
        what = f"exact AdamW, {sizes}: peak memory beside the table"
        peers = {c: r for c, r in cases.items() if c.startswith("torch AdamW") and c.endswith(f", {sizes}")}
        for peer, other in peers.items():
            theirs = other["of_table"]["steps_and_reading"]
            yield what, peer.rsplit(", ", 1)[0], f"{ours:.1f} tables, not {theirs:.1f}", "same numbers"
        if not peers:
            yield what, "", f"{ours:.1f} tables", ""


def model_rows():
    for case, result in newest_cases("engine_model").items():
        for pair, ratio in result["ratios"].items():
            ours, peer = pair.split(" over ", 1)
            quality = f"losses differ by {result['losses_differ_by']:.0e}"
            if peer != "torch dense, fused":  # another rule
                quality = f"loss {result['loss'][ours]:.3f} against {result['loss'][peer]:.3f}"
            yield case + ours.removeprefix("plectrum"), peer, f"{ratio:.1f}x", quality


def first_call_rows():
    cases = newest_cases("engine_first_call")
    if cases:
        case, result = max(cases.items(), key=lambda pair: pair[1]["first_seconds"])
        said = f"{result['first_seconds']:.1f} s, then {result['later_seconds']:.1f} s"
        yield f"the very first call, compiling ({case})", "the first in a new process", said, ""


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
        *axis_rows(),
        *memory_rows(),
        *model_rows(),
        *first_call_rows(),
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


def timing():
    """Return what stands below the change of two import lines."""
    models = [c for c in newest_cases("engine_model").items() if "torch dense, fused" in c[1]["times"]]
    if not models:
        return ""
    case, result = models[-1]
    ours, theirs = (result["times"][name]["median_ms"] for name in ("plectrum", "torch dense, fused"))
    alone = {c: r["times"]["plectrum"]["median_ms"] for c, r in newest_cases("engine_growth").items()}
    small, large = (alone[f"exact AdamW, {n} rows"] for n in ("100,000", "10,000,000"))
    return (
        f"That is, for {case},\n**{ours:.0f} ms a step instead of {theirs:,.0f}** with torch's dense AdamW "
        f"(fused), and losses that differ by {result['losses_differ_by']:.0e}.\n"
        f"Lookup, backward and update of one table x 64 by 4,096 ids take {small:.2f} ms at 100,000 rows, "
        f"{large:.2f} ms at 10,000,000.\n"
    )


BLOCKS = {
    ("<!-- timing -->", "<!-- end of timing -->"): timing,
    ("<!-- figures -->", "<!-- end of figures -->"): table,
}


def main():
    wanted = text = README.read_text(encoding="utf-8")
    for (begin, end), block in BLOCKS.items():
        head, tail = wanted.index(begin) + len(begin), wanted.index(end)
        wanted = f"{wanted[:head]}\n{block()}\n{wanted[tail:]}"
    if "--check" in sys.argv:
        sys.exit(int(wanted != text))
    README.write_text(wanted, encoding="utf-8")


if __name__ == "__main__":
    main()
