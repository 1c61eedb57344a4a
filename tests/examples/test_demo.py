"""The demo's checks, on vectors whose right answer is known; the demo itself is `make demo`."""

import importlib.util
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from plectrum.vectors import Vectors

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def demo():
    spec = importlib.util.spec_from_file_location("demo", EXAMPLES / "demo.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_flights_hold_no_distance():
    names = pq.read_schema(EXAMPLES / "data" / "flights.parquet").names
    assert names == ["date", "carrier", "tailnum", "origin", "dest", "hour", "air_time"]


def test_the_great_circle_from_new_york_to_los_angeles(demo):
    new_york, los_angeles = np.radians([[40.6413, -73.7781], [33.9416, -118.4085]])
    assert demo.great_circle(new_york, los_angeles) == pytest.approx(3975, abs=10)
    assert demo.great_circle(new_york, new_york) == 0


def destinations(demo):
    airports = pq.read_table(demo.DATA / "airports.parquet").to_pydict()
    places = dict(zip(airports["faa"], zip(airports["lat"], airports["lon"], strict=True), strict=True))
    flown = set(pq.read_table(demo.DATA / "flights.parquet", columns=["dest"])["dest"].unique().to_pylist())
    return sorted(flown), {key: np.radians(places[key]) for key in flown if key in places}


def test_vectors_that_are_the_globe_agree_with_it(demo):
    keys, places = destinations(demo)
    on_sphere = [
        [np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)]
        for lat, lon in (places.get(key, (0.0, 0.0)) for key in keys)
    ]
    check = demo.check_destinations(Vectors(keys, np.array(on_sphere)))
    found, control, _, alike = check["numbers"].values()
    assert found == pytest.approx(1)
    assert alike == pytest.approx(1)
    assert control < 0.95
    assert any("BQN, PSE, SJU, STT" in remark for remark in check["remarks"])


def test_vectors_that_are_noise_know_nothing(demo):
    keys, _ = destinations(demo)
    check = demo.check_destinations(Vectors(keys, np.random.default_rng(0).normal(size=(len(keys), 8))))
    found, control, with_control, alike = check["numbers"].values()
    assert abs(found) < 0.2
    assert abs(with_control) < 0.2
    assert abs(alike) < 0.3
    assert control > 0.8


def test_planes_are_compared_within_their_carrier(demo):
    planes = pq.read_table(demo.DATA / "planes.parquet").to_pydict()
    model_of = dict(zip(planes["tailnum"], planes["model"], strict=True))
    tails = [tail for tail, model in model_of.items() if model][:400]
    models = sorted({model_of[tail] for tail in tails})
    places = np.eye(len(models))[[models.index(model_of[tail]) for tail in tails]]
    flights = pa.table({"tailnum": tails * 2 + tails[:1], "carrier": ["AA"] * 800 + ["UA"]})
    counts = np.full(len(tails), 60)
    by_model = demo.check_planes(Vectors(tails, places, counts), flights)["numbers"]
    share, chance = by_model.values()
    assert share > 0.8
    assert chance < share
    noise = np.random.default_rng(0).normal(size=(len(tails), 4))
    share, chance = demo.check_planes(Vectors(tails, noise, counts), flights)["numbers"].values()
    assert share == pytest.approx(chance, abs=0.05)


def test_the_main_carrier_is_the_most_frequent(demo):
    flights = pa.table({"tailnum": ["a", "a", "a", "b"], "carrier": ["X", "Y", "Y", "Z"]})
    assert demo.main_carrier(flights) == {"a": "Y", "b": "Z"}
