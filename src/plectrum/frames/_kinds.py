"""What each column is: categorical, numeric, date, boolean or ignored, and why."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal, get_args

import narwhals as nw
import numpy as np

from plectrum.errors import ArgumentError, MissingColumnError
from plectrum.frames._adapt import as_frame
from plectrum.frames._column import MOMENTS, Column, UnusableColumnError

KindName = Literal["categorical", "numeric", "date", "boolean", "ignored"]
KINDS: tuple[str, ...] = get_args(KindName)

FEW_LEVELS = 24  # as many as the hours of a day: below it whole numbers are taken for names
_ROWS_PER_LEVEL = 10  # and only when each has rows enough to learn from
_FEWEST_ROWS_TO_JUDGE = 20  # fewer rows can be all different by chance
_MOST_SINGLES = 0.9  # above this share of values seen once, text identifies rows rather than groups them
_NUMBERING = 100  # a numbering that goes on is taken for names from here on
_USED = 0.4  # and has at most as many gaps
_ROWS_PER_NUMBER = 5  # and rows enough to judge
_SMOOTH = 0.5  # rank correlation between the counts of neighbouring numbers: amounts are above, names below

# Words in a column's name that say: these whole numbers are names.
_NAMING_WORDS = frozenset(
    {
        "id",
        "ids",
        "code",
        "codes",
        "key",
        "zip",
        "zipcode",
        "postcode",
        "postal",
        "plz",
        "store",
        "shop",
        "user",
        "item",
        "product",
        "sku",
        "customer",
        "client",
        "station",
        "sensor",
        "device",
        "machine",
        "hour",
        "month",
        "weekday",
        "dow",
        "day",
        "week",
        "quarter",
        "class",
        "type",
        "category",
        "cat",
        "group",
        "region",
        "zone",
        "district",
        "area",
        "cluster",
        "label",
        "channel",
        "campaign",
        "brand",
        "vendor",
        "merchant",
        "carrier",
        "route",
        "line",
        "flight",
    }
)


@dataclass(frozen=True)
class Kind:
    """What one column is taken for.

    Attributes
    ----------
    kind : {"categorical", "numeric", "date", "boolean", "ignored"}
    why : str
        The reason, as the end of a sentence: "it holds text".
    n_levels : int
        Distinct values, without missing ones.
    n_missing : int
        Rows without a value.
    """

    kind: KindName
    why: str
    n_levels: int
    n_missing: int


def column_kinds(X: Any, overrides: Mapping[str, str] | None = None) -> dict[str, Kind]:
    """What each column of a frame is, in the frame's order, with the reason.

    The rules, first match first. A column without values is ignored, and so is one with the same value in
    every row. Dates, datetimes and times of day are dates, and text that is all dates is too. Booleans, and
    whole numbers that are only 0 and 1, are boolean. Text is categorical, unless nine in ten values stand
    once (it identifies rows, and nothing about one row can be learned from another). Whole numbers are
    categorical when there are at most 24 of them with ten rows each; when the name says so (`store_id`,
    `zip`, `hour`); or when they number something from 0 or 1 on, beyond 100 and with few gaps, with counts
    that jump from one number to the next as names' do and amounts' do not. They are ignored when they just
    count the rows. All other numbers are numeric.

    Parameters
    ----------
    X : frame or 2-D array
        As `as_frame` takes it; without the target.
    overrides : mapping from column name to kind, optional
        Kinds that the caller knows better.

    Returns
    -------
    dict from str to Kind

    Raises
    ------
    ArgumentError
        When an override is no kind.
    MissingColumnError
        When an override names no column.

    Examples
    --------
    >>> import pyarrow
    >>> frame = pyarrow.table({"city": ["Rome", "Oslo"] * 20, "price": [n / 7 for n in range(40)]})
    >>> for name, kind in column_kinds(frame).items():
    ...     print(name, kind.kind, "because", kind.why)
    city categorical because it holds text, 2 different values
    price numeric because it holds numbers with fractions
    """
    frame = as_frame(X, owner="column_kinds")
    chosen = dict(overrides or {})
    _check_overrides(chosen, frame.columns)
    return {name: kind_of(frame[name], chosen.get(name)) for name in frame.columns}


def kind_of(series: "nw.Series[Any]", override: str | None = None) -> Kind:
    """What one column is."""
    try:
        column = Column(series)
    except UnusableColumnError as error:
        return Kind("ignored", error.why, 0, 0)
    return kind_of_column(column, override)


def kind_of_column(column: Column, override: Any = None) -> Kind:
    """What one column is, of which other sides are wanted too."""
    name, why = (override, "you said so") if override is not None else _judge(column)
    return Kind(name, why, column.n_levels, column.n_missing)


def _check_overrides(chosen: Mapping[str, str], columns: list[str]) -> None:
    for name, kind in chosen.items():
        if name not in columns:
            near = get_close_matches(name, columns, n=2)
            hint = (
                f"Did you mean {' or '.join(map(repr, near))}?" if near else f"It has {', '.join(columns)}."
            )
            raise MissingColumnError(
                f"A kind is given for the column {name!r}, which the frame has not. {hint}",
                columns=[name],
                available=columns,
            )
        if kind not in KINDS:
            raise ArgumentError(
                f"The kind of the column {name!r} must be one of {', '.join(KINDS)}; got {kind!r}."
            )


def _judge(column: Column) -> tuple[KindName, str]:  # noqa: PLR0911
    if column.n_rows == 0:
        return _judge_type(column)
    if column.n_levels == 0:
        return "ignored", "every value is missing"
    if column.n_levels == 1 and column.n_missing == 0 and column.n_rows > 1:
        return "ignored", "every row has the same value"
    if column.dtype == nw.Duration:
        return "numeric", "it holds durations, counted in seconds"
    if column.dtype.is_numeric():
        return _judge_numbers(column)
    if column.dtype in MOMENTS or column.dtype == nw.Boolean:
        return _judge_type(column)
    return _judge_text(column)


def _judge_type(column: Column) -> tuple[KindName, str]:
    """Where the type says it all, or, without rows, nothing else can speak."""
    if column.dtype in MOMENTS:
        return "date", "it holds dates" if column.dtype != nw.Time else "it holds times of day"
    if column.dtype == nw.Boolean:
        return "boolean", "it holds true and false"
    if column.dtype.is_numeric() or column.dtype == nw.Duration:
        return "numeric", "its type is a number's"
    return "categorical", "its type is text's"


def _judge_text(column: Column) -> tuple[KindName, str]:
    if column.spelling is not None:
        return "date", "it holds text that is all dates"
    if column.n_present >= _FEWEST_ROWS_TO_JUDGE and column.n_single > _MOST_SINGLES * column.n_present:
        if column.n_single == column.n_present:
            return "ignored", "it is an identifier: every value stands once"
        share = column.n_single / column.n_present
        return "ignored", f"it is nearly an identifier: {share:.0%} of its values stand once"
    what = {
        nw.Categorical: "categories",
        nw.Enum: "categories",
        nw.Binary: "bytes",
        nw.Object: "mixed values",
    }
    word = next((name for kind, name in what.items() if column.dtype == kind), "text")
    return "categorical", f"it holds {word}, {column.n_levels:,} different values"


def _judge_numbers(column: Column) -> tuple[KindName, str]:  # noqa: PLR0911  (the rules, one after the other)
    values = column.numbers if column.n_missing == 0 else column.numbers[~np.isnan(column.numbers)]
    low, high = values.min(), values.max()
    if not np.isfinite([low, high]).all() or not (values == np.floor(values)).all():
        return "numeric", "it holds numbers with fractions"
    n_levels = f"{column.n_levels:,} different whole numbers"
    if low >= 0 and high <= 1:
        return "boolean", "it holds only 0 and 1"
    if column.n_levels == column.n_rows >= _FEWEST_ROWS_TO_JUDGE and high - low + 1 == column.n_rows:
        return "ignored", "it counts the rows"
    if column.n_levels <= FEW_LEVELS and column.n_present >= _ROWS_PER_LEVEL * column.n_levels:
        return "categorical", f"it holds {n_levels}, {_ROWS_PER_LEVEL} rows each or more on average"
    words = naming_words(column.name)
    mostly_single = column.n_single > _MOST_SINGLES * column.n_present
    if words and mostly_single and column.n_present >= _FEWEST_ROWS_TO_JUDGE and words[0] in {"id", "ids"}:
        return "ignored", "its name says identifier, and nearly every value stands once"
    if words and not mostly_single and low >= 0:
        return "categorical", f"its name says {words[0]!r}, and it holds {n_levels}"
    if is_numbering(values):
        return "categorical", f"it numbers something from {low:.0f} to {high:.0f}: {n_levels}"
    return "numeric", f"it holds {n_levels}"


def naming_words(name: str) -> list[str]:
    """The words in a column's name that mark whole numbers as names: 'storeId' has 'store' and 'id'."""
    parts = re.sub(r"([a-z])([A-Z])", r"\1 \2", name)
    words = [word.lower() for word in re.split(r"[^A-Za-z]+", parts) if word]
    return [word for word in reversed(words) if word in _NAMING_WORDS]


def is_numbering(values: np.ndarray) -> bool:
    """Whether whole numbers (n,) name things 0, 1, 2, ... rather than measure something.

    They start at 0 or 1, go beyond 100, use two in five numbers or more, have some rows each, and
    neighbouring numbers have unrelated counts: 41 years of age are about as frequent as 42, but shop 41 says
    nothing about shop 42.
    """
    low, high = values.min(), values.max()
    if low not in (0, 1) or high < _NUMBERING or high - low + 1 > len(values):
        return False
    counts = np.bincount(values.astype(np.int64) - int(low))
    used = counts[counts > 0]
    if len(used) < _USED * len(counts) or len(values) < _ROWS_PER_NUMBER * len(used):
        return False
    if used.min() == used.max():
        return True
    ranks = np.argsort(np.argsort(used, kind="stable"), kind="stable").astype(float)
    return bool(np.corrcoef(ranks[:-1], ranks[1:])[0, 1] < _SMOOTH)
