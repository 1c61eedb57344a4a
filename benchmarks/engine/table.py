"""Print the engine's table for the README, in Markdown, from the last line of each result file.

python benchmarks/engine/table.py
"""

import json
from pathlib import Path

RESULTS = Path(__file__).parents[1] / "results"


def rows():
    for path in sorted(RESULTS.glob("engine_*.jsonl")):
        line = json.loads(path.read_text().splitlines()[-1])
        for result in line["results"]:
            times = result["times"]
            ours = times.get("plectrum exact") or times["plectrum"]
            others = {k: v for k, v in times.items() if not k.startswith("plectrum")}
            for name, time in others.items() or {"": None}.items():
                theirs = f"{time['median_ms']:.2f} ms" if time else ""
                ratio = f"{time['median_ms'] / ours['median_ms']:.1f}x" if time else ""
                yield result["case"], f"{ours['median_ms']:.2f} ms", name, theirs, ratio


def main():
    print("| case | plectrum | peer | its time | plectrum is |\n|---|---|---|---|---|")
    for row in rows():
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
