"""The record of a run, `run.json`: what stands in it, and a check that it does.

The same in prose, with the files beside it: `docs/run_folder.md`. Whoever changes a name or a meaning here
raises `SCHEMA_VERSION` and says so there; a new field that older readers may ignore needs no new version.
"""

from types import NoneType, UnionType
from typing import (
    Any,
    Literal,
    NotRequired,
    TypedDict,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from plectrum.errors import RunError

SCHEMA_VERSION = 1


class SplitRecord(TypedDict):
    """How the held-out rows were chosen."""

    how: Literal["random", "time", "group"]
    column: str | None  # the column of `time` or `group`
    share: float  # of all rows, as asked for


class DataRecord(TypedDict):
    """What was read."""

    name: str  # of the file, without its folder; "-" for standard input
    n_rows: int
    n_train: int
    n_held_out: int
    split: SplitRecord


class TargetRecord(TypedDict):
    """What was predicted."""

    name: str
    kind: Literal["regression", "binary", "multiclass"]
    metric: str  # the score that decides; lower is better
    unit: str | None
    classes: list[Any] | None
    mean: float | None  # over the training rows; of a binary target, the share of the second class


class ColumnRecord(TypedDict):
    """What was made of one column of the frame."""

    name: str
    kind: str  # "categorical", "numeric", "date", "boolean", "ignored"
    why: str  # the reason, as a sentence
    n_levels: int
    embedding_dim: int | None
    n_missing: int
    n_rare: int
    n_unseen_held_out: int
    vectors: str | None  # path below the run folder
    film: str | None  # path below the run folder


class ResultRecord(TypedDict):
    """One model, judged on the held-out rows."""

    name: str
    role: Literal["constant", "linear", "boosting", "network", "vectors"]
    scores: dict[str, float | None]
    fit_seconds: float
    note: str | None


class EpochRecord(TypedDict):
    """One pass over the training rows."""

    epoch: int
    train_loss: float
    valid_loss: float | None
    learning_rate: float
    seconds: float  # since training began
    train_score: NotRequired[float | None]  # the losses as the target's metric, where they are that
    valid_score: NotRequired[float | None]


class FindingRecord(TypedDict):
    """One sentence about what was learned, with what it speaks of."""

    text: str
    column: NotRequired[str | None]
    key: NotRequired[Any]


class SnapshotRecord(TypedDict):
    """When one snapshot of the film was taken."""

    epoch: float
    step: int


class FilmRecord(TypedDict):
    """The snapshots that all film files of the run share."""

    snapshots: list[SnapshotRecord]
    basis: str


class MachineRecord(TypedDict):
    """Where the run was made."""

    cores: int
    system: str


class RunRecord(TypedDict):
    """The whole of `run.json`."""

    schema_version: int
    kind: Literal["columns", "words", "items", "nodes", "labels"]
    estimator: str
    plectrum: str
    created: str  # ISO 8601, UTC
    command: list[str]
    seed: int
    versions: dict[str, str]
    machine: MachineRecord
    data: DataRecord
    target: TargetRecord | None
    columns: list[ColumnRecord]
    results: list[ResultRecord]
    verdict: str
    history: list[EpochRecord]
    findings: list[FindingRecord]
    next: list[str]
    film: FilmRecord | None
    checks: dict[str, Any]


def check_record(record: Any, *, source: str = "run.json") -> RunRecord:
    """Return the record as it came, once all its fields are what `RunRecord` says.

    Fields that this version does not know are left alone.

    Parameters
    ----------
    record : dict
        The parsed JSON.
    source : str
        What to call it in an error.

    Raises
    ------
    RunError
        It is not a record, is of a newer schema, or a field is absent or of another type.
    """
    if not isinstance(record, dict) or "schema_version" not in record:
        raise RunError(
            f"{source} must be the record of a run, with a `schema_version`; got {_shown(record)}. "
            "Point at a folder that `plectrum learn` wrote."
        )
    version = record["schema_version"]
    if version != SCHEMA_VERSION:
        advice = (
            "Upgrade plectrum: the run was written by a newer one."
            if isinstance(version, int) and version > SCHEMA_VERSION
            else "Learn it again with this version."
        )
        raise RunError(
            f"`schema_version` of {source} must be {SCHEMA_VERSION}, the one this plectrum reads; got "
            f"{version!r} "
            f"(written by plectrum {record.get('plectrum', 'unknown')}). {advice}"
        )
    _check_value(record, RunRecord, "", source)
    return record  # type: ignore[return-value]


def _check_value(value: Any, wanted: Any, place: str, source: str) -> None:
    """Raise where `value` is not of the type `wanted`; `place` is its path inside the record."""
    origin = get_origin(wanted)
    if origin is NotRequired:
        _check_value(value, get_args(wanted)[0], place, source)
    elif is_typeddict(wanted):
        _check_fields(value, wanted, place, source)
    elif origin is list:
        _expect(isinstance(value, list), value, "a list", place, source)
        for i, item in enumerate(value):
            _check_value(item, get_args(wanted)[0], f"{place}[{i}]", source)
    elif origin is dict:
        _expect(isinstance(value, dict), value, "an object", place, source)
        for key, item in value.items():
            _check_value(item, get_args(wanted)[1], f"{place}.{key}", source)
    elif origin is Literal:
        choices = get_args(wanted)
        _expect(value in choices, value, "one of " + ", ".join(map(repr, choices)), place, source)
    elif origin in (Union, UnionType):
        some = [kind for kind in get_args(wanted) if kind is not NoneType]
        if value is not None:
            _check_value(value, some[0], place, source)
    elif wanted is not Any:
        _check_scalar(value, wanted, place, source)


def _check_fields(value: Any, wanted: Any, place: str, source: str) -> None:
    _expect(isinstance(value, dict), value, "an object", place, source)
    for name, kind in get_type_hints(wanted, include_extras=True).items():
        here = f"{place}.{name}" if place else name
        if name in value:
            _check_value(value[name], kind, here, source)
        elif name in wanted.__required_keys__:
            raise RunError(
                f"`{here}` of {source} must be there; it is absent. The file was edited or cut short: learn "
                "the run "
                "again."
            )


def _check_scalar(value: Any, wanted: type, place: str, source: str) -> None:
    accepted = (int, float) if wanted is float else (wanted,)
    fits = isinstance(value, accepted) and (wanted is bool or not isinstance(value, bool))
    words = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
    _expect(fits, value, words.get(wanted, wanted.__name__), place, source)


def _expect(fits: bool, value: Any, words: str, place: str, source: str) -> None:
    if not fits:
        raise RunError(
            f"`{place}` of {source} must be {words}; got {_shown(value)}. The file was edited or damaged: "
            "learn the "
            "run again."
        )


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
