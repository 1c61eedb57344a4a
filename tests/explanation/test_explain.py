import json
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import Ridge

import plectrum
from plectrum.errors import ArgumentError, ArgumentTypeError, MissingColumnError
from plectrum.explanation import toy_estimator, toy_rows
from plectrum.explanation._step import ClaimError, one_hot_times_table, prove_by_nudging

OPTIMIZERS = ("sgd", "adam", "adamw", "adagrad")


@pytest.fixture(scope="module")
def fitted():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return toy_estimator().set_params(epochs=3).fit(*toy_rows())


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_row_that_moved_has_a_reason_and_every_other_is_untouched(optimizer, fitted):
    for step, estimator in (("first", toy_estimator()), ("trained", fitted)):
        told = plectrum.explain(estimator, *toy_rows(), step=step, optimizer=optimizer)
        for table in told.tables:
            for row in table.rows:
                assert (row.moved > 0) == bool(row.reasons)
                assert (row.moved > 0) == (row.before != row.after)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_slope_agrees_with_the_gradient(optimizer):
    nudge = plectrum.explain(toy_estimator(), *toy_rows(), optimizer=optimizer).nudge
    assert nudge.relative_difference < 1e-3
    assert nudge.slope == pytest.approx(nudge.gradient, rel=1e-3)
    assert nudge.loss_up != nudge.loss_down


def test_a_level_that_occurs_twice_gets_the_sum_of_its_two():
    row = plectrum.explain(toy_estimator(), *toy_rows()).table.rows[0]
    assert row.key == "Mon"
    assert len(row.lookups) == 2
    np.testing.assert_allclose(np.sum(row.lookup_gradients, axis=0), row.gradient, rtol=1e-5)


def test_with_plain_descent_after_is_before_minus_rate_times_gradient():
    told = plectrum.explain(toy_estimator(), *toy_rows(), optimizer="sgd", learning_rate=0.5)
    for row in told.table.rows:
        expected = np.array(row.before, np.float32) - np.float32(0.5) * np.array(row.gradient, np.float32)
        np.testing.assert_allclose(row.after, expected, rtol=1e-6, atol=1e-7)


def test_momentum_moves_rows_that_were_not_looked_up(fitted):
    told = plectrum.explain(fitted, *toy_rows(), step="trained", optimizer="adam")
    elsewhere = [row for row in told.table.rows if not row.lookups and row.moved > 0]
    assert elsewhere
    assert {tuple(row.reasons) for row in elsewhere} == {("momentum",)}
    assert all(not any(row.gradient) for row in elsewhere)


def test_decay_moves_every_row_under_adamw_and_only_looked_up_ones_under_sgd():
    with_decay = plectrum.explain(toy_estimator(), *toy_rows(), optimizer="adamw").table
    without = plectrum.explain(toy_estimator(), *toy_rows(), optimizer="sgd").table
    assert with_decay.n_moved_for["decay"] == with_decay.n_rows - with_decay.n_untouched
    assert without.n_rows - without.n_untouched == without.n_looked_up == 2


def test_the_first_step_starts_where_fitting_starts():
    X, y = toy_rows()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        start = toy_estimator().set_params(epochs=0).fit(X, y).vectors_["day"]["Mon"]
    row = plectrum.explain(toy_estimator(), X, y).table.rows[0]
    np.testing.assert_array_equal(np.array(row.before, np.float32), start)


def test_the_estimator_is_left_as_it_was(fitted):
    before = fitted.vectors_["day"].matrix.copy(), fitted.predict(toy_rows()[0])
    plectrum.explain(fitted, *toy_rows(), step="trained")
    np.testing.assert_array_equal(before[0], fitted.vectors_["day"].matrix)
    np.testing.assert_array_equal(before[1], fitted.predict(toy_rows()[0]))


@pytest.mark.parametrize("classes", [("no", "yes"), ("low", "mid", "high")])
def test_classifiers_are_explained_in_the_words_of_their_classes(classes):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"city": rng.choice(["Bonn", "Oslo", "Rome", "Kyiv"], 120), "age": rng.normal(size=120)})
    y = rng.choice(classes, 120)
    told = plectrum.explain(plectrum.EmbeddingClassifier(hidden=(8,), random_state=0), X, y)
    assert told.focus == "city"
    assert all(example.prediction.split()[0] in classes for example in told.examples)


def test_rows_and_column_can_be_chosen():
    told = plectrum.explain(toy_estimator(), *toy_rows(), column="weather", rows=[3, 0])
    assert told.focus == "weather"
    assert [example.cells["day"] for example in told.examples] == ["Wed", "Mon"]


def test_a_single_row_is_joined_by_one_that_shares_its_level():
    told = plectrum.explain(toy_estimator(), *toy_rows(), column="day", rows=[6])
    assert [example.cells["day"] for example in told.examples] == ["Sat", "Mon", "Sat"]


def test_the_three_renderings_tell_the_same_numbers():
    told = plectrum.explain(toy_estimator(), *toy_rows())
    record = json.loads(json.dumps(told.to_json()))
    number = f"{record['nudge']['slope']:.9g}"
    assert number in str(told)
    assert number in told.to_html()
    assert record["tables"][0]["rows"][0]["key"] == "Mon"


def test_hostile_keys_cannot_break_the_page():
    X = pd.DataFrame({"c": ["<script>alert(1)</script>", "a\0b", "x" * 10_000, '"quote"'] * 5})
    told = plectrum.explain(plectrum.EmbeddingRegressor(hidden=(4,), random_state=0), X, np.arange(20.0))
    page = told.to_html()
    assert "<script" not in page
    assert "\0" not in page
    assert "\0" not in str(told)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"optimizer": "lbfgs"}, ArgumentError, "'lbfgs'"),
        ({"step": "last"}, ArgumentError, "'last'"),
        ({"step": "trained"}, ArgumentError, "unfitted"),
        ({"column": "temprature"}, MissingColumnError, "'temprature'"),
        ({"rows": [0, 99]}, ArgumentError, "99"),
    ],
)
def test_wrong_arguments_are_named(options, error, said):
    with pytest.raises(error, match=said):
        plectrum.explain(toy_estimator(), *toy_rows(), **options)


class WrongTrial:
    """A trial whose loss does not depend on its table as its gradient says."""

    def __init__(self):
        self.tables = {"t": torch.nn.Parameter(torch.ones(4, 2, dtype=torch.float64))}

    def loss(self):
        return (self.tables["t"] ** 2).sum()


def test_a_wrong_gradient_is_not_explained_away():
    with pytest.raises(ClaimError, match="differ"):
        prove_by_nudging(WrongTrial(), "t", torch.full((4, 2), 3.0), list("abcd"))


def test_one_hot_times_table_equals_the_rows():
    table = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    ids = torch.tensor([4, 0, 4])
    assert torch.equal(one_hot_times_table(ids, table), table[ids])


def test_a_narrow_page_keeps_what_happened_to_each_row_in_sight():
    page = plectrum.explain(toy_estimator(), *toy_rows(), optimizer="adamw").to_html()
    moves = page[page.index("What the optimizer does") :]
    first = moves[moves.index("<tr class=lifted>") :].partition("</tr>")[0]
    cells = first.split("<td")[1:]
    assert cells[-1].startswith(">moved")
    numbers = [cell for cell in cells if "number" in cell]
    assert ['class="number more"' in cell for cell in numbers] == [False, False, *[True] * (len(numbers) - 2)]


def test_an_estimator_of_another_kind_is_named():
    with pytest.raises(ArgumentTypeError, match="got Ridge"):
        plectrum.explain(Ridge(), *toy_rows())
