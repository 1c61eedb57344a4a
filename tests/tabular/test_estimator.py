import functools
import types

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

from estimator_data import EFFECT, SHOPS, make_shop_frame, small
from plectrum import optim
from plectrum.errors import (
    ArgumentError,
    DataError,
    MissingColumnError,
    SmallDataWarning,
    UnseenKeysWarning,
)
from plectrum.tabular import EmbeddingClassifier, EmbeddingRegressor


def test_vectors_are_keyed_by_the_original_level_and_know_what_was_learned():
    frame, y = make_shop_frame(2000)
    model = EmbeddingRegressor(hidden=(32,), epochs=20, table_decay=1.0, random_state=0).fit(frame, y)
    shops = model.vectors_["shop"]
    assert set(shops.keys) == set(SHOPS)
    assert shops.counts.sum() == model.n_train_
    assert shops.unknown.shape == shops.missing.shape == (shops.embedding_dim,)
    # rows of shops with like effects lie near each other
    order = [SHOPS.index(key) for key in shops.keys]
    apart = np.linalg.norm(shops.matrix[:, None] - shops.matrix[None], axis=2)
    truth = np.abs(EFFECT[order][:, None] - EFFECT[order][None])
    upper = np.triu_indices(len(order), 1)
    assert np.corrcoef(apart[upper], truth[upper])[0, 1] > 0.7
    assert np.corrcoef(model.predict(frame), y)[0, 1] > 0.97


