import numpy as np
import pandas as pd
import pytest

from plectrum import EmbeddingRegressor
from plectrum.errors import DataError
from plectrum.tabular._saved import load_model, save_model


def test_a_date_that_could_be_read_in_two_ways_is_read_as_it_was_learned(tmp_path):
    rng = np.random.default_rng(0)
    days = pd.Timestamp("2013-01-01") + pd.to_timedelta(rng.integers(0, 360, 300), "D")
    X = pd.DataFrame({"when": days.strftime("%d/%m/%Y"), "city": rng.choice(["a", "b"], 300)})
    model = EmbeddingRegressor(epochs=1, random_state=0).fit(X, days.day_of_year.to_numpy(float))
    save_model(model, tmp_path)
    doubtful = pd.DataFrame({"when": ["03/04/2013"], "city": ["a"]})
    certain = pd.DataFrame({"when": pd.to_datetime(["2013-04-03"]), "city": ["a"]})
    for fitted in (model, load_model(tmp_path)):
        assert fitted.predict(doubtful) == fitted.predict(certain)
        with pytest.raises(DataError, match=r"written like %d/%m/%Y; got '31\.12\.2013' in row 0"):
            fitted.predict(doubtful.assign(when="31.12.2013"))
