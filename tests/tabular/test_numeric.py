import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from plectrum.tabular._numeric import SCALINGS, NumericScale
from plectrum.tabular._sizes import default_batch_size, default_embedding_dim, default_epochs


def test_robust_scaling_leaves_a_normal_column_nearly_alone():
    x = np.random.default_rng(0).normal(50, 10, 10_000)
    z = NumericScale.learn(x, "robust").apply(x)
    quartiles = [0.25, 0.5, 0.75]
    assert np.abs(np.quantile(z, quartiles) - norm.ppf(quartiles)).max() < 0.05


@pytest.mark.parametrize("scaling", ["robust", "quantile"])
def test_one_wild_value_changes_nothing_for_the_others(scaling):
    x = np.random.default_rng(0).normal(size=1000)
    wild = np.append(x, 1e12)
    calm = NumericScale.learn(x, scaling).apply(x)
    scaled = NumericScale.learn(wild, scaling).apply(wild)
    middle = np.abs(calm) < 2
    assert np.abs(scaled[:-1] - calm)[middle].max() < 0.05
    assert scaled[-1] <= 3


def test_missing_becomes_the_middle_and_is_marked():
    x = np.array([1.0, 2.0, np.nan, 3.0])
    scale = NumericScale.learn(x, "robust")
    assert scale.marks_missing
    assert scale.apply(x)[2] == 0 == scale.apply(np.array([2.0]))[0]


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("values", [[np.nan, np.nan], [5.0, 5.0, 5.0], [7.0], [0.0] * 99 + [1.0]])
def test_degenerate_columns_give_finite_numbers(scaling, values):
    x = np.array(values)
    z = NumericScale.learn(x, scaling).apply(np.append(x, np.nan))
    assert np.isfinite(z).all()


@given(st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=50), st.sampled_from(SCALINGS))
def test_scaling_keeps_the_order(values, scaling):
    x = np.sort(np.array(values))
    z = NumericScale.learn(x, scaling).apply(x)
    assert (np.diff(z) >= -1e-6).all()


@pytest.mark.parametrize("scaling", SCALINGS)
def test_a_scale_survives_its_record(scaling):
    x = np.random.default_rng(0).normal(size=50)
    scale = NumericScale.learn(x, scaling)
    assert (NumericScale.from_record(scale.to_record()).apply(x) == scale.apply(x)).all()


@given(st.integers(1, 10**7))
def test_dims_grow_with_the_levels_within_bounds(n):
    assert 1 <= default_embedding_dim(n) <= min(n, 50)
    assert default_embedding_dim(n) <= default_embedding_dim(n + 1)


@given(st.integers(2, 10**8))
def test_default_batches_and_epochs_are_sensible(n):
    batch_size = default_batch_size(n)
    assert 16 <= batch_size <= 1024
    assert 10 <= default_epochs(n, batch_size) <= 100
