"""IFEval's 25 verifiable instructions (Zhou et al., 2023, arXiv 2311.07911): each check is a function of a response and arguments.

The checks follow the authors' code in every detail, with one exception. That code counts sentences with a trained model of NLTK. Here,
`sentences` is a small rule.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Arguments: TypeAlias = Mapping[str, Any]
Check: TypeAlias = Callable[[str, Arguments], bool]

CHECKS: dict[str, Check] = {}

_ABBREVIATIONS = {"mr", "mrs", "ms", "dr", "prof", "st", "vs", "e.g", "i.e", "etc", "jr", "sr", "no", "inc", "ltd", "co", "u.s"}
_SENTENCE_END = re.compile(r"(?<!\S)(\S*[.!?])[\"')\]\u201d\u2019*]*+(?=\s|$)")
_WORD_END = re.compile(r"[\s;@#$%&?!*()\[\]{}<>\"\u00ab\u00bb\u2018\u2019\u201c\u201d\u201e`]|--|''|\.{2,}|[:,](?!\d)")
_CONTRACTED = re.compile(  # "DO" and "N'T", "CAN" and "NOT"
    r"(?:(?<=[^'])(?:N'T|'(?:LL|RE|VE|[SMD])))$"
    r"|(?<=^CAN)NOT$|(?<=^GIM)ME$|(?<=^LEM)ME$|(?<=^GON)NA$|(?<=^WAN)NA$|(?<=^GOT)TA$|(?<=^D)'YE$|(?<=^MORE)'N$"
)


def follows(instruction: str, response: str, arguments: Arguments) -> bool:
    """Whether a response follows one instruction, as written ("strict"). An empty response follows none."""
    return bool(response.strip()) and CHECKS[instruction](response, arguments)


def follows_loosely(instruction: str, response: str, arguments: Arguments) -> bool:
    """Whether a response follows one instruction as it is, without its first line, its last line or both, or without asterisks."""
    lines = response.split("\n")
    cuts = [response, *("\n".join(cut).strip() for cut in (lines[1:], lines[:-1], lines[1:-1]))]
    return any(follows(instruction, text, arguments) for cut in cuts for text in (cut, cut.replace("*", "")))


def share(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """The share of instructions that were followed, 0 to 1. counts: [..., (followed, all)]."""
    followed, every = counts[..., 0], counts[..., 1]
    return np.asarray(followed / every, dtype=np.float64)


def sentences(text: str) -> int:
    """Number of sentences. A sentence ends at ".", "!" or "?" before a space, but not after an abbreviation or an initial."""
    ends = last = 0
    length = len(text.rstrip())
    for match in _SENTENCE_END.finditer(text):
        word = match[1].rstrip(".").lower().lstrip("\"'([\u201c\u2018*")
        if match[1].endswith(".") and (word in _ABBREVIATIONS or re.fullmatch("[a-z]", word)) and match.end() < length:
            continue
        ends, last = ends + 1, match.end()
    return ends + bool(text[last:].strip())


def capital_words(text: str) -> int:
    """Number of words in capitals, as NLTK's `NLTKWordTokenizer` parts words: "DON'T" and "AT&T" are two, "WELL-KNOWN" is one."""
    capitals = [word for word in _WORD_END.split(text) if word.isupper()]
    return len(capitals) + sum(bool(_CONTRACTED.search(word.rstrip("."))) for word in capitals)


def language(text: str) -> str | None:
    """ISO 639-1 code of a text's language; None if it has no letters."""
    from langdetect import DetectorFactory, LangDetectException, detect  # type: ignore[import-untyped]

    DetectorFactory.seed = 0  # langdetect draws at random
    try:
        return str(detect(text))
    except LangDetectException:
        return None


def _compare(count: int, relation: str, threshold: int) -> bool:
    return count < threshold if relation == "less than" else count >= threshold


def _check(instruction: str) -> Callable[[Check], Check]:
    def add(check: Check) -> Check:
        CHECKS[instruction] = check
        return check

    return add


# -- keywords ---------------------------------------------------------------------------------------------------


@_check("keywords:existence")
def _has_keywords(text: str, given: Arguments) -> bool:
    return all(re.search(keyword, text, re.IGNORECASE) for keyword in given["keywords"])


@_check("keywords:frequency")
def _keyword_count(text: str, given: Arguments) -> bool:
    return _compare(len(re.findall(given["keyword"], text, re.IGNORECASE)), given["relation"], given["frequency"])


@_check("keywords:forbidden_words")
def _lacks_words(text: str, given: Arguments) -> bool:
    return not any(re.search(rf"\b{word}\b", text, re.IGNORECASE) for word in given["forbidden_words"])


@_check("keywords:letter_frequency")
def _letter_count(text: str, given: Arguments) -> bool:
    return _compare(text.lower().count(given["letter"].strip().lower()), given["let_relation"], given["let_frequency"])


# -- language and case --------------------------------------------------------------------------------------------


@_check("language:response_language")
def _in_language(text: str, given: Arguments) -> bool:
    return language(text) in (given["language"], None)


@_check("change_case:english_capital")
def _capitals(text: str, given: Arguments) -> bool:
    return text.isupper() and language(text) in ("en", None)


@_check("change_case:english_lowercase")
def _lowercase(text: str, given: Arguments) -> bool:
    return text.islower() and language(text) in ("en", None)


