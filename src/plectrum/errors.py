"""The exceptions of plectrum, drawn as a tree.

PlectrumError
├── ArgumentError            (ValueError)      an argument has a value that it must not have
├── ArgumentTypeError        (TypeError)       an argument has a type that it must not have
├── RowOutOfRangeError       (IndexError)      an id points outside its table
├── UnknownKeyError          (KeyError)        a key that the vocabulary has not
├── DataError                (ValueError)      a frame or file cannot be learned from
│   ├── MissingColumnError   (KeyError)        a column that the frame has not
│   └── MissingFileError     (FileNotFoundError) a file that is not there
├── FormatError              (ValueError)      a vectors file is damaged, or of no known format
├── RunError                 (ValueError)      a run folder is unfinished, damaged or of another version
│   └── RunExistsError       (FileExistsError) a run folder that would be overwritten
├── OptimizerError           (RuntimeError)    an optimizer is asked for what it cannot do correctly
└── OptionalDependencyError  (ImportError)     an optional library is not installed

PlectrumWarning              (UserWarning)     what is worth knowing, and no reason to stop
├── SmallDataWarning                           too few rows to learn something that means anything
└── UnseenKeysWarning                          much of a column, at prediction, was never seen in training

Every message has four parts, in order: which argument of what; what it must be; what came (the value, its
position, how many); what to do about it. The values stand on the exception as attributes too.
"""

from collections.abc import Callable, Collection, Hashable, Sequence
from functools import cached_property
from typing import Any


class PlectrumError(Exception):
    """The root of every exception that plectrum raises on purpose."""


class ArgumentError(PlectrumError, ValueError):
    """An argument has a value that it must not have."""


def check_choice(
    value: object,
    choices: Collection[str],
    *,
    argument: str,
    owner: str,
    advice: str = "Choose one of them.",
) -> None:
    """Raise an `ArgumentError` unless the value of a named choice is one of them."""
    if value not in choices:
        named = ", ".join(map(repr, choices))
        raise ArgumentError(f"`{argument}` of `{owner}` must be one of {named}; got {value!r}. {advice}")


class ArgumentTypeError(PlectrumError, TypeError):
    """An argument has a type that it must not have."""


class RowOutOfRangeError(PlectrumError, IndexError):
    """An id points outside its table.

    Attributes
    ----------
    argument, owner : str
        The argument and the class or function it belongs to.
    value : int
        The first id outside ``[0, n_rows)``.
    position : tuple of int
        Where that id stands in the ids.
    n_bad, n_values : int
        How many ids are outside, and how many there are.
    n_rows : int
        The number of rows of the table.
    """

    def __init__(
        self,
        *,
        owner: str,
        value: int,
        position: tuple[int, ...],
        n_bad: int,
        n_values: int,
        n_rows: int,
        argument: str = "ids",
        advice: str = (
            "Raise `num_embeddings`, or look keys up through a Vocabulary, which cannot produce such an id."
        ),
    ) -> None:
        where = position[0] if len(position) == 1 else position
        count = f"1 of {n_values:,} values" if n_bad == 1 else f"{n_bad:,} of {n_values:,} values"
        super().__init__(
            f"`{argument}` of `{owner}` must lie in [0, {n_rows}); got {value} at position {where}, "
            f"{count}. {advice}"
        )
        self.argument, self.owner, self.value, self.position = argument, owner, value, position
        self.n_bad, self.n_values, self.n_rows = n_bad, n_values, n_rows


class UnknownKeyError(PlectrumError, KeyError):
    """A key that the vocabulary has not.

    Attributes
    ----------
    key : Hashable
        The first unknown key.
    position : int or None
        Its position among the values that were looked up, None when a single key was asked for.
    n_unknown : int
        How many of the values are unknown.
    nearest : tuple
        The known keys that are spelled most alike, best first.
    """

    def __init__(
        self,
        key: Hashable,
        *,
        position: int | None = None,
        n_unknown: int = 1,
        n_values: int = 1,
        nearest: Sequence[Any] | Callable[[], Sequence[Any]] = (),
        owner: str = "the vocabulary",
        advice: str = "",
    ) -> None:
        super().__init__(key)
        self.key, self.position, self.n_unknown, self.n_values = key, position, n_unknown, n_values
        self._nearest, self._owner, self._advice = nearest, owner, advice

    @cached_property
    def nearest(self) -> tuple[Any, ...]:
        """The known keys that are spelled most alike, best first.

        Looked for when they are first asked for: programs that try a key and catch the error never pay for
        it.
        """
        return tuple(self._nearest() if callable(self._nearest) else self._nearest)

    @cached_property
    def message(self) -> str:
        """The error as a sentence."""
        unknown = f"{self.n_unknown:,} of {self.n_values:,} values are unknown"
        place = "" if self.position is None else f" at position {self.position:,} ({unknown})"
        hint = f" Did you mean {' or '.join(map(repr, self.nearest[:3]))}?" if self.nearest else ""
        advice = f" {self._advice}" if self._advice else ""
        return f"{self._owner} has no key {self.key!r}{place}.{hint}{advice}"

    def __str__(self) -> str:
        return self.message  # KeyError would print the repr, in quotes

    def __reduce__(self) -> Any:
        state = {**self.__dict__, "nearest": self.nearest, "message": self.message, "_nearest": self.nearest}
        return type(self), (self.key,), state


class DataError(PlectrumError, ValueError):
    """A frame or a file cannot be learned from, or predicted on."""


class MissingColumnError(DataError, KeyError):
    """A column that the frame has not.

    Attributes
    ----------
    columns : tuple of str
        The missing columns.
    available : tuple of str
        The columns that the frame has.
    """

    def __init__(self, message: str, *, columns: Sequence[str], available: Sequence[str]) -> None:
        self.message = message
        super().__init__(message)
        self.columns, self.available = tuple(columns), tuple(available)

    def __str__(self) -> str:
        return self.message


class MissingFileError(DataError, FileNotFoundError):
    """A file that is not there."""


class FormatError(PlectrumError, ValueError):
    """A vectors file is damaged, or of no known format.

    Attributes
    ----------
    path : str
        The file.
    offset : int or None
        The byte (binary formats) or line (text formats) where reading stopped.
    expected : str
        What should have stood there.
    """

    def __init__(
        self, message: str, *, path: str = "", offset: int | None = None, expected: str = ""
    ) -> None:
        super().__init__(message)
        self.path, self.offset, self.expected = path, offset, expected


class RunError(PlectrumError, ValueError):
    """A run folder is unfinished, damaged or of another version."""


class RunExistsError(RunError, FileExistsError):
    """A run folder that would be overwritten."""


class OptimizerError(PlectrumError, RuntimeError):
    """An optimizer is asked for what it cannot do correctly."""


class OptionalDependencyError(PlectrumError, ImportError):
    """An optional library is not installed.

    Attributes
    ----------
    package, purpose : str
        The library, and what it is needed for.
    """

    def __init__(self, package: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package `{package}`, which is not installed. Run: pip install {package}"
        )
        self.package, self.purpose = package, purpose


class PlectrumWarning(UserWarning):
    """The root of every warning that plectrum gives."""


class SmallDataWarning(PlectrumWarning):
    """Too few rows to learn something that means anything."""


class UnseenKeysWarning(PlectrumWarning):
    """Much of a column, at prediction, was never seen in training."""
