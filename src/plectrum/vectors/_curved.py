"""Maps that may bend: t-SNE and UMAP, by the libraries that keep them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from plectrum.errors import ArgumentError, OptionalDependencyError

_FEWEST = 4  # rows of which a neighbourhood can be made


def curved_plane(matrix: NDArray[Any], method: str, random_state: int | None) -> NDArray[np.float64]:
    """Return the (n, 2) coordinates of t-SNE or of UMAP, under the cosine distance."""
    if len(matrix) < _FEWEST:
        raise ArgumentError(
            f'`method` of `project` must be "pca" for fewer than {_FEWEST} vectors; got {method!r} for '
            f"{len(matrix)}."
        )
    rows = np.asarray(matrix, np.float32)
    return _tsne(rows, random_state) if method == "tsne" else _umap(rows, random_state)


def _tsne(rows: NDArray[np.float32], random_state: int | None) -> NDArray[np.float64]:
    from sklearn.manifold import TSNE

    maker = TSNE(
        metric="cosine",
        init="pca" if rows.shape[1] > 1 else "random",
        perplexity=min(30.0, (len(rows) - 1) / 3),
        random_state=random_state,
    )
    return np.asarray(maker.fit_transform(rows), np.float64)


def _umap(rows: NDArray[np.float32], random_state: int | None) -> NDArray[np.float64]:
    try:
        import umap
    except ImportError as error:
        raise OptionalDependencyError("umap-learn", 'project(method="umap")') from error
    maker = umap.UMAP(
        metric="cosine",
        # the spectral start needs more rows than this
        init="spectral" if len(rows) > 10 else "random",
        n_neighbors=max(2, min(15, len(rows) - 1)),
        random_state=random_state,
        n_jobs=1,
    )
    return np.asarray(maker.fit_transform(rows), np.float64)
