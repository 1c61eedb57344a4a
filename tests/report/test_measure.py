import numpy as np
import pytest

from plectrum.report._measure import (
    NOT_MEASURED,
    describe_axes,
    map_honesty,
    nearest_rows,
    rank_correlation,
    trust_of,
    unit_rows,
)
from plectrum.report._tables import Table, basis_of, principal_places


def table_of(vectors, places=None, **measures) -> Table:
    vectors = np.asarray(vectors, np.float32)
    places = principal_places(vectors) if places is None else np.asarray(places, np.float32)
    labels = [f"row {i}" for i in range(len(vectors))]
    numbers = {name: np.asarray(values, float) for name, values in measures.items()}
    return Table("t", {}, labels, vectors, places, numbers)


def test_nearest_rows_are_those_of_the_whole_similarity_matrix():
    unit = unit_rows(np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32))
    similarity = unit @ unit.T
    np.fill_diagonal(similarity, -2)
    expected = np.argsort(-similarity, axis=1, kind="stable")[:, :4]
    np.testing.assert_array_equal(nearest_rows(unit, np.arange(60), 4), expected)


def test_a_map_of_a_circle_keeps_all_neighbours_and_a_blind_one_keeps_chance():
    angle = 2 * np.pi * np.random.default_rng(1).random(400)
    circle = np.column_stack([np.cos(angle), np.sin(angle)])
    whole = map_honesty(table_of(circle, circle))
    assert whole.k == 10
    assert whole.share > 0.99
    blind = map_honesty(table_of(circle, np.random.default_rng(0).normal(size=(400, 2))))
    assert blind.chance == pytest.approx(10 / 399)
    assert blind.share == pytest.approx(blind.chance, abs=0.02)


def test_honesty_of_a_large_table_is_measured_on_a_sample():
    rng = np.random.default_rng(0)
    honesty = map_honesty(table_of(rng.normal(size=(10_500, 3)), rng.normal(size=(10_500, 2))))
    assert honesty.n_rows == 1000
    assert (honesty.kept != NOT_MEASURED).sum() == 1000


def test_a_table_of_three_rows_has_no_honesty_to_measure():
    assert map_honesty(table_of(np.eye(3))) is None


def test_an_axis_says_what_it_goes_along_with_and_who_stands_at_its_ends():
    vectors = np.random.default_rng(1).normal(size=(80, 4)) * [5, 1, 0.1, 0.1]
    table = table_of(vectors, vectors[:, :2], count=np.full(80, 100), target_mean=3 * vectors[:, 0] + 7)
    across, up = describe_axes(table)
    assert across.tracks[0] == ("target_mean", pytest.approx(1.0))
    assert across.low[0] == f"row {vectors[:, 0].argmin()}"
    assert across.high[0] == f"row {vectors[:, 0].argmax()}"
    assert across.variance + up.variance == pytest.approx(1, abs=0.01)
    assert all(name != "count" for name, _ in across.tracks + up.tracks)


def test_rank_correlation_takes_ties_at_their_mean():
    a = np.array([1.0, 2, 2, 3])
    assert rank_correlation(a, np.array([10.0, 20, 20, 1000])) == pytest.approx(1)
    assert rank_correlation(a, np.zeros(4)) == 0


def test_rows_seen_seldom_or_hardly_moved_are_not_trusted():
    table = table_of(np.eye(6), count=[5000, 800, 900, 30, 4, 700], moved=[1, 1.2, 0.9, 1, 1, 0.1])
    np.testing.assert_array_equal(trust_of(table), [2, 2, 2, 1, 0, 0])


def test_trust_goes_by_counts_alone_where_movement_is_not_known():
    np.testing.assert_array_equal(trust_of(table_of(np.eye(3), count=[60, 20, 1])), [2, 1, 0])


def test_the_basis_brings_vectors_to_their_places():
    vectors = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
    table = table_of(vectors)
    axes, offset = basis_of(table)
    np.testing.assert_allclose(vectors @ axes + offset, table.places, atol=1e-4)


@pytest.mark.parametrize("shape", [(0, 4), (1, 4), (5, 1), (2, 2)])
def test_places_of_tables_too_small_for_two_axes_are_still_pairs(shape):
    assert principal_places(np.ones(shape, np.float32)).shape == (shape[0], 2)
