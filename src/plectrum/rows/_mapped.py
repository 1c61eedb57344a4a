"""Tables in files: larger than memory, and still there after a process is killed.

A folder holds the table, the optimizer's state, the last step of each row, the optimizer's rule and the
numbers of every step since the table was last whole. A step is written down before any row takes it; so after
a kill in the middle of a step the rows that had not taken it count as absent from it, and everything else
goes on.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.parameter import Parameter

from plectrum.errors import ArgumentError, ArgumentTypeError, FormatError, OptimizerError
from plectrum.rows._behind import name_of
from plectrum.rows._tables import mark_as_table

_FILES = "_plectrum_files"


class TableFiles:
    """The files of one table.

    Parameters
    ----------
    folder : path
        Made if it is not there.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    def array(self, name: str, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Return the array of this name, mapped; zeros where there is none yet."""
        path = self.folder / f"{name}.bin"
        n_bytes = int(np.prod(shape)) * torch.empty(0, dtype=dtype).element_size()
        if path.exists() and path.stat().st_size != n_bytes:
            raise FormatError(
                f"`{path.name}` of a table in files must hold {n_bytes:,} bytes for shape {tuple(shape)}; "
                f"got {path.stat().st_size:,}. Open it with the shape it was made with, or make another.",
                path=str(path),
            )
        if not path.exists():
            with path.open("wb") as file:
                file.truncate(n_bytes)  # a hole: it takes no room until it is written to
        flat = torch.from_file(str(path), shared=True, size=int(np.prod(shape)), dtype=dtype)
        return flat.reshape(tuple(shape))

    def has(self, name: str) -> bool:
        """Return True when there is an array of this name."""
        return (self.folder / f"{name}.bin").exists()

    def add_step(self, numbers: Sequence[float]) -> None:
        """Write down the numbers of one more step."""
        with (self.folder / "steps.log").open("ab") as file:
            file.write(np.asarray(numbers, np.float64).tobytes())

    def steps(self, n_numbers: int) -> tuple[int, np.ndarray]:
        """Return at which step the log begins, and the numbers of each step since, shape (n, n_numbers)."""
        path = self.folder / "steps.log"
        start = int(self._read().get("start", 0))
        found = np.fromfile(path) if path.exists() else np.empty(0)
        n_whole = len(found) // n_numbers
        return start, found[: n_whole * n_numbers].reshape(n_whole, n_numbers)

    def restart(self, step: int) -> None:
        """Forget all steps before this one: every row has taken them."""
        self.write(start=step)
        (self.folder / "steps.log").write_bytes(b"")

    def claim(self, rule: str) -> None:
        """Take note of the rule by which the table is stepped; raise where its steps were of another.

        Raises
        ------
        OptimizerError
            The folder holds the steps of another rule, whose state this one cannot go on from.
        """
        about, log = self._read(), self.folder / "steps.log"
        before, has_steps = about.get("rule", rule), log.exists() and log.stat().st_size > 0
        if before != rule and (has_steps or about.get("start")):
            raise OptimizerError(
                f"A table in files must be trained on by the optimizer that trained it; {str(self.folder)!r} "
                f"holds steps of {before!r}, got {rule!r}. Take that optimizer; or, with all rows up to date "
                "(its `catch_up`), move a copy of the table into a new folder, where state begins anew."
            )
        self.write(rule=rule)

    def write(self, **about: Any) -> None:
        """Keep these facts about the table."""
        (self.folder / "table.json").write_text(json.dumps({**self._read(), **about}), encoding="utf-8")

    def _read(self) -> dict[str, Any]:
        path = self.folder / "table.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def make_table(
    folder: str | Path,
    shape: tuple[int, int],
    *,
    std: float | None = None,
    dtype: torch.dtype = torch.float32,
) -> Parameter:
    """Return a new table in files, of normal numbers; it may be larger than memory.

    Parameters
    ----------
    folder : path
        Must not hold a table yet.
    shape : (n_rows, embedding_dim)
    std : float, optional
        Deviation of the numbers; 1/sqrt(embedding_dim) by default, so that a row has a length of about 1.
    dtype : torch.dtype
        Any float dtype.

    Raises
    ------
    ArgumentError
        The folder holds a table already.

    Notes
    -----
    Cost: writes the file once; the system keeps in memory what fits. The state of plectrum's optimizers
    is kept in files beside it, so free room is needed for both (AdamW's is twice the table in float32).

    Examples
    --------
    A layer that is made on the device "meta" takes no memory; the table is then put in its place:

    >>> import tempfile, torch, plectrum.nn
    >>> from plectrum.rows import make_table
    >>> layer = plectrum.nn.Embedding(1000, 4, device="meta")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     layer.weight = make_table(folder, (1000, 4))
    ...     layer(torch.tensor([3, 7])).shape
    torch.Size([2, 4])
    """
    files = _new_files(folder, "make_table")
    mapped = files.array("weight", shape, dtype).normal_(0, max(shape[1], 1) ** -0.5 if std is None else std)
    _describe(files, mapped)
    return _with_files(Parameter(mapped), files)


def keep_in_files(table: Parameter, folder: str | Path) -> Parameter:
    """Move a table into files in a new folder, in place; return the Parameter.

    Optimizers of plectrum keep their state for it there too. Do this before making the optimizer. A table
    that memory cannot hold is made by `make_table`.

    Parameters
    ----------
    table : Parameter (n_rows, embedding_dim)
        On the CPU.
    folder : path
        Must not hold a table yet.

    Raises
    ------
    ArgumentError
        The folder holds a table already, the table is not on the CPU, or an optimizer of plectrum has taken
        it over.
    ArgumentTypeError
        `table` is no Parameter.

    Examples
    --------
    >>> import tempfile, torch
    >>> from plectrum.rows import keep_in_files, open_table
    >>> layer = torch.nn.Embedding(1000, 4)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     before = keep_in_files(layer.weight, folder).detach().clone()
    ...     same = torch.equal(open_table(folder), before)
    >>> same
    True
    """
    if not isinstance(table, Parameter):
        raise ArgumentTypeError(
            "`table` of `keep_in_files` must be a Parameter (n_rows, embedding_dim); got "
            f"{type(table).__name__}. Give the table of the layer: `layer.weight`, or `tables[name]`."
        )
    if "_ledger" in table.__dict__:
        raise ArgumentError(
            "`table` of `keep_in_files` must not belong to an optimizer of plectrum yet; got one of shape "
            f"{tuple(table.shape)} whose optimizer keeps its state in memory. Make the optimizer afterwards."
        )
    if table.device.type != "cpu":
        raise ArgumentError(
            f"`table` of `keep_in_files` must be on the CPU; got one on {table.device}. Move the model there "
            "(`model.cpu()`), or make the table by `make_table`."
        )
    files = _new_files(folder, "keep_in_files")
    mapped = files.array("weight", table.shape, table.dtype)
    mapped.copy_(table.detach())
    _describe(files, mapped)
    table.data = mapped
    return _with_files(table, files)


def _new_files(folder: str | Path, owner: str) -> TableFiles:
    files = TableFiles(folder)
    if files.has("weight"):
        raise ArgumentError(
            f"`folder` of `{owner}` must not hold a table yet; got {str(folder)!r}. Open it "
            "with `open_table`, or name another folder."
        )
    return files


def _describe(files: TableFiles, table: Tensor) -> None:
    files.write(shape=list(table.shape), dtype=name_of(table.dtype))


def open_table(folder: str | Path) -> Parameter:
    """Return the table that `make_table` or `keep_in_files` put into this folder, mapped, as it stands.

    An optimizer of the same class and options finds its state there and goes on where it was, also after a
    kill: it brings the rows that were behind up to date. Without one they are read as they stand; end a
    training with ``optimizer.catch_up()`` if the table is to be read so.

    Raises
    ------
    FormatError
        There is no table in this folder.
    """
    about = TableFiles(folder)._read() if Path(folder).is_dir() else {}
    if "shape" not in about:
        raise FormatError(
            f"`folder` of `open_table` must hold a table; got {str(folder)!r}, which has no table.json. Make "
            "one with `make_table` or `keep_in_files`.",
            path=str(folder),
        )
    files = TableFiles(folder)
    return _with_files(
        Parameter(files.array("weight", about["shape"], getattr(torch, about["dtype"]))), files
    )


def _with_files(table: Parameter, files: TableFiles) -> Parameter:
    """Return the table, known to optimizers as one, and as one in these files."""
    setattr(mark_as_table(table), _FILES, files)
    return table


def files_of(table: Parameter) -> TableFiles | None:
    """Return the files of a table, None for a table in memory."""
    found = table.__dict__.get(_FILES)
    return found if isinstance(found, TableFiles) else None
