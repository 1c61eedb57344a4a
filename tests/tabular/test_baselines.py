import numpy as np
import pytest

from plectrum.tabular import _baselines
from plectrum.tabular._baselines import baselines, run_baseline, run_on_vectors
from plectrum.tabular._plain_features import PlainFeatures
from plectrum.tabular._scores import Task, difference, row_losses, score
from plectrum.tabular._verdict import write_verdict

REGRESSION = Task("regression")
BINARY = Task("binary", np.array(["no", "yes"]))
MULTICLASS = Task("multiclass", np.array(["a", "b", "c"]))


def make_data(task, n=3_000, n_levels=40, seed=0):
    rng = np.random.default_rng(seed)
    rows = np.column_stack([rng.integers(3, 3 + n_levels, n), rng.integers(3, 6, n)])
    numbers = np.column_stack([rng.normal(size=n), np.where(rng.random(n) < 0.1, np.nan, 1.0)])
    effect = rng.normal(size=3 + n_levels)[rows[:, 0]] * 2
    if task.kind == "regression":
        target = effect + numbers[:, 0] + 0.1 * rng.normal(size=n)
    elif task.kind == "binary":
        target = (effect + rng.normal(size=n) > 0).astype(np.int64)
    else:
        target = np.digitize(effect + 0.3 * rng.normal(size=n), [-1, 1]).astype(np.int64)
    features = PlainFeatures(rows, numbers, ("level", "other"), ("x", "gap"))
    train, held_out = np.arange(n - 500), np.arange(n - 500, n)
    return features.take(train), target[train], features.take(held_out), target[held_out]


@pytest.mark.parametrize("task", [REGRESSION, BINARY, MULTICLASS], ids=lambda t: t.kind)
def test_every_baseline_beats_the_constant_where_the_columns_tell(task):
    train, target, held_out, truth = make_data(task)
    found = {
        b.name: score(task, truth, run_baseline(b, train, target, held_out, seed=0).predicted)[task.metric]
        for b in baselines(task, seed=0)
    }
    assert len(found) == 4
    constant = found.pop("constant")
    assert all(value < 0.8 * constant for value in found.values()), found


def test_the_constant_is_the_mean_of_the_training_rows():
    train, target, held_out, _ = make_data(REGRESSION)
    constant = run_baseline(next(baselines(REGRESSION, seed=0)), train, target, held_out, seed=0)
    assert constant.predicted == pytest.approx(np.full(500, target.mean()))


def test_levels_beyond_the_librarys_limit_are_pooled_and_said():
    train, target, held_out, _ = make_data(REGRESSION, n_levels=400)
    native = list(baselines(REGRESSION, seed=0))[-1]
    judged = run_baseline(native, train, target, held_out, seed=0)
    assert "rare levels of level pooled" in judged.note
    few = run_baseline(native, *make_data(REGRESSION, n_levels=200)[:3], seed=0)
    assert few.note is None


def test_the_most_frequent_levels_keep_their_own_code():
    rows = np.repeat(np.arange(3, 303), np.arange(300, 0, -1))
    codes, n_pooled = _baselines._codes_by_count(rows)
    assert n_pooled == 46
    assert codes[3:257].tolist() == list(range(254))
    assert set(codes[257:]) == {254}
    assert np.isnan(codes[:3]).all()
    assert np.isnan(_baselines._recode(np.array([1, 400]), codes)).all()


@pytest.mark.parametrize("task", [REGRESSION, BINARY, MULTICLASS], ids=lambda t: t.kind)
def test_unseen_levels_and_absent_classes_do_no_harm(task):
    train, target, held_out, truth = make_data(task, n=900)
    held_out.rows[:50, 0] = 1
    held_out.rows[50:60, 0] = 2
    if task.kind != "regression":
        target = np.where(target == 0, 1, target) if task.kind == "multiclass" else target
    for baseline in baselines(task, seed=0):
        judged = run_baseline(baseline, train, target, held_out, seed=0)
        assert np.isfinite(judged.predicted).all()
        assert np.isfinite(row_losses(task, truth, judged.predicted)).all()


@pytest.mark.parametrize("n", [3, 12, 30])
@pytest.mark.parametrize("task", [REGRESSION, BINARY], ids=lambda t: t.kind)
def test_a_handful_of_rows_is_enough(task, n):
    train, target, held_out, _ = make_data(task, n=n + 500)
    if task is BINARY:
        target[:2] = [0, 1]
    for baseline in baselines(task, seed=0):
        assert np.isfinite(run_baseline(baseline, train, target, held_out, seed=0).predicted).all()


def test_no_categorical_columns_at_all():
    train, target, held_out, _ = make_data(REGRESSION)
    bare = [PlainFeatures(f.rows[:, :0], f.numbers, (), f.number_names) for f in (train, held_out)]
    for baseline in baselines(REGRESSION, seed=0):
        assert run_baseline(baseline, bare[0], target, bare[1], seed=0).predicted.shape == (500,)


def test_no_numbers_at_all():
    train, target, held_out, _ = make_data(REGRESSION)
    bare = [PlainFeatures(f.rows, f.numbers[:, :0], f.names, ()) for f in (train, held_out)]
    for baseline in baselines(REGRESSION, seed=0):
        assert run_baseline(baseline, bare[0], target, bare[1], seed=0).predicted.shape == (500,)


