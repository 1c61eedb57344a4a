"""A dozen rows that need no explanation, for a first look."""

from typing import Any

_ROWS = [  # day, weather, temperature, visitors
    ("Mon", "rain", 11.0, 20.0),
    ("Tue", "sun", 17.0, 35.0),
    ("Mon", "sun", 15.0, 24.0),
    ("Wed", "rain", 12.0, 31.0),
    ("Thu", "sun", 19.0, 38.0),
    ("Fri", "sun", 20.0, 52.0),
    ("Sat", "rain", 13.0, 71.0),
    ("Sun", "sun", 21.0, 90.0),
    ("Sat", "sun", 22.0, 95.0),
    ("Sun", "rain", 12.0, 66.0),
    ("Tue", "rain", 10.0, 27.0),
    ("Fri", "rain", 14.0, 41.0),
]


def toy_rows() -> tuple[Any, list[float]]:
    """Return (X, y): the visitors of a small museum by day, weather and temperature, as a pyarrow table and
    a list.

    Examples
    --------
    >>> X, y = toy_rows()
    >>> X.column_names, len(y)
    (['day', 'weather', 'temperature'], 12)
    """
    import pyarrow as pa

    day, weather, temperature, visitors = zip(*_ROWS, strict=True)
    return pa.table({"day": day, "weather": weather, "temperature": temperature}), list(visitors)


def toy_estimator() -> Any:
    """Return a small estimator for :func:`toy_rows`, unfitted: vectors of 3 numbers, and one small layer."""
    from plectrum.tabular import EmbeddingRegressor

    return EmbeddingRegressor(
        embedding_dim=3,
        hidden=(8,),
        activation="gelu",
        normalization="none",
        validation_fraction=0.0,
        unknown_rate=0.0,
        random_state=0,
    )
