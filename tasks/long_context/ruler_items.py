"""What RULER's items are made of: each writer is a pure function of its random generator and a number of units.

Templates, counts and layout are those of the official generators (github.com/NVIDIA/RULER, scripts/data/synthetic).
"""

import re
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from random import Random
from uuid import UUID

from gemma_eval.data.table import Table

NOISE = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again."
SHORT = 4096  # below this length, lists of words are less redundant


@dataclass(frozen=True)
class Item:
    """A question about a long text, how its answer begins, and what the answer must hold: all of `answers`, or any of them."""

    query: str
    reply: str
    answers: list[str]
    cluster: str = ""  # what other items are about, too


# -- vocabulary -------------------------------------------------------------------------------------------------


@cache
def vocabulary(*kinds: str) -> tuple[str, ...]:
    """English words of these kinds, from the library that the official generators draw from."""
    from wonderwords import RandomWord, filter_profanity

    words = {word for kind in kinds for word in RandomWord().filter(include_parts_of_speech=[kind])}
    return tuple(sorted(word for word in filter_profanity(words) if re.fullmatch(r"[A-Za-z-]+", word)))


def compound(rng: Random) -> str:
    return f"{rng.choice(vocabulary('adjective'))}-{rng.choice(vocabulary('noun'))}"


def number(rng: Random) -> str:
    return str(rng.randint(10**6, 10**7 - 1))


def uuid(rng: Random) -> str:
    return str(UUID(int=rng.getrandbits(128), version=4))


def letters(rng: Random, alphabet: str, count: int) -> str:
    return "".join(rng.choices(alphabet, k=count))


def distinct(draw: Callable[[], str], count: int, besides: Iterable[str] = ()) -> list[str]:
    """`count` different draws, none of them among `besides`."""
    taken = dict.fromkeys(besides)
    before = len(taken)
    while len(taken) < before + count:
        taken[draw()] = None
    return list(taken)[before:]


DRAWS: Mapping[str, Callable[[Random], str]] = {"words": compound, "numbers": number, "uuids": uuid}


# -- needles in a haystack --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Needles:
    """What is hidden where: `keys` with `values` each, of which `asked` are asked for."""

    haystack: str  # noise, essay, needles
    key: str = "words"
    value: str = "numbers"
    keys: int = 1
    values: int = 1
    asked: int = 1


def needles(rng: Random, n: int, shape: Needles, sentences: Sequence[str]) -> Item:
    """`n` lines of noise, sentences of running text, or other needles, with the needles among them."""
    keys = distinct(lambda: DRAWS[shape.key](rng), shape.keys)
    values = distinct(lambda: DRAWS[shape.value](rng), shape.keys * shape.values)
    owned = {key: values[i * shape.values :][: shape.values] for i, key in enumerate(keys)}
    hidden = [_needle(shape, key, value) for key in keys for value in owned[key]]
    rng.shuffle(hidden)
    asked = rng.sample(keys, shape.asked)
    if shape.haystack == "essay":
        context = _in_running_text(rng, hidden, [sentences[i % len(sentences)] for i in range(n)])
    elif shape.haystack == "noise":
        context = _between_lines(rng, hidden, [NOISE] * n)
    else:
        others = zip(distinct(lambda: DRAWS[shape.key](rng), n, keys), distinct(lambda: DRAWS[shape.value](rng), n, values), strict=True)
        context = _between_lines(rng, hidden, [_needle(shape, key, value) for key, value in others])
    return _asking_for(shape, asked, [value for key in asked for value in owned[key]], context)


def _asking_for(shape: Needles, asked: Sequence[str], answers: list[str], context: str) -> Item:
    names = ", ".join(asked) if len(asked) == 1 else f"{', '.join(asked[:-1])}, and {asked[-1]}"
    one = len(answers) == 1
    kind, some, verb, every = (shape.value[:-1], "A", "is", "is") if one else (shape.value, "Some", "are", "are all")
    query = (
        f"{some} special magic {kind} {verb} hidden within the following text. Make sure to memorize it. "
        f"I will quiz you about the {kind} afterwards.\n{context}\n"
        f"What {every} the special magic {kind} for {names} mentioned in the provided text?"
    )
    return Item(query, f" The special magic {kind} for {names} mentioned in the provided text {verb}", answers)


