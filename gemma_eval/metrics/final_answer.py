# ruff: noqa: RUF001  the full stops of many scripts are meant
r"""The final answer of a chat reply: the content of its last \boxed{...}, or what follows its last "the answer is"."""

from __future__ import annotations

import re
from itertools import pairwise

from gemma_eval.metrics import counting, math
from gemma_eval.metrics.statements import boxes, phrases, statements

LONGEST_END = 2000
"""Characters at the end of a reply, in which a number that nothing announces is looked for."""
LONGEST_CORRECTION = 100

_COMMAND = re.compile(r"\\(?:text|textbf|mathrm|mathbf|mbox)\s*\{([^{}]*)\}")
_SPACING = re.compile(r"\\[,!;:() \[\]]|[*`$]|\{(?=,\})|(?<=,)\}")  # LaTeX spaces and delimiters, Markdown emphasis, {,} in numbers
_FORMULA = re.compile(
    r"(?<!\\)\$\$((?:[^$\\]|\\[\s\S])+)\$\$|(?<!\\)\$((?:[^$\\\n]|\\.)+)\$|\\\(((?:[^\\]|\\[^()])+)\\\)|\\\[((?:[^\\]|\\[^][])+)\\\]"
)
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)|[。！？।]")
_ALONE = re.compile(rf"(?:[#=>\s]*|.*[=:：]\s*)({math.NUMBER})(?:\s*+[^\W\d_]++){{0,2}}")  # "#### 18", "Total: 18 eggs"
_ENDED = re.compile(r"(?:[.!。]|\$|\\\)|\\\])[\s*]*$")  # a line that is not broken off
_BOLD = re.compile(r"\*\*([^*\n]+)\*\*")
_OR = r"(?:or|oder|ou|o|или|atau|au|または|か|或|或者|还是|또는|या|বা|หรือ|أو)"
_EITHER = re.compile(r"(?:either|between)\b", re.IGNORECASE)
_HEDGE = re.compile(rf"\D{{0,3}}({math.NUMBER})\s*{_OR}\s*\D{{0,3}}({math.NUMBER})", re.IGNORECASE)
_NO_NUMBER = re.compile(r"\^|\d:\d|\d[xyzn]\b")  # a power, a ratio or time of day, a variable
_DENIED = re.compile(r"not\b(?![^.\n]{0,60}?\bbut\b)", re.IGNORECASE)
_BUT = re.compile(r"not\b[^.\n]{0,60}?\bbut\b", re.IGNORECASE)
_REASON = re.compile(r"\b(?:since|because|as|for|when|where|given|if|with)\b", re.IGNORECASE)
_CORRECTION = re.compile(
    r"\b(?:no|wait|actually|correction|sorry|oops|hmm|scratch that|i meant?|make that)\b"
    r"(?:[\s,.:;!*_—–]|\b(?:no|wait|actually|sorry|it|that|this|is|should|must|be|the|right|correct|answer)\b|['’]s\b)*+",
    re.IGNORECASE,
)
_FEW_WORDS = re.compile(r"(?:\s*+[^\W\d_]++){0,3}\s*[.!。]|\s*$")
_JOINED = re.compile(r"[\s,]*(?:and|or)?[\s,]*")


def plain(text: str) -> str:
    """The text on one line, without Markdown emphasis, LaTeX formatting and the full stop of its sentence."""
    return " ".join(_SPACING.sub("", _COMMAND.sub(r"\1", text.replace("\\$", ""))).split()).removesuffix(".")


def number(text: str) -> str | None:
    """The number that a reply gives; None if it gives none, or two.

    It is the last one that the reply states as its answer, unless a correction follows ("No wait, 18"). Failing that, it is the number
    that the last line, or the last sentence that has one, comes to.
    """
    stated = statements(text)
    if stated and (corrected := _corrected(text[stated[-1].at :])):
        return corrected
    for statement in reversed(stated):
        answer = plain(statement.text)
        if _hedged(answer) or _DENIED.match(answer):
            return None
        if found := number_of(answer):
            return found
    return None if any(math.numbers(statement.text) for statement in stated) else _concluded(text[-LONGEST_END:])


def words(text: str) -> str | None:
    """The answer that a reply gives in words: the last one that it states as its answer, else the whole reply if it is a single line."""
    stated = next((found for statement in reversed(statements(text)) if (found := plain(statement.text))), None)
    return stated or _only_line(text) or None