@_check("change_case:capital_word_frequency")
def _capital_words(text: str, given: Arguments) -> bool:
    return _compare(capital_words(text), given["capital_relation"], given["capital_frequency"])


# -- length -------------------------------------------------------------------------------------------------------


@_check("length_constraints:number_sentences")
def _sentence_count(text: str, given: Arguments) -> bool:
    return _compare(sentences(text), given["relation"], given["num_sentences"])


@_check("length_constraints:number_words")
def _word_count(text: str, given: Arguments) -> bool:
    return _compare(len(re.findall(r"\w+", text)), given["relation"], given["num_words"])


@_check("length_constraints:number_paragraphs")
def _paragraph_count(text: str, given: Arguments) -> bool:
    """Paragraphs are separated by "***". Only the first and the last part may be empty."""
    parts = [part.strip() for part in re.split(r"\s?\*\*\*\s?", text)]
    return all(parts[1:-1]) and sum(map(bool, parts)) == given["num_paragraphs"]


@_check("length_constraints:nth_paragraph_first_word")
def _paragraph_start(text: str, given: Arguments) -> bool:
    """Checks the number of paragraphs, separated by blank lines, and the n-th one's first word up to its first punctuation mark."""
    parts = [part.strip() for part in text.split("\n\n")]
    count, n = sum(map(bool, parts)), given["nth_paragraph"]
    if count != given["num_paragraphs"] or n > count or not parts[n - 1]:
        return False
    first = parts[n - 1].split()[0].lstrip("'").lstrip('"')
    return bool(re.split(r"[.,?!'\"]", first)[0].lower() == given["first_word"].lower())


# -- content and format ----------------------------------------------------------------------------------------------


@_check("detectable_content:number_placeholders")
def _placeholders(text: str, given: Arguments) -> bool:
    return sum(map(_pairs, text.split("\n"))) >= int(given["num_placeholders"])


def _pairs(line: str) -> int:
    """Number of opening brackets with a closing one behind, none within another."""
    count, opened = 0, line.find("[")
    while opened >= 0 and (closed := line.find("]", opened)) >= 0:
        count, opened = count + 1, line.find("[", closed)
    return count


@_check("detectable_content:postscript")
def _postscript(text: str, given: Arguments) -> bool:
    marker = given["postscript_marker"].strip()
    patterns = {"P.P.S": r"p\.\s?p\.\s?s", "P.S.": r"p\.\s?s\."}
    return bool(re.search(patterns.get(marker, marker.lower()), text.lower()))


@_check("detectable_format:number_bullet_lists")
def _bullets(text: str, given: Arguments) -> bool:
    return bool(len(re.findall(r"^[^\S\n]*+(?:\*[^*].*|-.*)$", text, re.MULTILINE)) == given["num_bullets"])


@_check("detectable_format:number_highlighted_sections")
def _highlights(text: str, given: Arguments) -> bool:
    """A highlight has *one* or **two** asterisks on each side and is not empty."""
    found = re.findall(r"\*[^\n*]*\*", text) + re.findall(r"\*\*[^\n*]*\*\*", text)
    return bool(sum(bool(highlight.strip("*").strip()) for highlight in found) >= given["num_highlights"])


@_check("detectable_format:multiple_sections")
def _sections(text: str, given: Arguments) -> bool:
    return bool(len(re.findall(rf"\s?{given['section_spliter'].strip()}\s?\d+\s?", text)) >= given["num_sections"])


@_check("detectable_format:title")
def _title(text: str, given: Arguments) -> bool:
    titles = (line[line.find("<<") : line.rfind(">>") + 2] for line in text.split("\n") if "<<" in line)
    return any(title.endswith(">>") and title.lstrip("<").rstrip(">").strip() for title in titles)


@_check("detectable_format:json_format")
def _json(text: str, given: Arguments) -> bool:
    block = re.sub(r"^```(?:json|Json|JSON)?|```$", "", text.strip())
    try:
        json.loads(block.strip())
    except (ValueError, RecursionError):
        return False
    return True


@_check("detectable_format:constrained_response")
def _constrained(text: str, given: Arguments) -> bool:
    return any(f"My answer is {answer}." in text for answer in ("yes", "no", "maybe"))


# -- the whole response ---------------------------------------------------------------------------------------------


@_check("combination:two_responses")
def _two_responses(text: str, given: Arguments) -> bool:
    """Two different responses are separated by six asterisks. Only the first and the last part may be empty."""
    parts = [part.strip() for part in text.split("******")]
    kept = [part for part in parts if part]
    return all(parts[1:-1]) and len(kept) == 2 and kept[0] != kept[1]


@_check("combination:repeat_prompt")
def _repeats_prompt(text: str, given: Arguments) -> bool:
    return text.strip().lower().startswith(given["prompt_to_repeat"].strip().lower())


@_check("startend:end_checker")
def _ends_with(text: str, given: Arguments) -> bool:
    return text.strip().strip('"').lower().endswith(given["end_phrase"].strip().lower())


@_check("startend:quotation")
def _quoted(text: str, given: Arguments) -> bool:
    stripped = text.strip()
    return len(stripped) > 1 and stripped.startswith('"') and stripped.endswith('"')


@_check("punctuation:no_comma")
def _no_comma(text: str, given: Arguments) -> bool:
    return "," not in text
