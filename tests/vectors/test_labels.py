import pytest

from plectrum.vectors import key_labels, legible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("a\x00b", "a␀b"),
        ("two\nlines\tand", "two⏎lines⇥and"),
        ("", "“”"),
        (" x", "“ x”"),
        ("\u202egnirts", "⟨U+202E⟩gnirts"),
        ("\ud800", "\ufffd"),
        ("👩‍👩‍👧 семья עברית", "👩‍👩‍👧 семья עברית"),
        ("\u2028", "⟨U+2028⟩"),
        ("zero\u200bwidth", "zero⟨U+200B⟩width"),
    ],
)
def test_text_is_shown_as_what_stands_in_it(text, shown):
    assert legible(text) == shown


def test_long_text_is_cut_and_says_how_long_it_was():
    shown = legible("x" * 10_000)
    assert len(shown) < 120
    assert "10,000 characters" in shown


def test_labels_of_different_keys_differ():
    keys = ["1", 1, 1.5, True, "True", "x" * 500, "a" * 200 + "b" + "a" * 300, "a" * 200 + "c" + "a" * 300]
    labels = key_labels(keys)
    assert len(set(labels)) == len(keys)
    assert labels[0] == "1"
    assert labels[1] == "1 (int)"
