from plectrum.report._legible import escape, number, seconds


def test_escape_leaves_no_markup_and_no_quote():
    assert escape("<b a=\"1\" b='2'>&") == "&lt;b a=&quot;1&quot; b=&#x27;2&#x27;&gt;&amp;"


def test_numbers_keep_four_digits_and_their_sign():
    values = (0.0, -3.14159, 93.1, 123456.7, float("nan"), None)
    assert [number(v) for v in values] == ["0", "−3.142", "93.10", "123,457", "–", "–"]


def test_a_duration_without_a_value_is_a_dash():
    assert seconds(None) == seconds(float("nan")) == "–"
