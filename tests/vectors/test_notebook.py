import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from plectrum import EmbeddingEncoder, EmbeddingRegressor, GloVe, TextClassifier, Vectors, Word2Vec, load
from report.test_page import HOSTILE

TEXT = [["sun", "warm", "day"], ["moon", "cold", "night"]] * 20


class Elements(HTMLParser):
    """Which elements and attributes a piece of HTML has; complains when they are not closed."""

    def __init__(self, text):
        super().__init__()
        self.found, self.attributes, self.open = [], set(), []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.found.append(tag)
        self.attributes |= {name for name, _ in attributes}
        self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def some():
    rng = np.random.default_rng(0)
    return Vectors([f"key {i}" for i in range(50)], rng.normal(size=(50, 6)), range(50, 0, -1))


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    town = rng.choice(["Paris", "Berlin", "<b>Rome", "Oslo"], 200)
    return pd.DataFrame({"town": town, "size": rng.normal(size=200)}), rng.normal(size=200)


def learned(shown: str) -> str:
    """Return what plectrum adds to scikit-learn's display."""
    return shown[shown.index('<div class="plectrum"') :] if '<div class="plectrum"' in shown else ""


def test_vectors_show_a_map_the_keys_seen_most_and_their_neighbours(some):
    shown = some._repr_html_()
    elements = Elements(shown)
    assert elements.found.count("circle") == 50
    assert "50 keys × 6 numbers" in shown
    first = re.search(r"<b>key 0</b>.*?</tr>", shown)[0]
    assert ">50<" in first
    names = re.findall(r"<bdi>(key \d+)</bdi>", first)
    assert names == [key for key, _ in some.nearest("key 0", k=4)]


def test_hostile_keys_leave_no_markup_and_a_display_of_bounded_size():
    rng = np.random.default_rng(0)
    shown = Vectors(HOSTILE, rng.normal(size=(len(HOSTILE), 4)), counts=range(15, 0, -1))._repr_html_()
    elements = Elements(shown)
    assert set(elements.found) <= {
        *("div", "span", "b", "bdi", "svg", "g", "rect", "circle", "title", "text"),
        *("table", "thead", "tbody", "tr", "th", "td"),
    }
    assert not any(name.startswith("on") or name in {"src", "href"} for name in elements.attributes)
    assert "\x00" not in shown
    assert "\u202e" not in shown
    assert len(shown) < 30_000
    shown.encode("utf-8")


@pytest.mark.parametrize(("n", "dim"), [(0, 3), (1, 1), (2, 1), (3, 2)])
def test_few_vectors_have_a_display(n, dim):
    Elements(Vectors([f"k{i}" for i in range(n)], np.ones((n, dim)))._repr_html_())


def test_vectors_that_are_not_finite_small_or_not_text_have_a_display(some):
    bad = np.array([[np.nan, 1.0], [2.0, 3.0], [4.0, 5.5]])
    assert Elements(Vectors([1, 2.5, True], bad)._repr_html_()).found.count("circle") == 2
    assert "int8" in some.quantize("int8", k=3)._repr_html_()


def test_a_large_table_has_a_small_display(tmp_path):
    Vectors([f"w{i}" for i in range(3000)], np.eye(3000, 4) + 1).save(tmp_path / "w.safetensors")
    shown = load(tmp_path / "w.safetensors")._repr_html_()
    assert shown.count("<circle") == 800
    assert "800 of the keys" in shown
    assert len(shown) < 100_000


def test_no_two_labels_of_the_map_overlap(some):
    places = re.findall(r'<text x="(\d+)" y="(\d+)">([^<]+)', some._repr_html_())
    boxes = [(int(x) - 3 * len(t), int(x) + 3 * len(t), int(y)) for x, y, t in places]
    assert len(boxes) > 5
    for i, a in enumerate(boxes):
        assert not any(a[0] < b[1] and b[0] < a[1] and abs(a[2] - b[2]) < 11 for b in boxes[:i])


@pytest.mark.filterwarnings("ignore::plectrum.errors.SmallDataWarning")
@pytest.mark.parametrize("kind", [EmbeddingRegressor, EmbeddingEncoder])
def test_a_fitted_estimator_of_columns_shows_scikit_learns_display_and_its_maps(kind, rows):
    estimator = kind(epochs=1, random_state=0)
    before = estimator._repr_html_()
    assert not learned(before)
    estimator.fit(*rows)
    shown = estimator._repr_html_()
    assert "sk-top-container" in shown
    added = learned(shown)
    assert added.count("<svg") == 1
    assert "town" in added
    assert "&lt;b&gt;Rome" in added
    assert "<b>Rome" not in shown
    bundle = estimator._repr_mimebundle_()
    assert learned(bundle["text/html"]) == added
    assert bundle["text/plain"] == repr(estimator)


@pytest.mark.filterwarnings("ignore::plectrum.errors.SmallDataWarning")
def test_the_display_of_a_pipeline_and_the_plain_one_are_scikit_learns(rows):
    estimator = EmbeddingRegressor(epochs=1, random_state=0).fit(*rows)
    assert "EmbeddingRegressor" in make_pipeline(StandardScaler(), estimator)._repr_html_()
    with config_context(display="text"):
        assert not hasattr(estimator, "_repr_html_")
        assert "text/html" not in estimator._repr_mimebundle_()


@pytest.mark.parametrize("kind", [Word2Vec, GloVe])
def test_a_fitted_estimator_of_words_shows_its_vectors(kind):
    estimator = kind(embedding_dim=4, min_count=1, epochs=1, n_jobs=1, random_state=0)
    assert not learned(estimator._repr_html_())
    assert "6 keys × 4 numbers" in learned(estimator.fit(TEXT)._repr_html_())


def test_a_classifier_of_texts_shows_the_vectors_of_its_words():
    estimator = TextClassifier(embedding_dim=4, epochs=1, random_state=0)
    assert not learned(estimator._repr_html_())
    estimator.fit([" ".join(words) for words in TEXT], ["day", "night"] * 20)
    assert "× 4 numbers" in learned(estimator._repr_html_())
