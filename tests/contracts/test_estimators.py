"""What scikit-learn asks of any estimator, asked of ours."""

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import plectrum
from estimator_data import make_shop_frame, small

pytestmark = pytest.mark.filterwarnings("ignore::plectrum.errors.SmallDataWarning")

_WEIGHTS = (
    "training shuffles rows into mini-batches and holds some out, so a weight of two and a row that stands "
    "twice cannot give equal numbers to the last digit"
)
EXPECTED_FAILURES = {
    "EmbeddingRegressor": {"check_sample_weight_equivalence_on_dense_data": _WEIGHTS},
    "EmbeddingClassifier": {"check_sample_weight_equivalence_on_dense_data": _WEIGHTS},
    "EmbeddingEncoder": {},
}
CLASSES = (plectrum.EmbeddingRegressor, plectrum.EmbeddingClassifier, plectrum.EmbeddingEncoder)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore::UserWarning")
@parametrize_with_checks(
    [cls() for cls in CLASSES],
    expected_failed_checks=lambda estimator: EXPECTED_FAILURES[type(estimator).__name__],
)
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def test_no_class_is_excused_from_more_than_two_checks():
    assert all(len(failures) <= 2 for failures in EXPECTED_FAILURES.values())


@pytest.mark.parametrize("cls", CLASSES)
def test_constructor_arguments_are_keyword_only_and_kept_as_given(cls):
    dims = {"shop": 3}
    estimator = cls(embedding_dim=dims)
    assert estimator.embedding_dim is dims
    assert clone(estimator).get_params() == estimator.get_params()


@pytest.mark.parametrize("cls", CLASSES)
def test_the_same_seed_gives_the_same_vectors(cls):
    frame, y = make_shop_frame()
    target = y if cls is plectrum.EmbeddingRegressor else y > y.mean()
    first, second = small(cls).fit(frame, target), small(cls).fit(frame, target)
    assert (first.vectors_["shop"].matrix == second.vectors_["shop"].matrix).all()
    other = small(cls, random_state=1).fit(frame, target)
    assert (first.vectors_["shop"].matrix != other.vectors_["shop"].matrix).any()


@pytest.mark.parametrize("convert", [pl.from_pandas, pa.Table.from_pandas, lambda frame: frame])
@pytest.mark.parametrize("cls", CLASSES)
def test_every_kind_of_frame_gives_the_same_numbers(cls, convert):
    frame, y = make_shop_frame()
    target = y if cls is plectrum.EmbeddingRegressor else y > y.mean()
    expected = small(cls).fit(frame, target)
    got = small(cls).fit(convert(frame), target)
    method = "transform" if cls is plectrum.EmbeddingEncoder else "predict"
    assert (getattr(expected, method)(frame) == getattr(got, method)(convert(frame))).all()


def test_an_estimator_works_in_a_pipeline_and_a_grid_search():
    frame, y = make_shop_frame()
    model = make_pipeline(small(plectrum.EmbeddingEncoder, embedding_dim=2), StandardScaler(), Ridge())
    search = GridSearchCV(model, {"embeddingencoder__embedding_dim": [1, 3]}, cv=2).fit(
        frame[["shop", "price"]], y
    )
    assert search.best_estimator_[0].vectors_["shop"].embedding_dim in (1, 3)


def test_an_encoder_works_in_a_column_transformer():
    frame, y = make_shop_frame()
    columns = ColumnTransformer(
        [("shop", small(plectrum.EmbeddingEncoder, embedding_dim=2), ["shop"])], remainder="passthrough"
    ).set_output(transform="pandas")
    output = columns.fit_transform(frame[["shop", "price"]], y)
    assert list(output.columns) == ["shop__shop_0", "shop__shop_1", "remainder__price"]


@pytest.mark.parametrize(("container", "kind"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame)])
def test_set_output_gives_named_frames(container, kind):
    frame, y = make_shop_frame()
    encoder = small(plectrum.EmbeddingEncoder, embedding_dim=2).set_output(transform=container)
    output = encoder.fit(frame, y).transform(frame)
    assert isinstance(output, kind)
    assert list(output.columns) == encoder.get_feature_names_out().tolist()
