"""Approximate search: a graph of neighbours, through the library usearch."""

from typing import Any

import numpy as np

from plectrum.errors import OptionalDependencyError
from plectrum.vectors._asked import Asked, Ranked


class Approximate:
    """An index over vectors that answers `nearest` approximately; made by `Vectors.approximate`.

    A hierarchical navigable small world graph (Malkov, Yashunin 2016) over unit vectors in float32.
    """

    def __init__(self, vectors: Asked, *, connectivity: int, expansion: int) -> None:
        try:
            from usearch.index import Index
        except ImportError as error:
            raise OptionalDependencyError("usearch", "Vectors.approximate") from error
        self._vectors = vectors
        self._index = Index(
            ndim=vectors.embedding_dim,
            metric="cos",
            dtype="f32",
            connectivity=connectivity,
            expansion_add=expansion,
            expansion_search=expansion,
        )
        self._index.add(np.arange(len(vectors), dtype=np.uint64), vectors.units())

    def nearest(self, key_or_vector: Any, k: int = 10) -> Any:
        """Return (key, cosine) of `k` near keys, best first; the arguments are those of `Vectors.nearest`."""
        single, queries, excluded = self._vectors.questions(key_or_vector)
        n_more = 0 if excluded is None else excluded.shape[1]
        answers: list[Ranked] = []
        for place, query in enumerate(queries):
            found = self._index.search(query, min(k + n_more, len(self._vectors)))
            taken = set() if excluded is None else set(excluded[place].tolist())
            rows = zip(found.keys.tolist(), found.distances.tolist(), strict=True)
            near = [(self._vectors.keys[row], 1.0 - distance) for row, distance in rows if row not in taken]
            answers.append(near[:k])
        return answers[0] if single else answers

    def recall(self, k: int = 10, n_questions: int = 1000) -> float:
        """Return the share of the exact `k` nearest keys that are found, over keys spread evenly."""
        rows = np.unique(np.linspace(0, len(self._vectors) - 1, n_questions).astype(np.int64))
        asked = [self._vectors.keys[row] for row in rows.tolist()]
        exact, found = self._vectors.nearest(asked, k=k), self.nearest(asked, k=k)
        shared = [
            len({key for key, _ in a} & {key for key, _ in b}) / max(1, len(a))
            for a, b in zip(exact, found, strict=True)
        ]
        return float(np.mean(shared)) if shared else 1.0
