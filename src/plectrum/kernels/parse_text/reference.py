"""The definition: what a line of text vectors means."""

import numpy as np
from numpy.typing import NDArray


def parse_lines(raw: bytes, dim: int) -> tuple[list[bytes], NDArray[np.float32]]:
    """Return the keys and numbers of whole lines, ``key SPACE number SPACE ... number NEWLINE``.

    The last `dim` fields are the numbers and what stands before them is the key, spaces included (GloVe's
    840B file has such keys). Only the bytes 0x20 and 0x0A divide: other white space belongs to the key.
    Spaces and one carriage return at the end of a line, and lines of nothing else, are passed over.

    Each number is ``numpy.float32(float(text))``: first the nearest double, then the nearest float32.

    Parameters
    ----------
    raw : bytes
        Lines, each with its newline.
    dim : int
        How many numbers stand in a line.

    Returns
    -------
    keys : list of bytes
    matrix : (n_lines, dim) float32

    Raises
    ------
    ValueError
        A line has fewer than ``dim + 1`` fields, or a field is no number.
    """
    keys, rows = [], []
    for line in raw.split(b"\n"):
        fields = line.removesuffix(b"\r").rstrip(b" ").split(b" ")
        if fields == [b""]:
            continue
        if len(fields) <= dim:
            raise ValueError(f"{len(fields)} fields")
        keys.append(b" ".join(fields[:-dim]))
        with np.errstate(over="ignore"):
            rows.append([np.float32(float(field)) for field in fields[-dim:]])
    return keys, np.array(rows, np.float32).reshape(len(rows), dim)