def test_updates_and_movement_are_told_for_each_key():
    frame, y = make_shop_frame()
    model = small(EmbeddingRegressor).fit(frame, y)
    n_batches = -(-model.n_train_ // 32)
    assert model.n_updates_["shop"].shape == model.moved_["shop"].shape == (12,)
    assert 0 < model.n_updates_["shop"].min() <= model.n_updates_["shop"].max() <= 3 * n_batches
    assert (model.moved_["shop"] > 0).all()


def test_history_has_one_record_an_epoch():
    frame, y = make_shop_frame()
    model = small(EmbeddingRegressor).fit(frame, y)
    assert [record["epoch"] for record in model.history_] == [1, 2, 3]
    assert set(model.history_[0]) == {"epoch", "train_loss", "valid_loss", "learning_rate", "seconds"}
    assert model.best_loss_ == min(record["valid_loss"] for record in model.history_)


def test_prediction_takes_reordered_further_and_retyped_columns():
    frame, y = make_shop_frame()
    model = small(EmbeddingRegressor).fit(frame, y)
    expected = model.predict(frame)
    other = frame[["open", "price", "day", "shop"]].assign(further=1)
    other["shop"] = other["shop"].astype("category")
    other["price"] = other["price"].astype("Float64")
    other["day"] = other["day"].dt.strftime("%Y-%m-%d")
    assert (model.predict(other) == expected).all()
    assert (model.predict(pl.from_pandas(other)) == expected).all()


def test_a_category_dtype_never_shifts_the_rows():
    frame = pd.DataFrame({"k": ["a", "b", "c"] * 40})
    y = np.tile([0.0, 1.0, 5.0], 40)
    model = small(EmbeddingRegressor).fit(frame, y)
    text = model.predict(pd.DataFrame({"k": ["b", "c"]}))
    category = pd.DataFrame({"k": pd.Categorical(["b", "c"], categories=["b", "c"])})
    assert (model.predict(category) == text).all()
    assert text[0] != text[1]


def test_unseen_and_missing_values_are_answered_and_reported():
    frame, y = make_shop_frame()
    model = small(EmbeddingRegressor).fit(frame, y)
    asked = frame[:4].copy()
    asked.loc[0, "shop"] = "shop 99"
    asked.loc[1, "shop"] = None
    asked.loc[2, "price"] = np.nan
    assert np.isfinite(model.predict(asked)).all()
    seen = {coverage.column: coverage for coverage in model.coverage_}
    assert (seen["shop"].n_unseen, seen["shop"].n_missing) == (1, 1)
    assert seen["shop"].unseen_share == 0.25
    assert seen["price"].n_missing == 1
    assert model.coverage(asked) == model.coverage_


def test_many_unseen_values_are_a_warning():
    frame, y = make_shop_frame()
    model = small(EmbeddingRegressor).fit(frame, y)
    with pytest.warns(UnseenKeysWarning, match=r"'shop' .* 240 of 240"):
        model.predict(frame.assign(shop="elsewhere"))


def test_a_missing_column_is_named():
    frame, y = make_shop_frame()
    model = small(EmbeddingRegressor).fit(frame, y)
    with pytest.raises(MissingColumnError, match="'price'") as caught:
        model.predict(frame.drop(columns="price"))
    assert caught.value.columns == ("price",)


def test_an_ignored_column_need_not_come_again():
    frame, y = make_shop_frame()
    model = small(EmbeddingRegressor, kinds={"price": "ignored"}).fit(frame, y)
    assert (model.predict(frame.drop(columns="price")) == model.predict(frame)).all()


def test_unknown_row_is_trained_by_rare_keys_and_by_random_replacement():
    frame, y = make_shop_frame(400)
    frame.loc[:2, "shop"] = ["once", "twice", "twice"]
    model = small(EmbeddingRegressor, min_count=5, unknown_rate=0.0).fit(frame, y)
    assert "once" not in model.vectors_["shop"]
    column = next(column for column in model.columns_.tables if column.name == "shop")
    assert column.n_rare > 0
    assert model._fitted[0].n_updates["shop"][1] > 0
    replaced = small(EmbeddingRegressor, unknown_rate=0.1).fit(*make_shop_frame())
    assert replaced._fitted[0].n_updates["shop"][1] > 10


def test_reserved_rows_that_were_never_used_get_the_mean_row():
    frame, y = make_shop_frame()
    model = small(EmbeddingRegressor, unknown_rate=0.0).fit(frame, y)
    shops = model.vectors_["shop"]
    mean = np.average(shops.matrix, axis=0, weights=shops.counts)
    assert np.allclose(shops.unknown, mean, atol=1e-6)
    assert (shops.missing == shops.unknown).all()


def test_missing_is_a_row_of_its_own_when_training_had_missing_values():
    frame, y = make_shop_frame(600)
    frame.loc[::3, "shop"] = None
    model = small(EmbeddingRegressor, epochs=8).fit(frame, y + 5 * frame["shop"].isna())
    assert not np.allclose(model.vectors_["shop"].missing, model.vectors_["shop"].unknown)
    absent, present = model.predict(frame[:2].assign(shop=[None, SHOPS[6]]))
    assert absent > present + 2


def test_missing_numbers_are_marked():
    frame, y = make_shop_frame(600)
    frame.loc[::3, "price"] = np.nan
    model = small(EmbeddingRegressor, epochs=8).fit(frame, y + 5 * frame["price"].isna())
    assert model.columns_.n_marks == 1
    absent, middle = model.predict(frame[:2].assign(price=[np.nan, frame["price"].median()], shop=SHOPS[0]))
    assert absent > middle + 2


def test_an_infinite_number_is_refused_with_its_place():
    frame, y = make_shop_frame()
    frame.loc[7, "price"] = np.inf
    with pytest.raises(DataError, match=r"'price' .* infinity; got inf at row"):
        small(EmbeddingRegressor, validation_fraction=0.0).fit(frame, y)


def test_kinds_can_be_overridden_by_name_and_position():
    X = np.column_stack([np.repeat(np.arange(40.0), 10), np.random.default_rng(0).normal(size=400)])
    y = np.sin(X[:, 0])
    by_position = small(EmbeddingRegressor, categorical=[0]).fit(X, y)
    assert list(by_position.vectors_) == ["x0"]
    by_name = small(EmbeddingRegressor, kinds={"x0": "categorical"}).fit(X, y)
    assert (by_name.predict(X) == by_position.predict(X)).all()
    assert not small(EmbeddingRegressor, numeric=[0, 1]).fit(X, y).vectors_


def test_dims_are_chosen_by_rule_by_number_or_by_name():
    frame, y = make_shop_frame()
    assert small(EmbeddingRegressor).fit(frame, y).vectors_["shop"].embedding_dim == 6
    assert small(EmbeddingRegressor, embedding_dim=3).fit(frame, y).vectors_["day_weekday"].embedding_dim == 3
    named = small(EmbeddingRegressor, embedding_dim={"shop": 2, "day": 1}).fit(frame, y)
    assert named.vectors_["shop"].embedding_dim == 2
    assert named.vectors_["day_month"].embedding_dim == 1
    with pytest.raises(ArgumentError, match="'shopp'"):
        small(EmbeddingRegressor, embedding_dim={"shopp": 2}).fit(frame, y)


@pytest.mark.parametrize("loss", ["squared", "absolute", "huber", "poisson"])
def test_every_regression_loss_learns(loss):
    frame, y = make_shop_frame(800)
    y = np.exp(y / 2) if loss == "poisson" else y
    model = small(EmbeddingRegressor, loss=loss, epochs=10).fit(frame, y)
    assert np.corrcoef(model.predict(frame), y)[0, 1] > 0.9
    assert np.mean(model.predict(frame)) == pytest.approx(np.mean(y), rel=0.2, abs=0.2)


def test_poisson_refuses_negative_targets():
    frame, y = make_shop_frame()
    with pytest.raises(DataError, match="must not be negative"):
        small(EmbeddingRegressor, loss="poisson").fit(frame, y)


def test_the_scale_of_the_target_does_not_matter():
    frame, y = make_shop_frame()
    plain = small(EmbeddingRegressor).fit(frame, y).predict(frame)
    large = small(EmbeddingRegressor).fit(frame, 1e6 * y + 1e9).predict(frame)
    assert np.allclose((large - 1e9) / 1e6, plain, atol=1e-3)


def test_a_constant_target_is_predicted():
    frame, y = make_shop_frame()
    model = small(EmbeddingRegressor, epochs=10).fit(frame, np.full(len(y), 7.0))
    assert np.allclose(model.predict(frame), 7.0, atol=0.3)


@pytest.mark.parametrize("labels", [["no", "yes"], ["blue", "green", "red"], [3, 7], [False, True]])
def test_classes_come_back_as_they_were(labels):
    frame, y = make_shop_frame(400)
    steps = np.quantile(y, np.arange(1, len(labels)) / len(labels))
    target = np.array(labels)[np.digitize(y, steps)]
    model = small(EmbeddingClassifier, epochs=8).fit(frame, target)
    assert model.classes_.tolist() == labels
    assert model.predict(frame).dtype == target.dtype
    probability = model.predict_proba(frame)
    assert probability.shape == (400, len(labels))
    assert np.allclose(probability.sum(1), 1)
    assert (model.predict(frame) == target).mean() > 0.8


def test_an_untrained_network_answers_the_class_shares():
    frame, _ = make_shop_frame(1000)
    target = np.where(np.arange(1000) % 10 == 0, "rare", "common")
    model = small(EmbeddingClassifier, epochs=1, learning_rate=1e-9).fit(frame, target)
    assert model.predict_proba(frame)[:, 1].mean() == pytest.approx(0.1, abs=0.05)


def test_class_weight_moves_the_balance():
    frame, y = make_shop_frame(600)
    target = (y > np.quantile(y, 0.9)).astype(int)
    plain = small(EmbeddingClassifier).fit(frame, target).predict_proba(frame)[:, 1].mean()
    balanced = small(EmbeddingClassifier, class_weight="balanced").fit(frame, target)
    assert balanced.predict_proba(frame)[:, 1].mean() > plain + 0.1


def test_sample_weight_decides_between_rows_that_disagree():
    frame = pd.DataFrame({"k": ["a", "b"] * 100, "other": np.arange(200) % 5 + 0.5})
    y = np.repeat([0.0, 1.0], 100)
    weight = np.repeat([1.0, 9.0], 100)
    model = small(EmbeddingRegressor, epochs=20).fit(frame, y, sample_weight=weight)
    assert model.predict(frame).mean() == pytest.approx(0.9, abs=0.1)


def test_several_targets_are_refused():
    frame, y = make_shop_frame()
    with pytest.raises(ValueError, match="1d array"):
        small(EmbeddingRegressor).fit(frame, np.column_stack([y, y]))


def test_thirty_rows_work_with_a_warning():
    frame, y = make_shop_frame(30)
    with pytest.warns(SmallDataWarning, match="30 rows"):
        model = small(EmbeddingRegressor).fit(frame, y)
    assert model.n_held_out_ == 3


def test_an_ensemble_is_the_mean_of_its_networks():
    frame, y = make_shop_frame()
    model = small(EmbeddingRegressor, n_networks=3).fit(frame, y)
    assert len(model.networks_) == len(model.histories_) == 3
    single = small(EmbeddingRegressor).fit(frame, y)
    assert (single.networks_[0].tables["shop"] == model.networks_[0].tables["shop"]).all()
    assert (model.predict(frame) != single.predict(frame)).any()


def test_warm_start_goes_on_and_takes_in_new_keys():
    frame, y = make_shop_frame()
    model = small(EmbeddingRegressor, warm_start=True).fit(frame, y)
    first_loss = model.history_[0]["train_loss"]
    keys = list(model.vectors_["shop"].keys)
    model.fit(pd.concat([frame, frame[:20].assign(shop="new")]), np.concatenate([y, y[:20]]))
    assert list(model.vectors_["shop"].keys)[: len(keys)] == keys
    assert "new" in model.vectors_["shop"]
    assert model.history_[0]["train_loss"] < 0.8 * first_loss


def test_held_out_rows_can_be_the_latest_or_whole_groups():
    frame, y = make_shop_frame()
    latest = small(EmbeddingRegressor, validation="time", validation_column="day").fit(frame, y)
    assert latest.n_held_out_ == pytest.approx(24, abs=3)
    grouped = small(EmbeddingRegressor, validation="group", validation_column="shop").fit(frame, y)
    assert len(grouped.vectors_["shop"]) == 11
    with pytest.raises(ArgumentError, match="validation_column"):
        small(EmbeddingRegressor, validation="time").fit(frame, y)


def test_an_eval_set_takes_the_place_of_held_out_rows():
    frame, y = make_shop_frame()
    model = small(EmbeddingRegressor).fit(frame[:200], y[:200], eval_set=(frame[200:], y[200:]))
    assert (model.n_train_, model.n_held_out_) == (200, 40)


@pytest.mark.parametrize("kind", ["piecewise-linear", "periodic"])
def test_numbers_can_be_embedded_too(kind):
    frame, y = make_shop_frame()
    model = small(EmbeddingRegressor, number_embedding=kind, number_embedding_dim=4).fit(frame, y)
    n_numbers = len(model.columns_.numbers)
    width = sum(column.embedding_dim for column in model.columns_.tables) + 4 * n_numbers
    assert model.networks_[0].first_layer.in_features == width
    assert np.isfinite(model.predict(frame)).all()


def test_a_wrong_choice_lists_the_right_ones():
    frame, y = make_shop_frame()
    with pytest.raises(ArgumentError, match=r"'relu', 'gelu', 'silu'; got 'relo'"):
        small(EmbeddingRegressor, activation="relo").fit(frame, y)


def test_an_interrupted_fit_resumes_to_the_same_numbers(tmp_path):
    frame, y = make_shop_frame()
    whole = small(EmbeddingRegressor, n_networks=2).fit(frame, y, n_snapshots=4)

    def stop(progress):
        if progress.stage == "network 2 of 2" and progress.epoch == 2:
            raise KeyboardInterrupt

    broken = small(EmbeddingRegressor, n_networks=2)
    with pytest.raises(KeyboardInterrupt):
        broken.fit(frame, y, progress=stop, checkpoint=tmp_path, n_snapshots=4)
    resumed = small(EmbeddingRegressor, n_networks=2)
    resumed.fit(frame, y, checkpoint=tmp_path, resume=True, n_snapshots=4)
    assert (resumed.predict(frame) == whole.predict(frame)).all()
    assert (resumed.n_updates_["shop"] == whole.n_updates_["shop"]).all()
    assert (resumed.moved_["shop"] == whole.moved_["shop"]).all()
    assert (resumed.films_["shop"].snapshots == whole.films_["shop"].snapshots).all()


def test_the_film_begins_at_the_start_and_ends_at_the_vectors():
    frame, y = make_shop_frame()
    model = small(EmbeddingRegressor).fit(frame, y, n_snapshots=6)
    film = model.films_["shop"]
    assert film.steps[0] == 0
    shops = model.vectors_["shop"]
    assert np.allclose(film.snapshots[-1], shops.matrix[film.rows - 3], atol=2e-3)
    assert not np.allclose(film.snapshots[0], film.snapshots[-1], atol=2e-3)


def test_decay_of_the_tables_takes_away_the_random_start():
    frame, y = make_shop_frame()
    frame["noise"] = np.random.default_rng(1).choice(list("abcde"), size=len(frame))
    kept = small(EmbeddingRegressor, epochs=10, table_decay=0.0).fit(frame, y).vectors_["noise"]
    decayed = small(EmbeddingRegressor, epochs=10, table_decay=20.0).fit(frame, y).vectors_["noise"]
    assert np.linalg.norm(decayed.matrix) < np.linalg.norm(kept.matrix) / 3


def test_small_batches_leave_the_number_of_threads_as_it_was():
    before = torch.get_num_threads()
    small(EmbeddingRegressor).fit(*make_shop_frame())
    assert torch.get_num_threads() == before


def test_large_tables_are_stepped_by_rows_to_the_same_numbers(tmp_path, monkeypatch):
    frame, y = make_shop_frame()
    dense = small(EmbeddingRegressor, weight_averaging=0).fit(frame, y)
    monkeypatch.setattr("plectrum.tabular._fitting._LARGE", 0)
    by_rows = functools.partial(optim.AdamW, dense_below=0)
    monkeypatch.setattr("plectrum.tabular._fitting.optim", types.SimpleNamespace(AdamW=by_rows))

    def stop(progress):
        if progress.epoch == 2:
            raise KeyboardInterrupt

    rows = small(EmbeddingRegressor).fit(frame, y, n_snapshots=5)
    assert np.allclose(rows.predict(frame), dense.predict(frame), atol=1e-3)
    with pytest.raises(KeyboardInterrupt):
        small(EmbeddingRegressor).fit(frame, y, progress=stop, checkpoint=tmp_path, n_snapshots=5)
    resumed = small(EmbeddingRegressor).fit(frame, y, checkpoint=tmp_path, resume=True, n_snapshots=5)
    assert (resumed.predict(frame) == rows.predict(frame)).all()
    assert (resumed.films_["shop"].snapshots == rows.films_["shop"].snapshots).all()


@pytest.mark.parametrize("convert", [pd.Series, pl.Series, list, pa.array])
def test_a_target_may_come_in_any_container(convert):
    frame, y = make_shop_frame()
    expected = small(EmbeddingRegressor).fit(frame, y).predict(frame)
    assert (small(EmbeddingRegressor).fit(frame, convert(y)).predict(frame) == expected).all()
    classes = np.where(y > 0, "high", "low")
    expected = small(EmbeddingClassifier).fit(frame, classes).predict(frame)
    got = small(EmbeddingClassifier).fit(frame, convert(classes.tolist())).predict(frame)
    assert (got == expected).all()
