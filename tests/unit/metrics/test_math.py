# ruff: noqa: RUF001  the marks of many scripts are meant
"""Numbers in every script, with every separator."""

from __future__ import annotations

import unicodedata
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemma_eval.metrics import final_answer, math

DIGITS = {
    "Latin": "0123456789",
    "full-width": "０１２３４５６７８９",
    "Arabic": "٠١٢٣٤٥٦٧٨٩",
    "Persian": "۰۱۲۳۴۵۶۷۸۹",
    "Devanagari": "०१२३४५६७८९",
    "Bengali": "০১২৩৪৫৬৭৮৯",
    "Telugu": "౦౧౨౩౪౫౬౭౮౯",
    "Tamil": "௦௧௨௩௪௫௬௭௮௯",
    "Thai": "๐๑๒๓๔๕๖๗๘๙",
    "Burmese": "၀၁၂၃၄၅၆၇၈၉",
}
SEPARATORS = {  # of thousands, and the decimal marks that go with them
    "": ".,",
    ",": ".",
    ".": ",",
    "'": ".,",
    "\u2019": ".",
    " ": ",.",
    "\u00a0": ",.",
    "\u2009": ",.",
    "\u202f": ",.",
    "\u066c": "\u066b",
    "\uff0c": ".\uff0e",
}
MINUS = "-−–－‑"


@given(st.data())
def test_a_number_is_the_same_in_every_script(data: st.DataObject) -> None:
    """A whole number of four digits or more, or one with one or two decimals, however it is written."""
    value = data.draw(st.integers(1000, 10**9))
    separator = data.draw(st.sampled_from(sorted(SEPARATORS)))
    written = f"{value:,}".replace(",", separator)
    exact = Fraction(value)
    if decimals := data.draw(st.sampled_from(["", "5", "25"])):
        written += data.draw(st.sampled_from(SEPARATORS[separator])) + decimals
        exact += Fraction(int(decimals), 10 ** len(decimals))
    sign = data.draw(st.sampled_from(["", *MINUS]))
    currency = data.draw(st.sampled_from(["", "$", "€", "₹"]))
    written = sign + currency + written.translate(str.maketrans(DIGITS["Latin"], data.draw(st.sampled_from(sorted(DIGITS.values())))))
    local = separator == "." and value < 10**6  # 1.234 is English for another number
    expected = -exact if sign else exact
    assert math.to_number(written, local=local or data.draw(st.booleans())) == expected, written
    for told in (f"The answer is {written}.", f"{written}", f"So:\n\n**{written}**", f"答案是{written}。"):
        found = final_answer.number(told)
        assert found is not None and math.to_number(found, local=local) == expected, told


@given(st.integers(0, 99), st.integers(1, 98), st.integers(2, 99), st.sampled_from([r"\frac{%d}{%d}", "%d/%d", "%d⁄%d", r"\dfrac{%d}{%d}"]))
def test_fractions(whole: int, above: int, below: int, form: str) -> None:
    ratio = form % (above, below)
    assert math.to_number(ratio) == Fraction(above, below)
    assert math.to_number(f"{whole} {ratio}") == whole + Fraction(above, below)
    assert math.to_number(final_answer.number(f"The answer is {ratio}.") or "") == Fraction(above, below)


@pytest.mark.parametrize("vulgar", math._VULGAR)
def test_vulgar_fractions(vulgar: str) -> None:
    value = Fraction(unicodedata.numeric(vulgar)).limit_denominator(10)
    assert (math.to_number(vulgar), math.to_number(f"2{vulgar}"), math.to_number(f"-2 {vulgar}")) == (value, 2 + value, -2 - value)


@pytest.mark.parametrize(
    ("text", "english", "local"),
    [
        ("1.234", "1.234", "1234"),
        ("1,234", "1234", "1234"),
        ("0.125", "0.125", "0.125"),
        ("0,125", "0.125", "0.125"),
        ("12,34", "12.34", "12.34"),
        ("1.234.567", "1234567", "1234567"),
        ("1,00,000", "100000", "100000"),
        ("12,34,567.5", "1234567.5", "1234567.5"),
        ("1.5 million", "1500000", "1500000"),
        ("3万", "30000", "30000"),
        ("18%", "18", "18"),
        ("18.", "18", "18"),
        ("1,2,3", None, None),
        ("1,000,00", None, None),
        ("1.2.3", None, None),
        ("1/0", None, None),
        ("1/2/3", None, None),
        ("NaN", None, None),
        ("1e400", None, None),
        ("1_000", None, None),
        ("eighteen", None, None),
        ("", None, None),
        ("-", None, None),
        ("9" * 5000, None, None),
    ],
)
def test_readings(text: str, english: str | None, local: str | None) -> None:
    assert math.to_number(text) == (None if english is None else Fraction(english))
    assert math.to_number(text, local=True) == (None if local is None else Fraction(local))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("10-4", ["10", "4"]),
        ("3–5 days", ["3", "5"]),
        ("5 − 3", ["5", "3"]),
        ("x = −5", ["−5"]),
        ("(-5)", ["-5"]),
        ("72 clips, altogether", ["72"]),
        ("18,20 and", ["18,20"]),
        ("1/2 cup", ["1/2"]),
        ("In 2020 300 people", ["2020", "300"]),
        ("5 100 000 people", ["5 100 000"]),
        ("costs -$5 or $-5", ["-$5", "$-5"]),
        ("18 millimeters", ["18"]),
    ],
)
def test_numbers_of_a_text(text: str, found: list[str]) -> None:
    assert math.numbers(text) == found
