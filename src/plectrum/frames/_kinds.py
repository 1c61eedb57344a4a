"""What each column is: categorical, numeric, date, boolean or ignored, and why."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal, get_args

import narwhals as nw
import numpy as np

from plectrum.errors import ArgumentError, MissingColumnError
from plectrum.frames._adapt import as_frame
from plectrum.frames._values import levels, moments_in_text, numbers

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


@dataclass(frozen=True)
class Profile:
    """What the kinds are judged by; everything is counted once."""

    n_rows: int
    n_missing: int
    n_levels: int
    n_single: int  # levels that one row has
    counts: np.ndarray  # (n_levels,) rows of each level

    @property
    def n_present(self) -> int:
        """Rows with a value."""
        return self.n_rows - self.n_missing


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
    return {
        series.name: _overridden(series, chosen[series.name]) if series.name in chosen else kind_of(series)
        for series in _columns(frame)
    }


def kind_of(series: "nw.Series[Any]") -> Kind:
    """What one column is."""
    try:
        profile = profile_of(series)
    except TypeError:
        return Kind("ignored", f"it holds {series.dtype}, not one value per row", 0, 0)
    name, why = _judge(series, profile)
    return Kind(name, why, profile.n_levels, profile.n_missing)


def profile_of(series: "nw.Series[Any]") -> Profile:
    """Rows, missing rows and levels of a column."""
    n_rows = len(series)
    if series.dtype.is_float():
        values = numbers(series)
        present = values[~np.isnan(values)]
        counts = np.unique_counts(present).counts
        return Profile(n_rows, n_rows - len(present), len(counts), int((counts == 1).sum()), counts)
    codes, keys = levels(series)
    all_counts = np.bincount(codes, minlength=len(keys))
    n_missing = sum(int(all_counts[n]) for n, key in enumerate(keys) if key is None)
    counts = np.array([all_counts[n] for n, key in enumerate(keys) if key is not None and all_counts[n]], int)
    return Profile(n_rows, n_missing, len(counts), int((counts == 1).sum()), counts)


def _columns(frame: "nw.DataFrame[Any]") -> Iterator["nw.Series[Any]"]:
    return (frame[name] for name in frame.columns)


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


def _overridden(series: "nw.Series[Any]", kind: Any) -> Kind:
    try:
        profile = profile_of(series)
    except TypeError:
        profile = Profile(len(series), 0, 0, 0, np.zeros(0, int))
    return Kind(kind, "you said so", profile.n_levels, profile.n_missing)


def _judge(series: "nw.Series[Any]", profile: Profile) -> tuple[KindName, str]:  # noqa: PLR0911
    if profile.n_rows == 0:
        return _judge_type(series)
    if profile.n_levels == 0:
        return "ignored", "every value is missing"
    if profile.n_levels == 1 and profile.n_missing == 0 and profile.n_rows > 1:
        return "ignored", "every row has the same value"
    if series.dtype in (nw.Date, nw.Datetime, nw.Time):
        return "date", "it holds dates"
    if series.dtype == nw.Boolean:
        return "boolean", "it holds true and false"
    if series.dtype == nw.Duration:
        return "numeric", "it holds durations, counted in seconds"
    if series.dtype.is_numeric():
        return _judge_numbers(series, profile)
    return _judge_text(series, profile)


def _judge_type(series: "nw.Series[Any]") -> tuple[KindName, str]:
    """Without rows only the type can speak."""
    if series.dtype in (nw.Date, nw.Datetime, nw.Time):
        return "date", "its type is a date's"
    if series.dtype == nw.Boolean:
        return "boolean", "its type is boolean"
    if series.dtype.is_numeric() or series.dtype == nw.Duration:
        return "numeric", "its type is a number's"
    return "categorical", "its type is text's"


def _judge_text(series: "nw.Series[Any]", profile: Profile) -> tuple[KindName, str]:
    n_levels = f"{profile.n_levels:,} different values"
    if series.dtype == nw.String and moments_in_text(series) is not None:
        return "date", "it holds text that is all dates"
    if profile.n_present >= _FEWEST_ROWS_TO_JUDGE and profile.n_single > _MOST_SINGLES * profile.n_present:
        if profile.n_single == profile.n_present:
            return "ignored", "it is an identifier: every value stands once"
        share = profile.n_single / profile.n_present
        return "ignored", f"it is nearly an identifier: {share:.0%} of its values stand once"
    what = {
        nw.Categorical: "categories",
        nw.Enum: "categories",
        nw.Binary: "bytes",
        nw.Object: "mixed values",
    }
    word = next((name for kind, name in what.items() if series.dtype == kind), "text")
    return "categorical", f"it holds {word}, {n_levels}"


def _judge_numbers(  # noqa: PLR0911  (the rules, one after the other)
    series: "nw.Series[Any]", profile: Profile
) -> tuple[KindName, str]:
    values = numbers(series)
    values = values[~np.isnan(values)]
    if not np.isfinite(values).all() or not (values == np.floor(values)).all():
        return "numeric", "it holds numbers with fractions"
    low, high = values.min(), values.max()
    n_levels = f"{profile.n_levels:,} different whole numbers"
    if low >= 0 and high <= 1:
        return "boolean", "it holds only 0 and 1"
    if profile.n_levels == profile.n_rows >= _FEWEST_ROWS_TO_JUDGE and high - low + 1 == profile.n_rows:
        return "ignored", "it counts the rows"
    if profile.n_levels <= FEW_LEVELS and profile.n_present >= _ROWS_PER_LEVEL * profile.n_levels:
        return "categorical", f"it holds {n_levels}, with {_ROWS_PER_LEVEL} rows each or more"
    mostly_single = profile.n_single > _MOST_SINGLES * profile.n_present
    words = naming_words(series.name)
    if words and mostly_single and profile.n_present >= _FEWEST_ROWS_TO_JUDGE and words[0] in {"id", "ids"}:
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
