"""Equality by computer algebra. Slow, and not safe on arbitrary text: call these through `workers.run`."""

from __future__ import annotations


def difference_is_zero(answer: str, gold: str) -> bool:
    """Whether sympy simplifies the difference of two LaTeX expressions to zero (Lewkowycz et al., 2022, appendix D)."""
    from latex2sympy2_extended import NormalizationConfig, latex2sympy  # type: ignore[import-untyped]
    from sympy import simplify  # type: ignore[import-untyped]

    shorthand = NormalizationConfig(malformed_operators=True)  # reads \frac{1}2
    first, second = (latex2sympy(text, normalization_config=shorthand) for text in (answer, gold))
    return bool(simplify(first - second) == 0)


def math_verify(text: str, gold: str) -> bool:
    """Whether the library math-verify finds an answer in the text that equals the LaTeX expression `gold`."""
    from math_verify import parse, verify  # type: ignore[import-untyped]

    # no time limits of its own: they are alarms, and the worker has a better one
    expected = parse(f"\\boxed{{{gold}}}", parsing_timeout=None)
    found = parse(text, parsing_timeout=None)
    return bool(verify(expected, found, timeout_seconds=None))
