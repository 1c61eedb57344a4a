"""Tables in files: larger than memory, and still there after a process is killed.

A folder holds the table, the optimizer's state, the last step of each row and the numbers of every step since
the table was last whole. A step is written down before any row takes it; so after a kill in the middle of
a step the rows that had not taken it count as absent from it, and everything else goes on.
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

from plectrum.errors import ArgumentError, FormatError

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

    def write(self, **about: Any) -> None:
        """Keep these facts about the table."""
        (self.folder / "table.json").write_text(json.dumps({**self._read(), **about}), encoding="utf-8")

    def _read(self) -> dict[str, Any]:
        path = self.folder / "table.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def keep_in_files(table: Parameter, folder: str | Path) -> Parameter:
    """Move a table into files in a new folder, in place; return the Parameter.

    Optimizers of plectrum keep their state for it there too. Do this before making the optimizer.

    Parameters
    ----------
    table : Parameter (n_rows, embedding_dim)
        On the CPU.
    folder : path
        Must not hold a table yet.

    Raises
    ------
    ArgumentError
        The folder holds a table already, or an optimizer of plectrum has taken the table over.

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
    if "_ledger" in table.__dict__:
        raise ArgumentError(
            "`table` of `keep_in_files` must not belong to an optimizer of plectrum yet; got one of shape "
            f"{tuple(table.shape)} whose optimizer keeps its state in memory. Make the optimizer afterwards."
        )
    files = TableFiles(folder)
    if files.has("weight"):
        raise ArgumentError(
            f"`folder` of `keep_in_files` must not hold a table yet; got {str(folder)!r}. Open it "
            "with `open_table`, or name another folder."
        )
    mapped = files.array("weight", table.shape, table.dtype)
    mapped.copy_(table.detach())
    files.write(shape=list(table.shape), dtype=str(table.dtype).removeprefix("torch."))
    table.data = mapped
    setattr(table, _FILES, files)
    return table


def open_table(folder: str | Path) -> Parameter:
    """Return the table that `keep_in_files` put into this folder, mapped, as it stands.

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
            "one with `keep_in_files`.",
            path=str(folder),
        )
    files = TableFiles(folder)
    table = Parameter(files.array("weight", about["shape"], getattr(torch, about["dtype"])))
    setattr(table, _FILES, files)
    return table


def files_of(table: Parameter) -> TableFiles | None:
    """Return the files of a table, None for a table in memory."""
    found = table.__dict__.get(_FILES)
    return found if isinstance(found, TableFiles) else None
