# ruff: noqa: E501 - tables of data
"""Answers that scoring of short texts trips over, paired with golds."""

from __future__ import annotations

import random
from itertools import pairwise

BASE = [
    "", " ", "a", "an apple", "The Apple", "apple", "APPLE", "apple.", "apples", "red", "Red.", "dark red", "red, white", "red,white", "red and white",
    "yes", "Yes", "yes.", "no", "No!", "none", "zero", "0", "0.0", "00", "one", "two", "2", "2.0", "ten", "10", "eleven", "11", "twenty", "20",
    "1,000", "1000", "1,000.5", "1000.50", "1.000", "12,34", "1,234,567", "-5", "+5", "- 5", "5", "4.8", "5.25", "5.26", "4.74", "4.75", "50%", "0.5",
    "50 %", "50", ".5", "5.", "$5", "$ 5", "$5.00", "5 dollars", "€1,250", "1250", "£3", "3 m", "3.2 mm", "3.2mm", "7:45", "07:45", "6:30 p.m.", "6:30 pm",
    "it's", "its", "it s", "dont", "don't", "don\u2019t", "cant", "man's hat", "mans hat", "man s hat", "couldntve", "couldn'tve", "oclock", "5 o'clock", "let's", "lets",
    "she's", "shes", "Im", "ive", "somebody'd", "somebodyd", "twas", "y'all", "yall", "U.S.A.", "USA", "u.s.a", "Dr. Vale", "Dr Vale", "vale, dr.", "st. john's",
    "blue/green", "blue / green", "blue green", "t-shirt", "t shirt", "tshirt", "(left)", "left", "[x]", "{x}", "x=3", "a+b", "c++", "c#", "a_b", "50@home",
    "caf\u00e9", "cafe\u0301", "cafe", "CAF\u00c9", "na\u00efve", "\u6771\u4eac", "\u6771\u4eac\u90fd", "M\u00fcnchen", "Munchen", "\u0661\u0662", "\uff11\uff12", "\U0001f408", "\u201cquoted\u201d", '"quoted"', "quoted",
    "tab\tbed", "tab bed", "new\nline", "new line", "  padded  ", "padded", "double  space", "double space", "a the an", "the the", "who", "inf", "nan", "1e3", "1_000",
    "true", "n/a", "information not provided", "a" * 300, "ab " * 200, "word. " * 60, "1." * 50, "...", "?!", "'", "''", "-", "--", "%", "$", ",", ";",
]  # fmt: skip


def pairs(count: int, seed: int) -> list[tuple[str, str]]:
    """Answers and golds: each text against itself and its neighbours, and random pairs."""
    chance = random.Random(seed)
    near = list(pairwise(BASE))
    found = [(text, text) for text in BASE] + near + [(other, one) for one, other in near]
    while len(found) < count:
        found.append((chance.choice(BASE), chance.choice(BASE)))
    return found
