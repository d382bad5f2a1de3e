"""A reply as one reads it: without Markdown, the commands of LaTeX, and the forms that Unicode gives one character."""

from __future__ import annotations

import re
import unicodedata

_INVISIBLE = dict.fromkeys([0xAD, 0x200B, 0x200C, 0x200D, 0x200E, 0x200F, *range(0x202A, 0x202F), 0x2060, *range(0x2066, 0x206A), 0xFEFF])
_EMPHASIS = dict.fromkeys(map(ord, "*`$~"))
_DOTTED_I = {0x130: "I"}  # the only character whose lower case is two: `plain(text).lower()` has the length of `plain(text)`
_WIDE = re.compile("[\u2460-\u24ff\u3000\uff01-\uff5e\U0001d400-\U0001d7ff\U0001f110-\U0001f149]+")  # full-width, circled, of formulas
_UNDERSCORES = re.compile(r"(?<![^\W_])_+|_+(?![^\W_])")
_TAG = re.compile(r"</?(?:b|i|u|p|em|strong|span|div|code|br|li|ul|ol|h[1-6])\b[^<>\n]{0,80}>")
_COMMAND = re.compile(r"\\(?:text|textbf|textit|textrm|textsf|mathrm|mathbf|mathit|mathsf|rm|bf|emph|displaystyle)\s?\{([^{}]{0,400})\}")
_LATEX_SPACING = re.compile(r"\\[,!;:() \[\]]|\\(?:quad|qquad|left|right)(?![a-zA-Z])")
_LINE_START = re.compile(r"^ ?(?:(?:#{1,6}|>|-|[\u00b7\u2022\u2190-\u2bff\U0001f000-\U0001faff]\ufe0f?) )+", re.MULTILINE)
_SPACE = re.compile(r"[^\S\n]+")
_BLANK_LINES = re.compile(r" ?\n[ \n]*")


def plain(text: str) -> str:
    """The text with one space between words, one end between lines, and neither emphasis, tags, headings, bullets nor invisible marks.

    Full-width, circled and mathematical letters become the common ones, as "C" for a circled C.
    """
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    text = _WIDE.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)
    text = _UNDERSCORES.sub("", text.translate(_INVISIBLE | _EMPHASIS | _DOTTED_I))
    for _ in range(2):  # one command inside another
        text = _COMMAND.sub(r"\1", text)
    text = _SPACE.sub(" ", _LATEX_SPACING.sub(" ", _TAG.sub("", text)))
    return _LINE_START.sub("", _BLANK_LINES.sub("\n", text)).strip()
