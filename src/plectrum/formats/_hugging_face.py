"""A Hugging Face model folder: the matrix of its token embeddings, and the tokenizer's tokens as keys.

The matrix is looked for in ``model.safetensors``, or in the shards that ``model.safetensors.index.json``
lists, by the names that architectures use. Checkpoints in pickle (``pytorch_model.bin``) are not opened.
"""

from pathlib import Path
from typing import Any

import numpy as np

from plectrum.formats._damage import damaged
from plectrum.formats._format import Format, Wanted
from plectrum.formats._native import map_tensor, read_header
from plectrum.formats._record import Record
from plectrum.formats._tokens import read_json, tokens_by_id

# Endings of the tensor's name, the most telling first.
_NAMES = (
    "embeddings.word_embeddings.weight",
    "word_embeddings.weight",
    "word_embedding.weight",
    "embed_tokens.weight",
    "tok_embeddings.weight",
    "token_embedding.weight",
    "token_embeddings.weight",
    "wte.weight",
    "shared.weight",
    "embed_in.weight",
    "embeddings.weight",
)
_INDEX = "model.safetensors.index.json"


def is_hugging_face(path: Path, head: bytes) -> bool:
    """Whether a folder holds a model's configuration and its weights."""
    del head
    weights = ("model.safetensors", _INDEX, "pytorch_model.bin")
    return (path / "config.json").is_file() and any((path / name).is_file() for name in weights)


def read_hugging_face(path: Path, wanted: Wanted) -> Record:
    """Return a model's tokens and their embeddings; a view of the file when every row has its token."""
    del wanted
    weights, name = _find_tensor(path)
    header, start = read_header(weights)
    table = map_tensor(weights, header, start, name)
    if table.ndim != 2 or table.dtype.kind != "f":
        raise damaged(
            weights, start, f"{name!r} as a matrix of floats", f"shape {table.shape}, {table.dtype}"
        )
    tokens, unknown_token = tokens_by_id(path)
    ids = [i for i in sorted(tokens) if i < len(table)]
    if not ids:
        raise damaged(
            path, None, f"tokens for the {len(table):,} rows of {name!r}", f"{len(tokens):,} tokens"
        )
    matrix = table if ids == list(range(len(table))) else table[np.array(ids)]
    unknown = next((np.array(table[i], np.float32) for i in ids if tokens[i] == unknown_token), None)
    metadata: dict[str, Any] = {"tensor": name}
    return Record([tokens[i] for i in ids], matrix, unknown=unknown, metadata=metadata)


def _find_tensor(path: Path) -> tuple[Path, str]:
    """Return the file and the name of the token embeddings."""
    where: dict[str, str] = {}
    if (path / "model.safetensors").is_file():
        header, _ = read_header(path / "model.safetensors")
        where = dict.fromkeys((name for name in header if name != "__metadata__"), "model.safetensors")
    elif (path / _INDEX).is_file():
        index = read_json(path / _INDEX)
        where = index.get("weight_map", {}) if isinstance(index, dict) else {}
    if not where:
        got = "pytorch_model.bin, which is pickle" if (path / "pytorch_model.bin").is_file() else "none"
        advice = "Save the model with safe_serialization=True."
        raise damaged(path, None, "weights in model.safetensors", got, advice=advice)
    for ending in _NAMES:
        for name, file in sorted(where.items()):
            if (name == ending or name.endswith(f".{ending}")) and Path(str(file)).name == file:
                if not (path / file).is_file():
                    raise damaged(path, None, f"the shard {file!r} that holds {name!r}", "no such file")
                return path / file, name
    raise damaged(
        path,
        None,
        f"a tensor of token embeddings, such as {_NAMES[0]!r}",
        f"{len(where):,} others: {', '.join(sorted(map(str, where))[:3])}",
        advice="Its architecture is not known; take the matrix out and make Vectors(keys, matrix).",
    )


FORMAT = Format(
    name="hugging-face",
    title="Hugging Face model folder",
    suffixes=(),
    is_this=is_hugging_face,
    read=read_hugging_face,
    layout="folder",
)
