"""The tokens of a tokenizer's files, by their ids."""

import json
from pathlib import Path
from typing import Any

from plectrum.formats._damage import damaged


def read_json(path: Path) -> Any:
    """Return what a JSON file holds."""
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise damaged(path, None, "a JSON document", f"{error}") from error


def tokens_by_id(folder: Path) -> tuple[dict[int, str], str | None]:
    """Return the tokens of a folder's tokenizer by id, and its token for the unknown (None: it has none).

    Looks for ``tokenizer.json`` (WordLevel, WordPiece, BPE or Unigram, and added tokens), ``vocab.txt`` (a
    token per line) and ``vocab.json`` (a token's id).
    """
    if (folder / "tokenizer.json").is_file():
        return _of_tokenizer(folder / "tokenizer.json")
    if (folder / "vocab.txt").is_file():
        lines = (folder / "vocab.txt").read_bytes().decode("utf-8", "surrogateescape").split("\n")
        tokens = {row: line.removesuffix("\r") for row, line in enumerate(lines) if line}
        return tokens, next((token for token in ("[UNK]", "<unk>") if token in tokens.values()), None)
    if (folder / "vocab.json").is_file():
        return _ids_to_tokens(folder / "vocab.json", read_json(folder / "vocab.json")), None
    raise damaged(
        folder,
        None,
        "a tokenizer beside the model: tokenizer.json, vocab.txt or vocab.json",
        "none of them",
        advice="Save the tokenizer into the same folder.",
    )


def _of_tokenizer(path: Path) -> tuple[dict[int, str], str | None]:
    document = read_json(path)
    try:
        model = document["model"]
        vocabulary = model["vocab"]
        if isinstance(vocabulary, list):  # Unigram: pieces with their scores
            tokens = {row: str(piece) for row, (piece, _) in enumerate(vocabulary)}
            unknown = tokens.get(model["unk_id"]) if model.get("unk_id") is not None else None
        else:
            tokens = _ids_to_tokens(path, vocabulary)
            unknown = model.get("unk_token")
        for added in document.get("added_tokens") or ():
            tokens[_id(added["id"])] = str(added["content"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise damaged(path, None, "a tokenizer with `model` and its `vocab`", f"{error!r}") from error
    return tokens, unknown if isinstance(unknown, str) else None


def _ids_to_tokens(path: Path, vocabulary: Any) -> dict[int, str]:
    try:
        return {_id(row): str(token) for token, row in vocabulary.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise damaged(path, None, "an object of tokens and their ids", f"{error!r}") from error


def _id(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"the id {value!r}")
    return value
