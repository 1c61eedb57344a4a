"""A folder that model2vec and sentence-transformers open as a model of static embeddings.

``model.safetensors`` holds ``embeddings`` (n, dim); ``tokenizer.json`` turns a text into ids;
``config.json``, ``modules.json`` and ``README.md`` tell the libraries what it is. Written, the tokenizer
takes the whole text for one token, so that ``encode(["New York"])`` is the vector of the key "New York"; row
0 is the unknown vector. Read, any tokenizer will do: the keys are its tokens. Vectors that several tokens
share (``mapping``) and weights of tokens (``weights``), which model2vec may add, are applied.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plectrum.formats._damage import damaged
from plectrum.formats._format import Format, Wanted
from plectrum.formats._native import map_tensor, read_header, write_safetensors
from plectrum.formats._record import Record
from plectrum.formats._tokens import read_json, tokens_by_id

_TENSORS = ("embeddings", "embedding.weight")
_INNER = "0_StaticEmbedding"  # where sentence-transformers 3 and 4 put the module


def _home(path: Path) -> Path:
    return path / _INNER if (path / _INNER / "model.safetensors").is_file() else path


def is_static_embedding(path: Path, head: bytes) -> bool:
    """Whether a folder holds a safetensors file with nothing but embeddings, and a tokenizer."""
    del head
    weights = _home(path) / "model.safetensors"
    if not weights.is_file() or not (_home(path) / "tokenizer.json").is_file():
        return False
    try:
        header, _ = read_header(weights)
    except ValueError:
        return (path / "modules.json").is_file()
    return any(name in header for name in _TENSORS)


def read_static_embedding(path: Path, wanted: Wanted) -> Record:
    """Return the tokens of a static embedding model and their vectors."""
    del wanted
    home = _home(path)
    weights = home / "model.safetensors"
    if not weights.is_file():
        raise damaged(path, None, "a file model.safetensors", "none", advice="Give the model's own folder.")
    header, start = read_header(weights)
    name = next((name for name in _TENSORS if name in header), None)
    if name is None:
        raise damaged(weights, 8, "a tensor `embeddings` or `embedding.weight`", f"{', '.join(header)[:80]}")
    table = map_tensor(weights, header, start, name)
    if table.ndim != 2 or table.dtype.kind not in "fi":
        raise damaged(weights, start, "embeddings of two dimensions", f"shape {table.shape}")
    tokens, unknown_token = tokens_by_id(home)
    ids = sorted(tokens)
    rows = _mapped(weights, header, start, np.array(ids, np.int64), len(table))
    vectors = table[rows] if table.dtype == np.float32 else table[rows].astype(np.float32)
    if "weights" in header:
        factors = map_tensor(weights, header, start, "weights").reshape(-1)
        if ids and len(factors) <= ids[-1]:
            raise damaged(weights, start, f"a weight for each of {ids[-1] + 1:,} tokens", f"{len(factors):,}")
        vectors = vectors * factors[ids].astype(np.float32)[:, None]
    return _record(path, [tokens[i] for i in ids], vectors, unknown_token)


def _mapped(
    weights: Path, header: dict[str, Any], start: int, ids: NDArray[np.int64], n: int
) -> NDArray[np.int64]:
    if "mapping" in header:
        mapping = map_tensor(weights, header, start, "mapping").reshape(-1)
        if len(ids) and len(mapping) <= ids[-1]:
            raise damaged(weights, start, f"a mapping of {ids[-1] + 1:,} tokens", f"{len(mapping):,}")
        ids = mapping[ids].astype(np.int64)
    if len(ids) and (ids.max() >= n or ids.min() < 0):
        raise damaged(weights, start, f"a row for token {int(ids.max()):,}", f"{n:,} rows")
    return ids


def _record(path: Path, keys: list[str], vectors: NDArray[Any], unknown_token: str | None) -> Record:
    """Take the row of the unknown token out: it is no key."""
    config = path / "config.json"
    about = read_json(config) if config.is_file() else {}
    metadata: dict[str, Any] = {}
    unknown = None
    if unknown_token in keys:
        at = keys.index(unknown_token)
        if not isinstance(about, dict) or about.get("plectrum_unknown", True):
            unknown = np.array(vectors[at])
        metadata["unknown_token"] = unknown_token
        keys = keys[:at] + keys[at + 1 :]
        vectors = np.delete(vectors, at, axis=0) if at else vectors[1:]
    return Record(keys, vectors, unknown=unknown, metadata=metadata)


def write_static_embedding(record: Record, path: Path) -> None:
    """Write a folder that ``model2vec.StaticModel.from_pretrained`` and ``SentenceTransformer`` open."""
    path.mkdir()
    matrix = record.floats().astype(np.float32, copy=False)
    dim = matrix.shape[1]
    unknown = np.zeros(dim, np.float32) if record.unknown is None else np.asarray(record.unknown, np.float32)
    unknown_token = "[UNK]"
    while unknown_token in record.keys:
        unknown_token = f"[{unknown_token}]"
    write_safetensors(
        path / "model.safetensors", {"embeddings": np.vstack([unknown, matrix])}, {"format": "pt"}
    )
    _write_json(path / "tokenizer.json", _tokenizer([unknown_token, *record.keys]))
    _write_json(
        path / "config.json",
        {
            "model_type": "model2vec",
            "architectures": ["StaticModel"],
            "hidden_dim": dim,
            "seq_length": 1000000,
            "normalize": False,
            "plectrum_unknown": record.unknown is not None,
        },
    )
    module = {"idx": 0, "name": "0", "path": ".", "type": "sentence_transformers.models.StaticEmbedding"}
    _write_json(path / "modules.json", [module])
    (path / "README.md").write_text(
        "---\nlibrary_name: model2vec\ntags:\n- embeddings\n- static-embeddings\n---\n\n"
        f"{len(record.keys):,} keys and their vectors of {dim} dimensions, learned by plectrum. A text is "
        "looked "
        "up as a whole; what is no key gets the vector of the unknown.\n",
        encoding="utf-8",
    )


def _write_json(path: Path, document: Any) -> None:
    path.write_text(json.dumps(document, ensure_ascii=True, indent=1), encoding="utf-8")


def _tokenizer(tokens: list[Any]) -> dict[str, Any]:
    """A tokenizer of the `tokenizers` library that takes the whole text for one token."""
    special = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": 0, "content": tokens[0], **special}],
        "normalizer": None,
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": None,
        "model": {
            "type": "WordLevel",
            "vocab": {token: row for row, token in enumerate(tokens)},
            "unk_token": tokens[0],
        },
    }


FORMAT = Format(
    name="static-embedding",
    title="StaticEmbedding folder (model2vec, sentence-transformers)",
    suffixes=(),
    is_this=is_static_embedding,
    read=read_static_embedding,
    write=write_static_embedding,
    layout="folder",
    holds=frozenset({"unknown"}),
)
