"""Small frames with a known answer, shared by the tests of the estimators."""

import numpy as np
import pandas as pd

SHOPS = [f"shop {i}" for i in range(12)]
EFFECT = np.linspace(-2, 2, 12)


def make_shop_frame(n: int = 240, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows whose target depends on the shop, the weekday and the price."""
    rng = np.random.default_rng(seed)
    shop = rng.integers(12, size=n)
    day = pd.DatetimeIndex(
        np.datetime64("2024-01-01", "us") + rng.integers(200, size=n) * np.timedelta64(1, "D")
    )
    price = rng.lognormal(size=n)
    frame = pd.DataFrame(
        {
            "shop": np.array(SHOPS, dtype=object)[shop],
            "day": day,
            "price": price,
            "open": rng.random(n) < 0.5,
        }
    )
    y = EFFECT[shop] + 0.5 * (day.day_of_week >= 5) + 0.3 * np.log(price) + 0.1 * rng.normal(size=n)
    return frame, np.asarray(y)


def small(cls, **parameters):
    """An estimator of the class that trains in a moment."""
    common = {"epochs": 3, "random_state": 0}
    if cls.__name__ != "EmbeddingEncoder":
        common |= {"hidden": (16,), "batch_size": 32}
    return cls(**(common | parameters))
