"""Columns of a frame -> ids for the tables and numbers for the network."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import narwhals as nw
import numpy as np

from plectrum import formats, frames
from plectrum.errors import DataError
from plectrum.tabular._numeric import NumericScale
from plectrum.vocabulary import Vocabulary

_MICROSECONDS_PER_DAY = 86_400e6
_LAST_RESERVED_ROW = 2


@dataclass
class TableColumn:
    """A categorical column, or a calendar part of a date: its vocabulary, and the dim of its table."""

    name: str
    source: str
    vocabulary: Vocabulary
    embedding_dim: int = 0
    n_missing: int = 0
    n_rare: int = 0  # rows of training whose key was below min_count

    @property
    def size(self) -> tuple[int, int]:
        """(n_rows, embedding_dim) of the table."""
        return self.vocabulary.n_rows, self.embedding_dim


@dataclass
class NumberColumn:
    """A numeric or boolean column, or a running part of a date, with its scale."""

    name: str
    source: str
    scale: NumericScale
    n_missing: int = 0


@dataclass(frozen=True)
class Coverage:
    """How much of a column, as it came to a prediction, training had seen.

    ``n_unseen`` values are not in the vocabulary (categorical columns), ``n_missing`` are missing.
    """

    column: str
    n_rows: int
    n_unseen: int
    n_missing: int

    @property
    def unseen_share(self) -> float:
        """Share of the rows, in [0, 1]."""
        return self.n_unseen / max(1, self.n_rows)

    @property
    def missing_share(self) -> float:
        """Share of the rows, in [0, 1]."""
        return self.n_missing / max(1, self.n_rows)


@dataclass
class ColumnPlan:
    """What each column is, and how it becomes ids and numbers.

    The ids (n, n_tables) int64 have a column for each of ``tables``; the numbers (n, n_numbers + n_marks)
    float32 one for each of ``numbers``, then one for each of these whose missing values are marked.
    """

    sources: list[str]  # the columns of the frame that are used, in its order
    kinds: dict[str, tuple[str, str]]  # every column of the frame -> (kind, why)
    tables: list[TableColumn] = field(default_factory=list)
    numbers: list[NumberColumn] = field(default_factory=list)
    date_parts: dict[str, list[str]] = field(
        default_factory=dict
    )  # date column -> its parts that have tables
    date_spellings: dict[str, str] = field(default_factory=dict)  # date column of text -> how it is written

    @classmethod
    def learn(
        cls,
        frame: "nw.DataFrame[Any]",
        *,
        overrides: Mapping[str, str],
        min_count: int,
        numeric_scaling: str,
    ) -> "ColumnPlan":
        """Decide what each column is, and learn its vocabulary or its scale from these rows."""
        found = frames.column_kinds(frame, overrides)
        kinds = {name: (str(kind.kind), str(kind.why)) for name, kind in found.items()}
        plan = cls([name for name, (kind, _) in kinds.items() if kind != "ignored"], kinds)
        for source in plan.sources:
            if kinds[source][0] == "date":
                plan.date_parts[source] = list(frames.date_parts(frame[source]))
                spelling = frames.date_spelling(frame[source])
                if spelling is not None:
                    plan.date_spellings[source] = spelling
            for name, role, values in plan._parts(frame, source):
                if role == "table":
                    vocabulary = Vocabulary.learn(values, min_count=min_count)
                    rows = vocabulary.encode(values)
                    n_missing = int((rows == vocabulary.missing_row).sum())
                    n_rare = int((rows == vocabulary.unknown_row).sum())
                    plan.tables.append(TableColumn(name, source, vocabulary, 0, n_missing, n_rare))
                else:
                    scale = NumericScale.learn(values, numeric_scaling)
                    plan.numbers.append(NumberColumn(name, source, scale, int(np.isnan(values).sum())))
        return plan

    def grow(self, frame: "nw.DataFrame[Any]", *, min_count: int) -> None:
        """Take in the new keys of further rows; scales, kinds and old rows stay as they are."""
        by_name = {column.name: column for column in self.tables}
        for source in self.sources:
            for name, role, values in self._parts(frame, source):
                if role == "table":
                    series = nw.from_native(values, series_only=True)
                    rows = Vocabulary.learn(values, min_count=min_count).encode(values)
                    grown = copy.deepcopy(by_name[name].vocabulary)  # a trimmed estimator may share it
                    grown.add(series[np.flatnonzero(rows > _LAST_RESERVED_ROW)].to_native())
                    by_name[name].vocabulary = grown

    @property
    def n_marks(self) -> int:
        """How many numbers have a column that marks them as missing."""
        return sum(column.scale.marks_missing for column in self.numbers)

    def encode(self, frame: "nw.DataFrame[Any]") -> tuple[np.ndarray, np.ndarray, list[Coverage]]:
        """Return ids, numbers and the coverage of each part; any value is accepted but an infinite number."""
        n = len(frame)
        ids = np.empty((n, len(self.tables)), np.int64)
        numbers = np.empty((n, len(self.numbers) + self.n_marks), np.float32)
        coverage = []
        table_at = {column.name: i for i, column in enumerate(self.tables)}
        number_at = {column.name: i for i, column in enumerate(self.numbers)}
        marks = [column.name for column in self.numbers if column.scale.marks_missing]
        for source in self.sources:
            for name, role, values in self._parts(frame, source):
                n_unseen = 0
                if role == "table":
                    vocabulary = self.tables[table_at[name]].vocabulary
                    rows = vocabulary.encode(values)
                    ids[:, table_at[name]] = rows
                    missing = rows == vocabulary.missing_row
                    n_unseen = int((rows == vocabulary.unknown_row).sum())
                else:
                    numbers[:, number_at[name]] = self.numbers[number_at[name]].scale.apply(values)
                    missing = np.isnan(values)
                    if name in marks:
                        numbers[:, len(self.numbers) + marks.index(name)] = missing
                coverage.append(Coverage(name, n, n_unseen, int(missing.sum())))
        return ids, numbers, coverage

    def read_numbers(self, frame: "nw.DataFrame[Any]") -> np.ndarray:
        """Return the numbers as they came, float64 (n, n_numbers), NaN where missing."""
        found = {
            name: values
            for source in self.sources
            for name, role, values in self._parts(frame, source)
            if role == "number"
        }
        return np.column_stack([found[column.name] for column in self.numbers])

    def _parts(self, frame: "nw.DataFrame[Any]", source: str) -> Iterator[tuple[str, str, Any]]:
        """What a column becomes: (name, "table", values) or (name, "number", float64 values).

        A date becomes a table for each calendar part that varies, and its days as one number, for what grows
        or fades with time.
        """
        kind, series = self.kinds[source][0], frame[source]
        if kind == "categorical":
            yield source, "table", series.to_native()
        elif kind == "date":
            spelling = self.date_spellings.get(source)
            expanded = frames.expand_date(series, parts=self.date_parts[source], spelling=spelling)
            for name in expanded.columns:
                yield name, "table", expanded[name].to_native()
            yield f"{source}_days", "number", _to_days(series, spelling)
        else:
            yield source, "number", _to_floats(series, source)

    def to_record(self) -> dict[str, Any]:
        """Return the plan as plain JSON; keys keep their types."""
        return {
            "sources": self.sources,
            "kinds": {name: list(kind) for name, kind in self.kinds.items()},
            "date_parts": self.date_parts,
            "date_spellings": self.date_spellings,
            "tables": [
                {
                    "name": column.name,
                    "source": column.source,
                    "keys": formats.keys_to_json(list(column.vocabulary.keys)),
                    "counts": np.asarray(column.vocabulary.counts).tolist(),
                    "embedding_dim": column.embedding_dim,
                    "n_missing": column.n_missing,
                    "n_rare": column.n_rare,
                }
                for column in self.tables
            ],
            "numbers": [
                {
                    "name": column.name,
                    "source": column.source,
                    "scale": column.scale.to_record(),
                    "n_missing": column.n_missing,
                }
                for column in self.numbers
            ],
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "ColumnPlan":
        """Rebuild a plan from :meth:`to_record`."""
        tables = [
            TableColumn(
                table["name"],
                table["source"],
                Vocabulary.from_keys(formats.keys_from_json(table["keys"]), counts=table["counts"]),
                table["embedding_dim"],
                table["n_missing"],
                table["n_rare"],
            )
            for table in record["tables"]
        ]
        numbers = [
            NumberColumn(
                number["name"],
                number["source"],
                NumericScale.from_record(number["scale"]),
                number["n_missing"],
            )
            for number in record["numbers"]
        ]
        kinds = {name: (kind, why) for name, (kind, why) in record["kinds"].items()}
        return cls(
            list(record["sources"]),
            kinds,
            tables,
            numbers,
            dict(record["date_parts"]),
            dict(record.get("date_spellings", {})),
        )


def _to_floats(series: "nw.Series[Any]", name: str) -> np.ndarray:
    """float64 (n,), NaN where missing."""
    values = frames.numbers(series)
    infinite = np.isinf(values)
    if infinite.any():
        first = int(np.argmax(infinite))
        raise DataError(
            f"Column {name!r} of `X` must not contain infinity; got {values[first]} at row {first:,}, "
            f"{int(infinite.sum()):,} of {len(values):,} values. Replace them, or make them missing."
        )
    return values


def _to_days(series: "nw.Series[Any]", spelling: str | None) -> np.ndarray:
    """Days since 1970 as float64 (n,), NaN where missing."""
    moments = frames.moments(series, spelling=spelling)
    days = moments.astype(np.int64) / _MICROSECONDS_PER_DAY
    return np.where(np.isnat(moments), np.nan, days)


def overrides_of(
    names: Sequence[str],
    kinds: Mapping[Any, str] | None,
    categorical: Sequence[Any] | None,
    numeric: Sequence[Any] | None,
) -> dict[str, str]:
    """Return column name -> kind, from what the user says; columns may be given by position."""
    chosen: dict[Any, str] = {}
    chosen.update(dict.fromkeys(categorical or (), "categorical"))
    chosen.update(dict.fromkeys(numeric or (), "numeric"))
    chosen.update(kinds or {})
    return {
        names[int(key)] if isinstance(key, (int, np.integer)) else key: kind for key, kind in chosen.items()
    }