def formula(text: str) -> str | None:
    """The mathematical answer that a reply gives: the content of its last box.

    Without a box, it is what follows the last "the answer is": the last formula of that sentence, else the sentence. Without that, it is
    the last formula of the last line, or the number that is all of it. None if there is neither.
    """
    if boxed := boxes(text):
        found = boxed[-1].text
    elif stated := phrases(text):
        found = _corrected_formula(text[stated[-1].at :]) or _formula_in(stated[-1].text)
    else:
        line = text.strip().rpartition("\n")[2]
        number = line.strip("*# ")
        found = number if re.fullmatch(math.NUMBER, number) else _last_formula(line) if _ENDED.search(line) else ""
    return found.rstrip(". ") or None


def _corrected_formula(text: str) -> str:
    """The formula of the last correction in a text, such as "No wait, $7$."; "" if there is none."""
    corrected = [formula for word in _CORRECTION.finditer(text) if (formula := _FORMULA.match(text, word.end()))]
    return next(filter(None, corrected[-1].groups())).strip() if corrected else ""


def _formula_in(stated: str) -> str:
    """The formula of a statement: the last one before any reason ("since $n = 2$"), with those that it is listed with."""
    reason = _REASON.search(stated)
    before = stated[: reason.start()] if reason else stated
    return _last_formula(before) or _last_formula(stated) or _first_sentence(stated).strip("* ")


def _last_formula(text: str) -> str:
    """The last formula of the first sentence that has one, with those that "and" or a comma joins to it; "" if there is none."""
    found: list[re.Match[str]] = []
    for formula in _FORMULA.finditer(text):
        if found and _SENTENCE_END.search(text, found[-1].end(), formula.start()):
            break
        found.append(formula)
    start = len(found) - 1
    while start > 0 and _JOINED.fullmatch(text, found[start - 1].end(), found[start].start()):
        start -= 1
    return ", ".join(next(filter(None, match.groups())).strip(" ,") for match in found[max(start, 0) :])


def number_of(answer: str) -> str | None:
    """The number that an answer begins with, else the last number of its first sentence. Of an equation, the right side counts."""
    sentence = _first_sentence(answer)
    if correct := _BUT.match(sentence):  # "not 18, but 20"
        sentence = sentence[correct.end() :]
    first, equals, last = sentence.partition("=")[0].strip(), *sentence.rpartition("=")[1:]
    result = first if equals and re.fullmatch(math.NUMBER, first) and len(math.numbers(last)) > 1 else last.strip()  # 18 = 9 * 2
    if _NO_NUMBER.search(result):
        return None
    return math.number_at_start(result) or math.last_number(result) or _in_words(result)


def _hedged(answer: str) -> bool:
    """Whether an answer leaves two numbers to choose from."""
    found = _HEDGE.match(answer)
    return bool(_EITHER.match(answer)) or bool(found and math.to_number(found[1]) != math.to_number(found[2]))


def _in_words(sentence: str) -> str | None:
    """The count, in digits, that a sentence of few words begins with, such as "eighteen eggs"."""
    first, *others = sentence.split()[:5] or [""]
    return counting.whole(first) if len(others) < 3 and first.lower() != "none" else None


def _first_sentence(text: str) -> str:
    return _SENTENCE_END.split(text, maxsplit=1)[0].strip()


def _corrected(text: str) -> str | None:
    """The number of the last correction in a text, such as "No wait, 18."; None if there is none."""
    found = None
    for correction in _CORRECTION.finditer(_SPACING.sub("", text)):
        rest = correction.string[correction.end() : correction.end() + LONGEST_CORRECTION]
        if (number := math.number_at_start(rest)) and _FEW_WORDS.match(rest.partition(number)[2]):
            found = number
    return found


def _concluded(text: str) -> str | None:
    """The number that the end of a reply comes to.

    That is a last line with nothing else, the bold one of the last line, or the only one of the last sentence with any. The sentence
    must have its full stop: what is broken off concludes nothing.
    """
    line = text.strip().rpartition("\n")[2]
    if alone := _ALONE.fullmatch(plain(line)):
        return alone[1]
    bold = [found for span in _BOLD.findall(line) if (found := math.number_at_start(plain(span)))]
    if bold:
        return bold[-1]
    ends = [0, *(end.end() for end in _SENTENCE_END.finditer(text))]
    for start, end in reversed([*pairwise(ends)][-3:]):
        result = plain(text[start:end].strip().rpartition("\n")[2]).rpartition("=")[2]
        numbers = math.numbers(result)
        if numbers:
            return numbers[0] if len(numbers) == 1 else None
    return None


def _only_line(text: str) -> str:
    """A reply of a single line; nothing otherwise."""
    return "" if "\n" in text.strip() else plain(text)
