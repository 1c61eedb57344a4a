"""A table as the page carries it: whole numbers, gzip, base64.

Layout before gzip: the length of the header (4 bytes, little-endian), the header (JSON, UTF-8), then the
arrays one after another. Numbers of more than one byte lie in planes, all low bytes before all high ones,
which gzip likes. The header names each array with its kind, its shape and, where whole numbers stand for real
ones, offset and step: ``i8``, ``u8`` as they are; ``u16`` and ``i16`` two planes; ``u32`` four; ``d16`` like
``i16``, along its first axis each entry the difference from the one before. In a ``u16`` with a step, 65535
is "not known".
"""

import base64
import gzip
import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plectrum.report._measure import Honesty, trust_of, unit_rows
from plectrum.report._tables import Table, basis_of

_NOT_KNOWN = 65535
_FILM_BYTES = 2_600_000  # coordinates of the film are kept for as many rows as fit in this (before gzip)
_VECTOR_BYTES = 3_400_000  # beyond it, the vectors are carried on fewer principal directions


class _Arrays:
    def __init__(self) -> None:
        self.index: dict[str, dict[str, Any]] = {}
        self.parts: list[bytes] = []

    def add(self, name: str, kind: str, values: NDArray[Any], **notes: Any) -> None:
        planes = {"i8": 1, "u8": 1, "u16": 2, "i16": 2, "d16": 2, "u32": 4}[kind]
        raw = np.ascontiguousarray(values)
        if planes > 1:
            raw = np.ascontiguousarray(raw.astype(f"<i{planes}").reshape(-1, 1).view(np.uint8).T)
        self.index[name] = {"kind": kind, "shape": list(values.shape), **notes}
        self.parts.append(raw.tobytes())

    def add_measure(self, name: str, values: NDArray[np.float64]) -> None:
        """Whole numbers of up to 32 bits exactly, all else on a scale of 65,534 steps."""
        known = np.isfinite(values)
        whole = bool(known.all()) and bool((values == np.round(values)).all())
        if whole and (len(values) == 0 or (values.min() >= 0 and values.max() < 2**31)):
            self.add(name, "u32", values.astype(np.int64))
            return
        low, high = (float(values[known].min()), float(values[known].max())) if known.any() else (0.0, 0.0)
        step = (high - low) / (_NOT_KNOWN - 1) or 1.0
        steps = np.full(len(values), _NOT_KNOWN, np.int64)
        steps[known] = np.round((values[known] - low) / step).astype(np.int64)
        self.add(name, "u16", steps, offset=low, step=step)


def pack_table(
    table: Table, honesty: Honesty | None, *, share: float = 1.0, notes: dict[str, Any] | None = None
) -> str:
    """Return the table as base64 of gzip; `unpack` in page/decode.js is its inverse.

    `share` is the part of the page's room that the table may take; `notes` join the header.
    """
    arrays = _Arrays()
    vectors, specials, dims = _carried_vectors(table, share)
    arrays.add("vectors", "i8", _small(vectors))
    lengths = np.linalg.norm(table.vectors, axis=1).astype(np.float64)
    arrays.add_measure("norm", lengths)
    arrays.add("trust", "u8", trust_of(table))
    if honesty is not None:
        arrays.add("kept", "u8", honesty.kept)
    for name, values in table.measures.items():
        arrays.add_measure(f"measure:{name}", values)
    for name, (_, codes) in table.groups.items():
        arrays.add(f"group:{name}", "u8", np.where(codes < 0, 255, codes).astype(np.uint8))
    step = _add_places(arrays, table, share)
    header = {
        **(notes or {}),
        "name": table.name,
        "n": len(table.labels),
        "dim": int(vectors.shape[1]),
        "dims": dims,
        "labels": table.labels,
        "groups": {name: names for name, (names, _) in table.groups.items()},
        "specials": _specials(table, specials),
        "step": step,
        "epochs": [None if math.isnan(e) else e for e in table.epochs],
        "k": honesty.k if honesty else 0,
        "arrays": arrays.index,
    }
    text = json.dumps(header, ensure_ascii=True, separators=(",", ":")).encode("ascii")
    raw = len(text).to_bytes(4, "little") + text + b"".join(arrays.parts)
    return base64.b64encode(gzip.compress(raw, compresslevel=7, mtime=0)).decode("ascii")


def _carried_vectors(
    table: Table, share: float
) -> tuple[NDArray[np.float32], list[NDArray[np.float32]], dict[str, Any]]:
    """Return unit vectors of the rows and special rows, on fewer directions where all are too many bytes."""
    unit = unit_rows(table.vectors)
    special = [unit_rows(vector[None])[0] for _, vector in table.specials]
    n, dim = unit.shape
    most = max(16, int(share * _VECTOR_BYTES) // max(n, 1))
    if dim <= most:
        return unit, special, {"given": dim, "energy": 1.0}
    energy, axes = np.linalg.eigh((unit.T @ unit).astype(np.float64))
    axes = axes[:, ::-1][:, :most].astype(np.float32)
    kept = float(energy[::-1][:most].sum() / energy.sum())
    return unit @ axes, [vector @ axes for vector in special], {"given": dim, "energy": kept}


def _small(vectors: NDArray[np.float32]) -> NDArray[np.int8]:
    """Return each row on its own scale of 127 steps: directions, all that a cosine asks for."""
    largest = np.abs(vectors).max(axis=1, keepdims=True, initial=0)
    return np.round(vectors * (127 / np.where(largest > 0, largest, 1))).astype(np.int8)


def _add_places(arrays: _Arrays, table: Table, share: float) -> float:
    """Put the places, and the film of as many rows as there is room for, on one grid; return its step."""
    places = np.nan_to_num(table.places.astype(np.float64))
    spread = float(np.percentile(np.abs(places - np.median(places, axis=0)), 98)) if len(places) else 0.0
    reach = float(np.abs(places).max(initial=0))
    frames = table.frames
    if frames is not None and table.film_rows is not None:
        n_kept = max(1, min(frames.shape[1], int(share * _FILM_BYTES) // (4 * frames.shape[0])))
        arrays.add("film_rows", "u32", table.film_rows[:n_kept])
        frames = np.nan_to_num(frames[:, :n_kept].astype(np.float64))
        reach = max(reach, float(np.abs(frames).max(initial=0)))
    step = max(spread / 1500, reach / 32000) or 1.0
    arrays.add("places", "i16", np.round(places / step).astype(np.int64))
    if frames is not None:
        grid = np.round(frames / step).astype(np.int64)
        change = np.diff(grid, axis=0, prepend=0)  # wraps around in 16 bits, and back when it is summed up
        arrays.add("film", "d16", change.astype(np.int16))
    return step


def _specials(table: Table, vectors: list[NDArray[np.float32]]) -> list[dict[str, Any]]:
    """Return the unknown and the missing row as the header has them: name, direction, place, length."""
    if not table.specials:
        return []
    axes, offset = basis_of(table)
    return [
        {
            "name": name,
            "vector": _small(carried[None])[0].tolist(),
            "place": [round(float(v), 6) for v in given @ axes + offset],
            "norm": float(np.linalg.norm(given)),
        }
        for (name, given), carried in zip(table.specials, vectors, strict=True)
    ]
