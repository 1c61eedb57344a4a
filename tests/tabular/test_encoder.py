import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold

from estimator_data import make_shop_frame, small
from plectrum.errors import ArgumentError
from plectrum.tabular import EmbeddingClassifier, EmbeddingEncoder, EmbeddingRegressor
from plectrum.tabular._encoder import turn_to
from plectrum.vectors import Vectors


def test_output_is_the_vectors_of_each_row_then_the_numbers():
    frame, y = make_shop_frame()
    frame.loc[2, "price"] = np.nan
    encoder = small(EmbeddingEncoder, embedding_dim=2, kinds={"day": "ignored"}).fit(frame, y)
    output = encoder.transform(frame)
    assert encoder.get_feature_names_out().tolist() == ["shop_0", "shop_1", "price", "open"]
    shops = encoder.vectors_["shop"]
    assert np.allclose(output[:, :2], [shops[key] for key in frame["shop"]])
    assert np.array_equal(output[:, 2], frame["price"], equal_nan=True)
    assert (output[:, 3] == frame["open"]).all()


def test_unseen_and_missing_keys_get_their_vectors():
    frame, y = make_shop_frame()
    encoder = small(EmbeddingEncoder, embedding_dim=2, remainder="drop").fit(frame[["shop"]], y)
    output = encoder.transform(frame[["shop"]][:2].assign(shop=["new", None]))
    assert output.dtype == np.float32
    assert (output[0] == encoder.vectors_["shop"].unknown).all()
    assert (output[1] == encoder.vectors_["shop"].missing).all()


def test_the_target_decides_what_learns():
    frame, y = make_shop_frame()
    assert isinstance(small(EmbeddingEncoder).fit(frame, y).estimator_, EmbeddingRegressor)
    assert isinstance(small(EmbeddingEncoder).fit(frame, y > 0).estimator_, EmbeddingClassifier)
    counts = np.round(np.exp(y)).astype(int)
    forced = small(EmbeddingEncoder, target_type="regression").fit(frame, counts)
    assert isinstance(forced.estimator_, EmbeddingRegressor)
    own = small(EmbeddingEncoder, estimator=small(EmbeddingRegressor, loss="huber")).fit(frame, y)
    assert own.estimator_.loss == "huber"


def test_without_a_target_it_says_so():
    frame, _ = make_shop_frame()
    with pytest.raises(ArgumentError, match="requires y"):
        small(EmbeddingEncoder).fit(frame)


def test_cross_fitting_does_not_leak_the_target_of_a_row():
    rng = np.random.default_rng(0)
    keys = np.repeat(np.arange(150), 2).astype(str)[:, None]  # two rows a key, and a target of pure noise
    y = rng.normal(size=300)
    options = {
        "hidden": (),
        "epochs": 60,
        "validation_fraction": 0.0,
        "unknown_rate": 0.0,
        "table_decay": 0.0,
    }
    learner = small(EmbeddingRegressor, embedding_dim=4, categorical=[0], **options)
    leaky = EmbeddingEncoder(learner).fit_transform(keys, y)
    crossed = EmbeddingEncoder(learner, cv=4, random_state=0).fit_transform(keys, y)
    assert LinearRegression().fit(leaky, y).score(leaky, y) > 0.3
    assert LinearRegression().fit(crossed, y).score(crossed, y) < 0.1


def test_folds_agree_with_the_table_of_all_rows():
    frame, y = make_shop_frame(1200)
    learner = small(EmbeddingRegressor, embedding_dim=2, hidden=(), epochs=20)
    encoder = EmbeddingEncoder(learner, cv=KFold(3), remainder="drop")
    crossed = encoder.fit_transform(frame[["shop"]], y)
    whole = encoder.transform(frame[["shop"]])
    assert crossed.shape == whole.shape
    line = LinearRegression().fit(whole, y)
    assert line.score(crossed, y) > 0.9 * line.score(whole, y)


def test_turning_undoes_a_rotation_a_reflection_and_a_shift():
    rng = np.random.default_rng(0)
    ones, zeros = np.ones(3), np.zeros(3)
    goal = Vectors(list("abcdefgh"), rng.normal(size=(8, 3)), np.arange(1, 9), unknown=ones, missing=zeros)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    there = {"unknown": ones @ turn + 5, "missing": zeros @ turn + 5}
    back = turn_to(Vectors(goal.keys, goal.matrix @ turn + 5, goal.counts, **there), goal)
    assert np.allclose(back.matrix, goal.matrix)
    assert np.allclose(back.unknown, goal.unknown)


def test_turning_uses_the_shared_keys_alone():
    rng = np.random.default_rng(0)
    goal = Vectors(list("abcdef"), rng.normal(size=(6, 2)))
    turn, _ = np.linalg.qr(rng.normal(size=(2, 2)))
    moved = Vectors(["z", *"fedcb"], np.vstack([[9.0, 9.0], goal.matrix[[5, 4, 3, 2, 1]] @ turn]))
    back = turn_to(moved, goal)
    assert np.allclose([back[k] for k in "bcdef"], [goal[k] for k in "bcdef"])


def test_a_part_of_a_date_that_never_varies_in_a_fold_is_no_obstacle():
    frame, y = make_shop_frame()
    frame["day"] = frame["day"].sort_values().to_numpy()
    frame["day"] = np.where(np.arange(len(frame)) < 160, np.datetime64("2024-01-05"), frame["day"])
    encoder = small(EmbeddingEncoder, embedding_dim=2, cv=KFold(3))
    output = encoder.fit_transform(frame, y)
    assert output.shape == (len(frame), len(encoder.get_feature_names_out()))
    assert np.isfinite(output).all()
