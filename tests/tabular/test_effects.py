import numpy as np
import pandas as pd
import pytest

import plectrum
from plectrum.tabular._effects import level_effects


def frame_of(n=600):
    rng = np.random.default_rng(0)
    city = rng.choice(["Bonn", "Oslo", "Rome"], n, p=[0.5, 0.3, 0.2])
    day = rng.choice(["Mon", "Sun"], n)
    warmth = pd.Series(city).map({"Bonn": 10.0, "Oslo": 4.0, "Rome": 16.0}).to_numpy()
    return pd.DataFrame({"city": city, "day": day}), warmth + rng.normal(size=n) * 0.3


def effects_of(model, frame, name):
    ids, numbers, _ = model.columns_.encode(model._match(frame))
    names = [column.name for column in model.columns_.tables]
    found = level_effects(model, ids, numbers, names.index(name))
    return None if found is None else dict(zip(model.vectors_[name].keys, found, strict=True))


def test_effects_differ_as_predictions_do_and_average_to_nothing():
    frame, y = frame_of()
    model = plectrum.EmbeddingRegressor(hidden=(32,), random_state=0).fit(frame, y)
    effects = effects_of(model, frame, "city")
    assert effects["Rome"] - effects["Oslo"] == pytest.approx(12, abs=1.5)
    predicted = {city: model.predict(frame.assign(city=city)).mean() for city in effects}
    assert effects["Rome"] - effects["Bonn"] == pytest.approx(predicted["Rome"] - predicted["Bonn"], abs=0.2)
    counts = dict(zip(model.vectors_["city"].keys, model.vectors_["city"].counts, strict=True))
    assert sum(effects[c] * counts[c] for c in effects) / sum(counts.values()) == pytest.approx(0, abs=1e-6)
    assert max(map(abs, effects_of(model, frame, "day").values())) < 1


def test_effects_of_two_classes_are_in_probability_and_more_classes_have_none():
    frame, y = frame_of()
    model = plectrum.EmbeddingClassifier(hidden=(32,), random_state=0).fit(
        frame, np.where(y > 9, "warm", "cold")
    )
    effects = effects_of(model, frame, "city")
    assert effects["Rome"] - effects["Oslo"] == pytest.approx(1, abs=0.2)
    three = plectrum.EmbeddingClassifier(hidden=(8,), epochs=1, random_state=0)
    three.fit(frame, np.digitize(y, [7, 13]))
    assert effects_of(three, frame, "city") is None
