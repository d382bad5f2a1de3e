"""Fills the parser's tables once, so that workers forked afterwards start ready. Only the process that starts workers imports this."""

from __future__ import annotations

import logging

from gemma_eval.metrics import symbolic

logging.disable(logging.CRITICAL)  # the libraries' warnings would fall into the program's own output
symbolic.math_verify(r"so $\boxed{\left(\frac{x^2-1}{2}, \sqrt{3}\right)}$, that is $[0,1) \cup (2,\infty)$", r"\frac{3\pi}{4}")
symbolic.difference_is_zero(r"\frac{(x-1)(x+1)}{2}", r"\frac{x^2}{2}-\frac{1}{2}")
