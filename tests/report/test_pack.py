import base64
import gzip
import json

import numpy as np
import pytest

from plectrum.report._measure import map_honesty
from plectrum.report._pack import pack_table
from plectrum.report._tables import read_tables
from report.fake_table import make_run_of


def unpack(text: str) -> tuple[dict, dict]:
    """The inverse of `pack_table`, as page/decode.js does it."""
    raw = gzip.decompress(base64.b64decode(text))
    length = int.from_bytes(raw[:4], "little")
    header = json.loads(raw[4 : 4 + length])
    at, arrays = 4 + length, {}
    for name, entry in header["arrays"].items():
        planes = {"i8": 1, "u8": 1, "u16": 2, "i16": 2, "d16": 2, "u32": 4}[entry["kind"]]
        n = int(np.prod(entry["shape"]))
        block = np.frombuffer(raw, np.uint8, n * planes, at).reshape(planes, n)
        kind = {"i8": "<i1", "u8": "<u1", "u16": "<u2", "u32": "<u4"}.get(entry["kind"], "<i2")
        values = np.ascontiguousarray(block.T).view(kind).reshape(entry["shape"])
        if entry["kind"] == "d16":
            values = np.cumsum(values, axis=0, dtype=np.int16)
        arrays[name] = values
        at += n * planes
    assert at == len(raw)
    return header, arrays


@pytest.fixture
def table(tmp_path):
    keys = [f"k{i}" for i in range(300)]
    extra = {"price": np.linspace(-2, 9, 300), "side": np.array(["left", "right", None] * 100, object)}
    return read_tables(make_run_of(tmp_path / "run", keys, n_snapshots=7, columns=extra))[0]


def test_packed_numbers_come_back_within_their_steps(table):
    header, arrays = unpack(pack_table(table, map_honesty(table)))
    assert header["labels"] == table.labels
    np.testing.assert_array_equal(arrays["measure:count"], table.counts)
    entry = header["arrays"]["measure:price"]
    back = entry["offset"] + entry["step"] * arrays["measure:price"]
    np.testing.assert_allclose(back, table.measures["price"], atol=entry["step"])
    np.testing.assert_allclose(arrays["places"] * header["step"], table.places, atol=header["step"])
    np.testing.assert_allclose(arrays["film"] * header["step"], table.frames, atol=header["step"])
    assert header["step"] < 0.01 * table.places.std()


def test_packed_vectors_keep_their_cosines(table):
    _, arrays = unpack(pack_table(table, None))
    small = arrays["vectors"].astype(float)
    small /= np.linalg.norm(small, axis=1, keepdims=True)
    full = table.vectors / np.linalg.norm(table.vectors, axis=1, keepdims=True)
    assert np.abs(small @ small.T - full @ full.T).max() < 0.02


def test_groups_hold_their_names_and_a_place_for_none(table):
    header, arrays = unpack(pack_table(table, None))
    names = header["groups"]["side"]
    back = [names[code] if code != 255 else None for code in arrays["group:side"]]
    assert back[:3] == ["left", "right", None]


def test_unseen_and_missing_are_placed_by_the_basis_of_the_map(table):
    header, _ = unpack(pack_table(table, None))
    assert [special["name"] for special in header["specials"]] == ["unseen", "missing"]
    np.testing.assert_allclose(header["specials"][0]["place"], table.places.mean(axis=0), atol=1e-3)


def test_a_number_that_is_not_known_is_marked(table):
    table.measures["half"] = np.where(np.arange(300) % 2, np.nan, 1.5)
    header, arrays = unpack(pack_table(table, None))
    assert header["arrays"]["measure:half"]["kind"] == "u16"
    np.testing.assert_array_equal(arrays["measure:half"] == 65535, np.arange(300) % 2 == 1)


def test_a_film_that_jumps_further_than_16_bits_hold_comes_back(table):
    table.frames[0], table.frames[1] = -1e4, 1e4
    header, arrays = unpack(pack_table(table, None))
    np.testing.assert_allclose(arrays["film"] * header["step"], table.frames, atol=header["step"])


def test_a_table_with_little_room_is_carried_on_fewer_directions(table):
    wide = np.random.default_rng(0).normal(size=(300, 40)).astype(np.float32)
    table.vectors, table.specials = wide, []
    header, arrays = unpack(pack_table(table, None, share=0.0))
    assert arrays["vectors"].shape == (300, 16)
    assert header["dims"]["given"] == 40
    assert 0.4 < header["dims"]["energy"] < 1
