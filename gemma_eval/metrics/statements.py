# ruff: noqa: RUF001  the words of many scripts are meant
r"""Where a reply states its answer: its boxes, and what follows "the answer is" in the languages of the card's benchmarks.

Every reader of replies stands on this. The time it takes is linear in the length of the reply.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from functools import cache, lru_cache

# Each language's words for "answer", and the words that join them to the answer. A colon, "=" and an arrow always do.
_VERBS = {
    "answer": "is|are|equals|was|(?:would|should|must) be|comes to|becomes",
    "antwort": "ist|lautet|wäre",
    "respuesta": "es|sería",
    "réponse": "est",
    "risposta": "è",
    "resposta": "é",
    "antwoord": "is",
    "odpowiedź": "to|jest",
    "cevap": "",
    "jawaban": "adalah|ialah",
    "jawabannya": "adalah|ialah",
    "đáp án": "là",
    "câu trả lời": "là",
    "jibu": "ni",
    "ìdáhùn": "ni|ńi",
    "idahun": "ni",
    "ответ": "равен|это|—|–",
    "الإجابة": "هي|هو",
    "الجواب": "هو|هي",
    "उत्तर": "है",
    "जवाब": "है",
    "উত্তর": "হল|হলো|হবে",
    "సమాధానం": "",
    "정답": "은|는",
    "답": "은|는",
    "答案": "是|为|為",
    "答え": "は",
    "正解": "は",
    "答": "",
    "คำตอบ": "คือ",
}
_UNSPACED = {"정답", "답", "答案", "答え", "正解", "答", "คำตอบ"}  # no space need stand around these
_BARE = {"cevap", "ответ", "उत्तर", "जवाब", "উত্তর", "సమాధానం", "정답", "답", "คำตอบ"}  # the answer may follow without a verb

MOST = 1000  # statements of a reply

_COLON = r"[\"'*_\s]{0,4}(?:[:：=→]|->)"
_GAP = r"[^.:：。<>\n]{0,40}?"
_DIRECT = r"(?=[\s*_]{1,3}[(\[]?[\d+−-])"  # "उत्तर 18", "Ответ **18**"
_LEAD = re.compile(r"[\s:：=*_\"'“「]*+")
_DISPLAYS = {"$$": "$$", "\\[": "\\]"}
_BOX = re.compile(r"\\(?:boxed|fbox)(?![a-zA-Z])\s*")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_UNBRACED = re.compile(r"[^$\n]{0,200}")


@dataclass(frozen=True)
class Statement:
    """A place where a reply states its answer: its position, the text there, and whether that is the content of a box."""

    at: int
    text: str
    boxed: bool = False


def statements(text: str) -> list[Statement]:
    """All statements of a reply, in order."""
    return sorted([*boxes(text), *phrases(text)], key=lambda statement: statement.at)


def boxes(text: str) -> list[Statement]:
    r"""The boxes of a text, \boxed{...}, \fbox{...} and \boxed 5, in order. Empty and unclosed ones do not count.

    Of boxes within boxes, the innermost counts.
    """
    starts = _latest(_BOX, text)
    closing = _closing_braces(text) if starts else {}
    found: list[Statement] = []
    for box in reversed(starts):
        start = box.end()
        braced = text[start : start + 1] == "{"
        end = closing.get(start) if braced else _end_unbraced(text, start)
        inside = found and end is not None and found[-1].at < end
        if end is not None and not inside and (content := text[start + braced : end].strip()):
            found.append(Statement(box.start(), content, boxed=True))
    return found[::-1]


def _end_unbraced(text: str, start: int) -> int:
    found = _UNBRACED.match(text, start)
    return found.end() if found else start


def _closing_braces(text: str) -> dict[int, int]:
    """The position of each opening brace that is closed, and that of its closing brace."""
    pairs, opened = {}, []
    for brace in _BRACE.finditer(text):
        if brace[0] == "{":
            opened.append(brace.start())
        elif brace[0] == "}" and opened:
            pairs[opened.pop()] = brace.start()
    return pairs


def phrases(text: str) -> list[Statement]:
    """What follows each "the answer is", in any language: the rest of its line, or of its displayed formula, in order.

    A phrase that another one follows on its line ends there. Those that nothing follows are left out.
    """
    lowered = text.lower()
    nouns = tuple(noun for noun in _VERBS if noun in lowered)
    heads = _latest(_heads(nouns), text) if nouns else []
    bounds = [*(head.start() for head in heads), len(text)][1:]  # a phrase does not reach over the next word for "answer"
    joins = [_join(head[0].lower()).match(text, head.end(), bound) for head, bound in zip(heads, bounds, strict=True)]
    found = [(head, join.end()) for head, join in zip(heads, joins, strict=True) if join]
    ends = [*(head.start() for head, _ in found), len(text)][1:]
    told = [Statement(head.start(), _told(text, start, end)) for (head, start), end in zip(found, ends, strict=True)]
    return [statement for statement in told if statement.text]


def _latest(pattern: re.Pattern[str], text: str) -> list[re.Match[str]]:
    """The last matches of a pattern. A model that repeats itself has no more answers than these."""
    return list(deque(pattern.finditer(text), MOST))


@lru_cache
def _heads(nouns: tuple[str, ...]) -> re.Pattern[str]:
    """A pattern of these words for "answer" alone: a reply is seldom in several languages, and each word costs time."""
    spaced = [noun for noun in nouns if noun not in _UNSPACED]
    unspaced = [noun for noun in nouns if noun in _UNSPACED]
    return re.compile("|".join([*([rf"(?<![^\W_])(?<!/)(?:{'|'.join(spaced)})(?!\w)"] if spaced else []), *unspaced]), re.IGNORECASE)


@cache
def _join(noun: str) -> re.Pattern[str]:
    """A pattern of what joins a word for "answer" to the answer."""
    verbs, gap = _VERBS.get(noun, ""), "" if noun == "答" else _GAP  # 答 is part of many words
    boundaries = (r"(?<!\w)", r"(?!\w)") if noun not in _UNSPACED else ("", "")
    joins = [_COLON, *([rf"{boundaries[0]}(?:{verbs}){boundaries[1]}"] if verbs else [])]
    return re.compile("|".join([r"(?<=<answer)>", *([_DIRECT] if noun in _BARE else []), f"{gap}(?:{'|'.join(joins)})"]), re.IGNORECASE)


def _told(text: str, start: int, end: int) -> str:
    lead = _LEAD.match(text, start, end)
    start, quoted = (lead.end(), '"' in lead[0]) if lead else (start, False)
    if closing := _DISPLAYS.get(text[start : start + 2]):
        closed = text.find(closing, start + 2, end)
        if closed >= 0:
            return " ".join(text[start : closed + 2].split())
    line = text.find("\n", start, end)
    stated = text[start : end if line < 0 else line].partition("</")[0].strip()
    return stated.partition('"')[0] if quoted else stated