def _needle(shape: Needles, key: str, value: str) -> str:
    return f"One of the special magic {shape.value} for {key} is: {value}."


def _between_lines(rng: Random, hidden: Sequence[str], lines: list[str]) -> str:
    for at, line in zip(sorted(rng.sample(range(len(lines)), len(hidden)), reverse=True), hidden, strict=True):
        lines.insert(at, line)
    return "\n".join(lines)


def _in_running_text(rng: Random, hidden: Sequence[str], sentences: list[str]) -> str:
    """Each needle at another of 40 evenly spaced depths."""
    depths = sorted(rng.sample(range(40), len(hidden)), reverse=True)
    places = [len(sentences) * round(100 * depth / 39) // 100 for depth in depths]
    for at, needle in zip(places, hidden, strict=True):
        sentences.insert(at, needle)
    return " ".join(sentences)


def sentences_of(text: str) -> list[str]:
    """Sentences, by rule. Raises `ValueError` if there are none."""
    if not text.strip():
        raise ValueError("has no text")
    return re.split(r"(?<=[.!?]) ", " ".join(text.split()))


# -- variable tracking ------------------------------------------------------------------------------------------

HOPS = 4


def chain(rng: Random, n: int, name_length: int, solved: Item | None = None) -> Item:
    """`n` lines of noise with five assignments among them, each of the one before; `solved` is shown first, with its answer."""
    names = distinct(lambda: letters(rng, string.ascii_uppercase, name_length), HOPS + 1)
    value = str(rng.randint(10000, 99999))
    lines = [f"VAR {names[0]} = {value}", *(f"VAR {new} = VAR {old} " for old, new in pairwise(names))]
    context = _between_lines(rng, lines[::-1], [NOISE] * n)
    query = (
        "Memorize and track the chain(s) of variable assignment hidden in the following text.\n\n"
        f"{context}\nQuestion: Find all variables that are assigned the value {value} in the text above."
    )
    reply = (
        " Answer: According to the chain(s) of variable assignment in the text above, "
        f"{len(names)} variables are assigned the value {value}, they are:"
    )
    shown = f"{solved.query}{solved.reply} {' '.join(solved.answers)}\n\n" if solved else ""
    return Item(shown + query, reply, names)


# -- lists of words ---------------------------------------------------------------------------------------------


def common_words(rng: Random, n: int, length: int) -> Item:
    """A short list with its answer, then one of `n` different words, ten of which stand there more often."""
    example_words, example_often, example_seldom, often, seldom = (20, 3, 1, 6, 1) if length < SHORT else (40, 10, 3, 30, 3)
    example, common = _numbered_list(rng, example_words, example_often, example_seldom)
    context, answers = _numbered_list(rng, n, often, seldom)
    shown = " ".join(f"{i}. {word}" for i, word in enumerate(common, 1))
    reply = " Answer: The top 10 words that appear most often in the list are:"
    return Item(f"{_common_words_query(example)}{reply} {shown}\n{_common_words_query(context)}", reply, answers)


def _common_words_query(context: str) -> str:
    return (
        "Below is a numbered list of words. In these words, some appear more often than others. "
        f"Memorize the ones that appear most often.\n{context}\nQuestion: What are the 10 most common words in the above list?"
    )


def _numbered_list(rng: Random, n: int, often: int, seldom: int) -> tuple[str, list[str]]:
    known = vocabulary("noun", "adjective", "verb")
    common = rng.sample(known, 10)
    others = [word for word in rng.sample(known, min(n, len(known))) if word not in common][: n - 10]
    others += distinct(lambda: compound(rng), n - 10 - len(others))  # where the single words do not suffice
    listed = common * often + others * seldom
    rng.shuffle(listed)
    return " ".join(f"{i}. {word}" for i, word in enumerate(listed, 1)), common


def frequent_words(rng: Random, n: int, length: int) -> Item:
    """About `n` coded words, their frequencies falling with the square of the rank; dots have the first rank."""
    from scipy.special import zeta

    words = ["...", *distinct(lambda: letters(rng, string.ascii_lowercase, 6), length // 50 - 2)]
    coded = [word for rank, word in enumerate(words, 1) for _ in range(int(n / rank**2 / zeta(2.0)))]
    rng.shuffle(coded)
    query = (
        "Read the following coded text and track the frequency of each coded word. "
        f"Find the three most frequently appeared coded words. {' '.join(coded)}\n"
        "Question: Do not provide any explanation. Please ignore the dots '....'. "
        "What are the three most frequently appeared words in the above coded text?"
    )
    return Item(query, " Answer: According to the coded text above, the three most frequently appeared words are:", words[1:4])


# -- questions on documents -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Question:
    """A question, with the documents it needs and those that resemble them (as indices)."""

    text: str
    answers: list[str]
    needed: tuple[int, ...]
    alike: tuple[int, ...] = ()


@dataclass(frozen=True)
class Documents:
    """All documents of a data set, and the questions on them. `origin` says which rows they are."""

    origin: str
    texts: Sequence[str]
    questions: Sequence[Question]


def question(rng: Random, n: int, documents: Documents, asked: Question) -> Item:
    """A question on `n` documents: those it needs, those that resemble them, then any."""
    alike = rng.sample(asked.alike, min(len(asked.alike), n - len(asked.needed)))
    chosen = [*asked.needed, *alike]
    enough = min(n + len(chosen), len(documents.texts))
    others = [i for i in rng.sample(range(len(documents.texts)), enough) if i not in {*chosen}]
    others = others or chosen  # where the documents do not suffice, they stand there more than once
    chosen += [others[i % len(others)] for i in range(n - len(chosen))]
    rng.shuffle(chosen)
    context = "\n\n".join(f"Document {i}:\n{documents.texts[at]}" for i, at in enumerate(chosen, 1))
    order = "Answer the question based on the given documents. Only give me the answer and do not output any other words."
    query = f"{order}\n\nThe following are given documents.\n\n{context}\n\n{order}\n\nQuestion: {asked.text}"
    return Item(query, " Answer:", asked.answers, cluster=" ".join(map(str, asked.needed)))


def squad(table: Table) -> Documents:
    """SQuAD's paragraphs, those of a title being alike, and its questions that have an answer."""
    rows = list(table.rows)
    titles: dict[str, dict[str, None]] = {}
    for row in rows:
        titles.setdefault(row["title"], {})[row["context"]] = None
    texts = sorted({text for paragraphs in titles.values() for text in paragraphs})
    at = {text: i for i, text in enumerate(texts)}
    articles = {title: tuple(at[text] for text in paragraphs) for title, paragraphs in titles.items()}
    return Documents(
        _origin(table),
        texts,
        [
            Question(
                row["question"], [*dict.fromkeys(row["answers"]["text"])], (own,), tuple(i for i in articles[row["title"]] if i != own)
            )
            for row in rows
            if row["answers"]["text"]
            for own in [at[row["context"]]]
        ],
    )


def hotpot_qa(table: Table) -> Documents:
    """HotpotQA's paragraphs with their titles, and its questions, each with the paragraphs that were set beside it."""
    rows = list(table.rows)
    beside = [
        [f"{title}\n{''.join(sentences)}" for title, sentences in zip(row["context"]["title"], row["context"]["sentences"], strict=True)]
        for row in rows
    ]
    texts = sorted({text for paragraphs in beside for text in paragraphs})
    at = {text: i for i, text in enumerate(texts)}
    return Documents(
        _origin(table),
        texts,
        [
            Question(row["question"], [row["answer"]], tuple(at[text] for text in paragraphs))
            for row, paragraphs in zip(rows, beside, strict=True)
        ],
    )


def _origin(table: Table) -> str:
    return f"{table.repo} {table.split} ({table.revision}), rows sha256 {table.sha256()}"
