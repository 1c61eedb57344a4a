"""The main job on the New York flights of 2013, then: is what was learned true?

The network predicts how long a flight is in the air from carrier, plane, origin, destination, hour and
date. It never sees a distance, a coordinate or a model of aircraft; those are what its vectors are checked
against here. Whole days are held out, one in ten. Run it with `make demo`; running it again replaces the run.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from scipy.stats import spearmanr

import plectrum
from plectrum.runs import read_run

DATA = Path(__file__).parent / "data"
RUN = Path("runs/flights")
EARTH = 6371.0  # km, mean radius
EQUALLY_FAR = 100.0  # km
N_NEIGHBOURS = 5
ENOUGH_FLIGHTS = 50  # of a plane, before its place in the table is taken to mean anything


def main():
    learn = "learn columns {} --target air_time --group date --out {} --force"
    run_plectrum(*learn.format(DATA / "flights.parquet", RUN).split())
    run = read_run(RUN)

    flights = pq.read_table(DATA / "flights.parquet", columns=["carrier", "tailnum"])
    checks = {
        "destinations": check_destinations(run.vectors("dest")),
        "planes": check_planes(run.vectors("tailnum"), flights),
    }
    print("\nWhat the model never saw, and what its vectors know of it")
    for check in checks.values():
        print(f"\n{check['title']}")
        for name, value in check["numbers"].items():
            print(f"  {value:6.2f}  {name}")
        for sentence in check["remarks"]:
            print(f"          {sentence}")

    run.add_checks(checks)
    run_plectrum("report", RUN, stdout=subprocess.DEVNULL)
    print(f"\nLook at {RUN.resolve() / 'report.html'}, or ask:")
    print(f"  .venv/bin/plectrum near {RUN} SFO --column dest")


def check_destinations(vectors):
    """Rank correlations between distances of vectors and on the globe, over pairs of destinations."""
    airports = pq.read_table(DATA / "airports.parquet").to_pydict()
    places = dict(zip(airports["faa"], zip(airports["lat"], airports["lon"], strict=True), strict=True))
    known = [key for key in vectors.keys if key in places]
    unknown = sorted(set(vectors.keys) - set(known))
    positions = np.radians([places[key] for key in known])
    new_york = np.radians(places["JFK"])

    one, other = np.triu_indices(len(known), 1)  # every pair once
    on_globe = great_circle(positions[one], positions[other])
    matrix = vectors.lookup(known).astype(float)
    between_vectors = np.linalg.norm(matrix[one] - matrix[other], axis=1)
    from_new_york = great_circle(positions, new_york)
    control = np.abs(from_new_york[one] - from_new_york[other])
    alike = control < EQUALLY_FAR

    def correlation(a, b, which=slice(None)):
        return float(spearmanr(a[which], b[which]).statistic)

    return {
        "title": f"Distances between {len(known)} destinations, {len(one):,} pairs (rank correlation)",
        "numbers": {
            "vectors with the great circle": correlation(between_vectors, on_globe),
            "control: |difference of distance from New York| with the great circle": correlation(
                control, on_globe
            ),
            "vectors with that control": correlation(between_vectors, control),
            f"vectors with the great circle, {alike.sum():,} pairs about equally far from New York only": (
                correlation(between_vectors, on_globe, alike)
            ),
        },
        "remarks": [
            "The control is what flight time from one city can tell. What the vectors know beyond it, of "
            "east and",
            "west or north and south, shows only in the last number: 0 would be nothing.",
            f"Without coordinates, and left out: {', '.join(unknown)}.",
        ],
    }


def great_circle(a, b):
    """Kilometres between points (..., 2) given as latitude and longitude in radians (haversine)."""
    half = (b - a) / 2
    inside = np.sin(half[..., 0]) ** 2 + np.cos(a[..., 0]) * np.cos(b[..., 0]) * np.sin(half[..., 1]) ** 2
    return 2 * EARTH * np.arcsin(np.sqrt(inside))


def check_planes(vectors, flights):
    """How often the nearest planes within a carrier are of the same model, against chance."""
    planes = pq.read_table(DATA / "planes.parquet", columns=["tailnum", "model"]).to_pydict()
    model_of = dict(zip(planes["tailnum"], planes["model"], strict=True))
    carrier_of = main_carrier(flights)
    count_of = dict(zip(vectors.keys, vectors.counts, strict=True))
    fleets = {}
    for tail in vectors.keys:
        if model_of.get(tail) and count_of[tail] >= ENOUGH_FLIGHTS:
            fleets.setdefault(carrier_of[tail], []).append(tail)

    hits, by_chance = [], []
    for tails in fleets.values():
        models = np.array([model_of[tail] for tail in tails])
        if len(tails) <= N_NEIGHBOURS or len(set(models)) < 2:
            continue  # nothing to choose between
        matrix = vectors.lookup(tails).astype(float)
        matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
        cosines = matrix @ matrix.T
        np.fill_diagonal(cosines, -np.inf)
        nearest = np.argsort(-cosines, axis=1)[:, :N_NEIGHBOURS]
        same = models[:, None] == models
        hits.append(np.take_along_axis(same, nearest, axis=1).mean(axis=1))
        by_chance.append((same.sum(axis=1) - 1) / (len(tails) - 1))
    hits, by_chance = np.concatenate(hits), np.concatenate(by_chance)
    return {
        "title": f"The {N_NEIGHBOURS} nearest planes of {len(hits):,} planes, within their carrier (share)",
        "numbers": {
            "are of the same model": float(hits.mean()),
            "would be by chance": float(by_chance.mean()),
        },
        "remarks": [
            f"Planes with {ENOUGH_FLIGHTS} flights or more to learn from. A carrier sends a model on certain "
            "routes,",
            "which the vectors may reflect as well as how fast the model flies.",
        ],
    }


def main_carrier(flights):
    """The carrier that flew each plane most often."""
    counts = flights.group_by(["tailnum", "carrier"]).aggregate([("carrier", "count")]).to_pylist()
    best = {}
    for row in sorted(counts, key=lambda row: (row["carrier_count"], row["carrier"])):
        best[row["tailnum"]] = row["carrier"]
    return best


def run_plectrum(*arguments, **options):
    """Run the `plectrum` command of this Python, as a user would type it."""
    command = [sys.executable, "-m", "plectrum.cli", *map(str, arguments)]
    subprocess.run(command, check=True, **options)


if __name__ == "__main__":
    print(f"plectrum {plectrum.__version__}: New York flights of 2013")
    main()
