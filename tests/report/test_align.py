import numpy as np
import pytest

from plectrum.report._align import align


def test_a_turned_scaled_and_shifted_table_comes_back_onto_itself():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(50, 6)).astype(np.float32)
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    b = (1.7 * a @ turn + 3).astype(np.float32)
    found = align(a, b, rng.uniform(1, 9, 50))
    np.testing.assert_allclose(found.turned(a), found.centred(b), atol=1e-4)
    assert found.scale == pytest.approx(1.7, rel=1e-4)
    assert found.fit == pytest.approx(1)


def test_the_rotation_is_the_best_of_many():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 30, 4)).astype(np.float32)
    found = align(a, b, np.ones(30))
    best = ((found.turned(a) - found.centred(b)) ** 2).sum()
    for _ in range(200):
        other = np.linalg.qr(rng.normal(size=(4, 4)))[0]
        assert best <= ((found.scale * (a - a.mean(0)) @ other - (b - b.mean(0))) ** 2).sum() + 1e-3


def test_rows_of_little_weight_do_not_turn_the_table():
    rng = np.random.default_rng(2)
    a = rng.normal(size=(40, 3)).astype(np.float32)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    b = (a @ turn).astype(np.float32)
    b[:10] += 20
    found = align(a, b, np.r_[np.zeros(10), np.ones(30)])
    np.testing.assert_allclose(found.rotation, turn, atol=1e-3)


def test_tables_of_different_width_are_compared_in_the_wider_one():
    a = np.random.default_rng(3).normal(size=(20, 2)).astype(np.float32)
    b = np.pad(a, ((0, 0), (1, 2)))
    found = align(a, b, np.ones(20))
    assert found.turned(a).shape == (20, 5)
    np.testing.assert_allclose(found.turned(a), found.centred(b), atol=1e-4)


@pytest.mark.parametrize("n", [0, 1])
def test_tables_of_hardly_any_rows_are_no_error(n):
    found = align(np.zeros((n, 3), np.float32), np.zeros((n, 3), np.float32), np.ones(n))
    assert found.fit == 0
