"""The option letter that a reply gives, as a careful reader finds it.

The last answer that is stated counts: "The answer is (B)", "Antwort: B", a box, a field of JSON, "No wait, B". Without one, it is the
option that the reply calls right or says it chooses; else a letter that is the whole reply, begins it, or is its last line. Two different
letters are no answer. Neither are words of one letter, as in "A car" and "I think".

Prompts show Latin letters, so letters of other alphabets do not count. A lone Greek or Cyrillic capital counts as what it looks like.
The time taken is linear in the length of the reply.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gemma_eval.metrics import option_words as words
from gemma_eval.metrics.plain_text import plain
from gemma_eval.metrics.statements import statements

_LOOK_ALIKES = dict(zip("\u0410\u0412\u0421\u0415\u041d\u0406\u0408\u0391\u0392\u0395\u0397\u0399", "ABCEHIJABEHI", strict=True))
_LOOK_ALIKE = re.compile(rf"[{''.join(_LOOK_ALIKES)}](?<!\w.)(?!\w| \w)")
_CHOICES = re.compile(r"([Aa])nswer (?=choices|options)")

# One option: its letter, what may stand before it, and what makes it part of something else.
_MARKS = "[ \\n\"'\u2018\u2019\u201c\u201d\u00ab\u00bb\u201e:<>|=\u2014\u2013-]"
_OPTION = re.compile(
    rf"(?:{_MARKS}|{words.OPTION}\.?|\b[aeo] ){{0,20}}(?P<open>[(\[{{\u3010\u300c\u3008\u300a]{{0,2}}) ?"
    r"(?P<letter>[A-Za-z])(?![A-Za-z0-9_\u00c0-\u024f])(?: ?(?P<close>[)\]}\u3011\u300d\u3009\u300b]{1,2}))?"
)
_PART_OF_MORE = re.compile(r"['\u2019][^\W_]|[\u00b0^+#\u2032\\]|[-&]\w| ?=(?!>)|\.\w\.|\. [A-Z]\. ")  # "I'm", "C++", "A = 5", "E.g."
_LOWER_WORD = re.compile(rf" (?!{words.REASON})[a-z\u00df-\u024f\u03b1-\u03c9\u0430-\u044f]")
_STOP = re.compile(r"[\"'\u201d\u2019](?!\w)|[.,:;!?\u3002\u0964](?!\w)|$|\n| ?[\u2014\u2013-] ")
_SET_OFF = re.compile(rf"[.:](?!\w)| ?[\u2014\u2013-] |,|\u9879| \(| {words.REASON}")

# Several options.
_LINK = re.compile(
    rf",? ?(?:(?P<either>{words.OR})|{words.AND}| (?=[A-Z](?!\w))|(?=\([A-Z]))(?: ?{words.AND})? ?(?:[a-z']{{1,12}} ){{0,3}}?"
)
_CLAUSE = re.compile(r" (?!(?:are|both|is also|could|may|might)\b)\w")
_MOST_LINKS = 20

# What states an option, besides "the answer is".
_IS = re.compile(rf"{words.IS}|[:=>|\u2014\u2013\u2192]")
_TO_LINK = re.compile(rf"[^\n.:!?\u3002]{{0,40}}?(?:{_IS.pattern})")
_FIELD_END = re.compile(r"[\"']? ?[:>]")
_SENTENCE = re.compile(r"[^.!?\n\u3002]{0,80}")
_PAUSE = re.compile(r"[,:;.!\u2026\u3002\u2014\u2013-]|(?: ?[\u2014\u2013]) ")
_THEN = re.compile(r"[,:;.!\u2026\u2014\u2013 -]{0,4}(?:(?i:it'?s|it is|it should be|that's|i mean)(?= ))?")
_END = re.compile(
    r"[\"'\u201d\u2019]?[.!?;\u3002\u0964]?(?:$|\n|[\"'},<\u0964]| (?=[A-Z])| ?(?:\u0939\u0948|입니다|이다|です|だ|である))"
    rf"| (?:instead|{words.REASON})"
)
_CALLED_RIGHT = re.compile(
    rf"([A-Z])(?<![A-Za-z0-9_'].)(?<!nly .)\)?(?: ?{words.IS} ?(?:{words.OPTION} ?){{0,3}}{words.RIGHT}"
    rf"|[.:)]? ?(?:\u9009\u9879)?(?:{words.RIGHT}|[Tt]rue)(?=[.,!:;\u3002\n]|$))"
)
_DENIED = ("not ", "n't ")
_SO = re.compile(rf"(?:{words.SO}[,:]? ?)?")
_NOTHING = re.compile(r"[\W_]{0,20}(?:$|\n)")
_INLINE = re.compile(r"(?:^|\s)\(?([A-Z])[).:](?=\s)")
_LISTED = re.compile(r"^(?:[Oo]ption )?\(?([A-Za-z])(?:\)|[.:](?!\w))", re.MULTILINE)


def letter(text: str, last: str = "J") -> str | None:
    """The letter, A to `last`, of the option that a reply gives; None if it gives none, or several."""
    text = _LOOK_ALIKE.sub(lambda match: _LOOK_ALIKES[match[0]], plain(text))
    text = _CHOICES.sub("", text)
    for find in (_stated, _preferred, _alone):
        if found := find(text, last):
            return _only(found)
    return None


def letter_at_start(answer: str, last: str = "Z") -> str | None:
    """The letter, A to `last`, that an answer begins with; None if it begins with none, or with several, as "(A) or (B)" does."""
    return _only(_letters(plain(answer), 0, last)[0])


def _only(letters: str) -> str | None:
    return letters if len(letters) == 1 else None


def _letters(text: str, at: int, last: str) -> tuple[str, int]:
    """The different letters of the options that stand at a place of a plain text, and where they end: "AB" for "(A) or (B)"."""
    option = _option(text, at, last)
    letters: set[str] = set()
    end = at
    for _ in range(_MOST_LINKS):
        if not option:
            break
        letters.add(option["letter"].upper())
        end, closed = option.end(), option["close"]
        link = _LINK.match(text, end)
        option = _option(text, link.end(), last) if link else None
        if link and option and not link["either"] and _CLAUSE.match(text, option.end()):
            break  # "B, A is wrong"
        if link and option and closed and link[0] == " " and not option["open"]:
            break  # "(B) C is a vitamin"
    return "".join(sorted(letters)), end


def _option(text: str, at: int, last: str) -> re.Match[str] | None:
    """The option at a place of a plain text. Its letter is no word, nor part of a word or formula."""
    found = _OPTION.match(text, at)
    if not found or found["letter"].upper() > last:
        return None
    name, after = found["letter"], found.end()
    if found["close"]:
        return found
    if _PART_OF_MORE.match(text, after):
        return None
    if name.islower():
        stop = _STOP.match(text, after)
        return found if stop and (name not in "ai" or stop[0].strip() or not found.start("letter")) else None
    return None if name in "AEI" and _LOWER_WORD.match(text, after) else found


def _stated(text: str, last: str) -> str:
    """The letters of the last answer that is stated."""
    found = [(at, letters) for at, letters in _statements(text, last) if letters]
    return max(found, key=lambda place: place[0])[1] if found else ""


def _statements(text: str, last: str) -> Iterator[tuple[int, str]]:
    """The places where a reply states its answer, and the letters there."""
    for statement in statements(text):
        yield statement.at, _first_letters(statement.text, last)
    for name in words.RIGHT_OPTION.find(text):
        if link := _TO_LINK.match(text, name.end()):
            yield name.start(), _letters(text, link.end(), last)[0]
    for field in words.FIELD.find(text):
        if (colon := _FIELD_END.match(text, field.end())) and text[field.start() - 1 : field.start()] in ("", "\n", '"', "'", "<"):
            yield field.start(), _letters(text, colon.end(), last)[0]
    for name in words.ANSWER_AND_OPTION.find(text):
        yield name.start(), _ending(text, name.end(), last)
    for taken_back in (*words.INSTEAD.find(text), *(no for no in words.NO.find(text) if _PAUSE.match(text, no.end()))):
        then = _THEN.match(text, taken_back.end())
        yield taken_back.start(), _ending(text, then.end() if then else taken_back.end(), last)


def _first_letters(statement: str, last: str) -> str:
    """The letters that a statement begins with, or that follow an "is" of its first sentence: "that I find is B"."""
    sentence = _SENTENCE.match(statement)
    links = _IS.finditer(statement, 0, sentence.end() if sentence else 0)
    return next((found for at in (0, *(link.end() for link in links)) if (found := _letters(statement, at, last)[0])), "")


def _ending(text: str, at: int, last: str) -> str:
    """The letters at a place of a text where a clause ends behind them."""
    letters, end = _letters(text, at, last)
    return letters if _END.match(text, end) else ""


def _preferred(text: str, last: str) -> str:
    """The letters of all options that a reply calls right or says it chooses."""
    found = {match[1] for match in _CALLED_RIGHT.finditer(text)} if words.RIGHT.find(text) or "rue" in text else set()
    for chosen in words.CHOOSE.find(text):
        if text[max(0, chosen.start() - 4) : chosen.start()] not in _DENIED:
            found |= {*_letters(text, chosen.end(), last)[0]}
    for it_is in words.IT_IS.find(text):
        found |= {*_ending(text, it_is.end(), last)}
    return "".join(sorted(name for name in found if name <= last))


def _alone(text: str, last: str) -> str:
    """The letters that are the whole reply, begin it, or are its last line. A list of options gives none."""
    head, newline, tail = text.partition("\n")
    before, _, final = tail.rpartition("\n")
    first, _ = _line(head, last)
    ending, whole = _line(final, last) if newline else ("", False)
    listed = {*first, *ending, *(name.upper() for name in _LISTED.findall(text))}
    if (first and newline and len(listed) > 1) or _INLINE.findall(head)[:2] == ["A", "B"]:
        return ""
    if first or whole:
        return first or ending
    return ending if len(listed) == 1 and not (before or head).endswith(":") else ""


def _line(line: str, last: str) -> tuple[str, bool]:
    """The letters that a line begins with, if they are set off from what follows; and whether nothing follows."""
    opening = _SO.match(line)
    letters, end = _letters(line, opening.end() if opening else 0, last)
    whole = bool(letters and _NOTHING.match(line, end))
    set_off = whole or len(letters) > 1 or line[end - 1 : end] in (")", "]") or _SET_OFF.match(line, end)
    return (letters, whole) if letters and set_off else ("", False)
