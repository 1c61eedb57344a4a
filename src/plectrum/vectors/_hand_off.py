"""Handing vectors to viewers of others: files as they want them, and the one command that opens these."""

import os
import shlex
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plectrum import formats
from plectrum.errors import ArgumentError, check_choice
from plectrum.vectors import _geometry, _search
from plectrum.vectors._labels import key_label

VIEWERS = ("projector", "atlas")
_N_NEIGHBOURS = 15
_MOST_WITH_NEIGHBOURS = 50_000  # beyond it, all neighbours of all keys take minutes
_MOST_IN_TENSORBOARD = 100_000


def hand_off(record: formats.Record, path: str | os.PathLike[str], viewer: str) -> str:
    """Write vectors for a viewer, and return the shell command that opens it.

    Parameters
    ----------
    record : Record
        Its further columns go along, to colour by: those of a run's ``vectors/*.parquet`` are how far a row
        moved, the mean of the target, and so on.
    path : path
        The folder (projector) or the file (atlas) to write; one that is there is replaced, unless it is a
        folder of another kind.
    viewer : {"projector", "atlas"}
        TensorBoard's embedding projector, or embedding-atlas.

    Returns
    -------
    str
        A command line, quoted for a POSIX shell.

    Warns
    -----
    UserWarning
        The viewer will not show all there is.
    """
    check_choice(viewer, VIEWERS, argument="viewer", owner="hand_off")
    path = Path(path)
    record = replace(record, matrix=record.floats(), scales=None, subwords=None)
    return _to_projector(record, path) if viewer == "projector" else _to_atlas(record, path)


def _to_projector(record: formats.Record, folder: Path) -> str:
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not _is_projector(folder)):
        raise ArgumentError(
            f"`path` of `hand_off` must be a new folder, or an old one of the projector; {str(folder)!r} "
            "holds something else. Name another."
        )
    if len(record.keys) > _MOST_IN_TENSORBOARD:
        warnings.warn(
            f"TensorBoard shows the first {_MOST_IN_TENSORBOARD:,} of {len(record.keys):,} vectors.",
            UserWarning,
            stacklevel=4,
        )
    plain = replace(record, keys=[key_label(key) for key in record.keys], unknown=None, missing=None)
    formats.write(plain, folder, format="projector")
    return f"tensorboard --logdir {shlex.quote(str(folder))}"


def _is_projector(folder: Path) -> bool:
    return formats.FORMATS["projector"].is_this(folder, b"")


def _to_atlas(record: formats.Record, path: Path) -> str:
    """Write Parquet with places, neighbours and, where keys are no text, labels."""
    if path.is_dir():
        raise ArgumentError(
            f"`path` of `hand_off` must be a file for the atlas; {str(path)!r} is a folder. Name a file, "
            "such as atlas.parquet."
        )
    n = len(record.keys)
    further: dict[str, Any] = {}
    if not {"x", "y"} <= set(record.columns):
        places = _geometry.plane(record.matrix)
        further |= {"x": places[:, 0], "y": places[:, 1]}
    text = "key"
    if not all(isinstance(key, str) for key in record.keys):
        text = "label"
        further["label"] = [key_label(key) for key in record.keys]
    options = ["--text", text, "--x", "x", "--y", "y"]
    if 1 < n <= _MOST_WITH_NEIGHBOURS:
        further["neighbors"] = _neighbours(record.matrix)
        options += ["--neighbors", "neighbors"]
    elif n > 1:
        warnings.warn(
            f"The nearest neighbours of {n:,} keys are left out; they are written up to "
            f"{_MOST_WITH_NEIGHBOURS:,}.",
            UserWarning,
            stacklevel=4,
        )
    formats.write(record, path, format="parquet", columns=further)
    return shlex.join(["embedding-atlas", str(path), *options])


def _neighbours(matrix: NDArray[Any]) -> Any:
    """Return as an Arrow array of ``{ids, distances}`` the nearest rows of each, by 1 - cosine, rising."""
    import pyarrow as pa

    n = len(matrix)
    k = min(_N_NEIGHBOURS, n - 1)
    rows, cosines = _search.nearest_rows(
        matrix,
        _search.row_norms(matrix),
        np.asarray(matrix, np.float32),
        k,
        excluded=np.arange(n)[:, None],
    )
    ends = pa.array(np.arange(n + 1, dtype=np.int32) * k)
    distances = np.maximum(1 - cosines, 0).astype(np.float32)
    lists = [pa.ListArray.from_arrays(ends, pa.array(values.reshape(-1))) for values in (rows, distances)]
    return pa.StructArray.from_arrays(lists, names=["ids", "distances"])