def test_large_data_are_sampled_and_said(monkeypatch):
    monkeypatch.setattr(_baselines, "MAX_ROWS", 1_000)
    train, target, held_out, _ = make_data(REGRESSION)
    constant, linear, *_ = (
        run_baseline(b, train, target, held_out, seed=0) for b in baselines(REGRESSION, seed=0)
    )
    assert constant.note is None
    assert linear.note == "fitted on a sample of 1,000 of 2,500 rows"


def test_baselines_are_the_same_twice():
    data = make_data(REGRESSION)[:3]
    once, twice = (
        [run_baseline(b, *data, seed=3).predicted for b in baselines(REGRESSION, seed=3)] for _ in range(2)
    )
    for a, b in zip(once, twice, strict=True):
        np.testing.assert_array_equal(a, b)


def test_boosting_on_vectors_says_what_it_was_given():
    rng = np.random.default_rng(0)
    train, held_out = rng.normal(size=(2_500, 3)), rng.normal(size=(100, 3))
    judged = run_on_vectors(REGRESSION, train, train[:, 0], held_out, seed=0)
    assert score(REGRESSION, held_out[:, 0], judged.predicted)["r2"] > 0.9
    assert judged.note == "the vectors were learned on the same training rows"


def test_scores_are_what_scikit_learn_says():
    from sklearn import metrics

    rng = np.random.default_rng(0)
    truth, guess = rng.normal(size=50), rng.normal(size=50)
    found = score(REGRESSION, truth, guess)
    assert found["rmse"] == pytest.approx(metrics.root_mean_squared_error(truth, guess))
    assert found["mae"] == pytest.approx(metrics.mean_absolute_error(truth, guess))
    assert found["r2"] == pytest.approx(metrics.r2_score(truth, guess))
    truth, guess = rng.integers(0, 2, 50), rng.dirichlet([1, 1], 50)
    found = score(BINARY, truth, guess)
    assert found["log_loss"] == pytest.approx(metrics.log_loss(truth, guess))
    assert found["roc_auc"] == pytest.approx(metrics.roc_auc_score(truth, guess[:, 1]))
    assert score(BINARY, np.zeros(3, int), guess[:3])["roc_auc"] is None
    assert score(REGRESSION, np.ones(3), np.ones(3))["r2"] is None


def result(name, role, rmse):
    return {"name": name, "role": role, "scores": {"rmse": rmse}}


def verdict(network, baseline, *, noise=0.1, vectors=None, role="linear"):
    """The verdict on models whose rows' losses have these means."""
    rng = np.random.default_rng(0)
    means = {"net": network, "base": baseline} | ({} if vectors is None else {"on vectors": vectors})
    roles = {"net": "network", "base": role, "on vectors": "vectors"}
    losses = {name: mean + noise * rng.normal(size=400) for name, mean in means.items()}
    results = [result(name, roles[name], np.sqrt(mean)) for name, mean in means.items()]
    return write_verdict(results, losses, "rmse")


def test_the_verdict_says_when_it_was_worth_it():
    assert verdict(1.0, 4.0).startswith(
        "The embedding was worth it: on held-out rows the network is 50% better"
    )


def test_the_verdict_says_when_it_was_not():
    assert "not worth it for prediction: base is 100% better" in verdict(4.0, 1.0)
    assert "does as well, within the noise" in verdict(1.0, 1.0001, noise=1.0)


def test_the_verdict_calls_a_small_difference_small():
    text = verdict(1.0, 1.01, noise=0.001)
    assert text.startswith(
        "The embedding made hardly a difference: on held-out rows the network is 0.5% better"
    )


def test_the_verdict_says_when_the_baseline_had_fewer_rows():
    losses = {"net": np.ones(50), "base": np.full(50, 4.0) + np.arange(50) / 50}
    results = [
        result("net", "network", 1.0),
        result("base", "linear", 2.0) | {"note": "fitted on a sample of 1"},
    ]
    assert write_verdict(results, losses, "rmse").endswith("with all of them it might be better.")


def test_the_verdict_says_when_nothing_predicts():
    assert verdict(1.0, 1.0001, noise=1.0, role="constant").startswith("Nothing here predicts the target")
    assert "no other model does" in verdict(1.0, 4.0, role="constant")


def test_the_verdict_names_boosting_on_vectors_when_it_is_best():
    assert "Best of all is on vectors: rmse 0.5." in verdict(1.0, 4.0, vectors=0.25)
    assert "Best of all" not in verdict(1.0, 4.0, vectors=1.0)


def test_rows_of_one_group_are_one_witness():
    rng = np.random.default_rng(0)
    day = np.repeat(np.arange(20), 50)
    gained = rng.normal(size=20)[day] + 0.1 * rng.normal(size=1000)
    as_rows = difference(np.zeros(1000), gained)[1]
    as_days = difference(np.zeros(1000), gained, day)[1]
    by_hand = gained.reshape(20, 50).mean(axis=1).std(ddof=1) / np.sqrt(20)
    assert as_rows == pytest.approx(gained.std(ddof=1) / np.sqrt(1000))
    assert as_days == pytest.approx(by_hand)
    assert as_days > 5 * as_rows


def test_a_difference_of_one_row_is_never_clear():
    assert difference(np.zeros(1), np.ones(1)) == (1.0, np.inf)
    assert difference(np.zeros(3), np.ones(3), np.array(["a"] * 3)) == (1.0, np.inf)
