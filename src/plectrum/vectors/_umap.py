"""UMAP, when the package is installed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from plectrum.errors import OptionalDependencyError


def umap_plane(matrix: NDArray[Any], random_state: int | None) -> NDArray[np.float64]:
    """Return the (n, 2) coordinates of UMAP under the cosine distance."""
    try:
        import umap
    except ImportError as error:
        raise OptionalDependencyError("umap-learn", 'project(method="umap")') from error
    n_neighbors = max(2, min(15, len(matrix) - 1))
    reducer = umap.UMAP(
        n_components=2, metric="cosine", n_neighbors=n_neighbors, random_state=random_state, n_jobs=1
    )
    return np.asarray(reducer.fit_transform(np.asarray(matrix, np.float32)), np.float64)
