"""Writes RULER's items. Each writer is a pure function of a random generator and a number of units.

Templates, counts and layout are those of the authors' generators (github.com/NVIDIA/RULER, scripts/data/synthetic).
"""

import re
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from random import Random
from uuid import UUID

from gemma_eval.task import Row

NOISE = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again."
SHORT = 4096  # tokens; in shorter items, the words of a list are repeated less often


@dataclass(frozen=True)
class Item:
    """A long text with a question (`query`), the beginning of the answer (`reply`), and the right answers.

    Items with the same `cluster` are about the same documents.
    """

    query: str
    reply: str
    answers: list[str]
    cluster: str = ""


# -- vocabulary -------------------------------------------------------------------------------------------------


@cache
def vocabulary(*kinds: str) -> tuple[str, ...]:
    """English words of these kinds ("noun", ...), from the library that the authors' generators use."""
    from wonderwords import RandomWord, filter_profanity

    words = {word for kind in kinds for word in RandomWord().filter(include_parts_of_speech=[kind])}
    return tuple(sorted(word for word in filter_profanity(words) if re.fullmatch(r"[A-Za-z-]+", word)))


def compound(rng: Random) -> str:
    """An adjective and a noun, joined by a hyphen."""
    return f"{rng.choice(vocabulary('adjective'))}-{rng.choice(vocabulary('noun'))}"


def number(rng: Random) -> str:
    """A number of seven digits."""
    return str(rng.randint(10**6, 10**7 - 1))


def uuid(rng: Random) -> str:
    """A random UUID."""
    return str(UUID(int=rng.getrandbits(128), version=4))


def letters(rng: Random, alphabet: str, count: int) -> str:
    """`count` random letters of `alphabet`."""
    return "".join(rng.choices(alphabet, k=count))


def distinct(draw: Callable[[], str], count: int, excluded: Iterable[str] = ()) -> list[str]:
    """`count` different draws, none of them in `excluded`."""
    taken = dict.fromkeys(excluded)
    before = len(taken)
    while len(taken) < before + count:
        taken[draw()] = None
    return list(taken)[before:]


DRAW: Mapping[str, Callable[[Random], str]] = {"words": compound, "numbers": number, "uuids": uuid}


# -- needles in a haystack --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Needles:
    """The shape of a task: `keys` keys with `values` values each are hidden in a haystack, and `queried` of the keys are asked for."""

    haystack: str  # noise, essay, or needles (other keys and values)
    key: str = "words"
    value: str = "numbers"
    keys: int = 1
    values: int = 1
    queried: int = 1


def needles(rng: Random, n: int, shape: Needles, sentences: Sequence[str]) -> Item:
    """An item with the needles hidden in `n` units: lines of noise, sentences of running text, or other needles."""
    keys = distinct(lambda: DRAW[shape.key](rng), shape.keys)
    values = distinct(lambda: DRAW[shape.value](rng), shape.keys * shape.values)
    values_of = {key: values[i * shape.values :][: shape.values] for i, key in enumerate(keys)}
    hidden = [_needle(shape, key, value) for key in keys for value in values_of[key]]
    rng.shuffle(hidden)
    queried = rng.sample(keys, shape.queried)
    if shape.haystack == "essay":
        context = _in_running_text(rng, hidden, [sentences[i % len(sentences)] for i in range(n)])
    elif shape.haystack == "noise":
        context = _between_lines(rng, hidden, [NOISE] * n)
    else:
        others = zip(distinct(lambda: DRAW[shape.key](rng), n, keys), distinct(lambda: DRAW[shape.value](rng), n, values), strict=True)
        context = _between_lines(rng, hidden, [_needle(shape, key, value) for key, value in others])
    return _needle_item(shape, queried, [value for key in queried for value in values_of[key]], context)


def _needle_item(shape: Needles, queried: Sequence[str], answers: list[str], context: str) -> Item:
    names = ", ".join(queried) if len(queried) == 1 else f"{', '.join(queried[:-1])}, and {queried[-1]}"
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
    for position, line in zip(sorted(rng.sample(range(len(lines)), len(hidden)), reverse=True), hidden, strict=True):
        lines.insert(position, line)
    return "\n".join(lines)


def _in_running_text(rng: Random, hidden: Sequence[str], sentences: list[str]) -> str:
    """The sentences with each needle at a different one of 40 evenly spaced depths."""
    depths = sorted(rng.sample(range(40), len(hidden)), reverse=True)
    positions = [len(sentences) * round(100 * depth / 39) // 100 for depth in depths]
    for position, needle in zip(positions, hidden, strict=True):
        sentences.insert(position, needle)
    return " ".join(sentences)


def sentences_of(text: str) -> list[str]:
    """The sentences of a text: each ends with ".", "!" or "?" before a space. Raises `ValueError` if the text is empty."""
    if not text.strip():
        raise ValueError("has no text")
    return re.split(r"(?<=[.!?]) ", " ".join(text.split()))


# -- variable tracking ------------------------------------------------------------------------------------------

HOPS = 4


def chain(rng: Random, n: int, name_length: int, solved: Item | None = None) -> Item:
    """An item with a chain of five assignments among `n` lines of noise. `solved`, an item with its answer, is shown first."""
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
    example = f"{solved.query}{solved.reply} {' '.join(solved.answers)}\n\n" if solved else ""
    return Item(example + query, reply, names)


# -- lists of words ---------------------------------------------------------------------------------------------


def common_words(rng: Random, n: int, length: int) -> Item:
    """An item with a list of `n` different words, ten of which occur more often. A short list with its answer is shown first."""
    example_words, example_often, example_seldom, often, seldom = (20, 3, 1, 6, 1) if length < SHORT else (40, 10, 3, 30, 3)
    example, common = _numbered_list(rng, example_words, example_often, example_seldom)
    context, answers = _numbered_list(rng, n, often, seldom)
    example_answer = " ".join(f"{i}. {word}" for i, word in enumerate(common, 1))
    reply = " Answer: The top 10 words that appear most often in the list are:"
    return Item(f"{_common_words_query(example)}{reply} {example_answer}\n{_common_words_query(context)}", reply, answers)


def _common_words_query(context: str) -> str:
    return (
        "Below is a numbered list of words. In these words, some appear more often than others. "
        f"Memorize the ones that appear most often.\n{context}\nQuestion: What are the 10 most common words in the above list?"
    )


def _numbered_list(rng: Random, n: int, often: int, seldom: int) -> tuple[str, list[str]]:
    """A numbered list of `n` different words, and the ten words that occur `often` times in it. The others occur `seldom` times."""
    known = vocabulary("noun", "adjective", "verb")
    common = rng.sample(known, 10)
    others = [word for word in rng.sample(known, min(n, len(known))) if word not in common][: n - 10]
    others += distinct(lambda: compound(rng), n - 10 - len(others))  # if there are too few single words
    listed = common * often + others * seldom
    rng.shuffle(listed)
    return " ".join(f"{i}. {word}" for i, word in enumerate(listed, 1)), common


def frequent_words(rng: Random, n: int, length: int) -> Item:
    """An item with about `n` coded words, whose frequencies fall with the square of their rank. The most frequent "word" is dots."""
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
    """A question. `needed` are the indices of the documents that answer it, `similar` those of documents that resemble them."""

    text: str
    answers: list[str]
    needed: tuple[int, ...]
    similar: tuple[int, ...] = ()


@dataclass(frozen=True)
class Documents:
    """All documents of a dataset, and the questions about them. `origin` says which rows they come from."""

    origin: str
    texts: Sequence[str]
    questions: Sequence[Question]


def question(rng: Random, n: int, documents: Documents, asked: Question) -> Item:
    """An item with the question `asked` and `n` documents: those it needs, then similar ones, then any others.

    If there are fewer than `n` documents, some are repeated.
    """
    similar = rng.sample(asked.similar, min(len(asked.similar), n - len(asked.needed)))
    chosen = [*asked.needed, *similar]
    enough = min(n + len(chosen), len(documents.texts))
    others = [i for i in rng.sample(range(len(documents.texts)), enough) if i not in {*chosen}]
    others = others or chosen
    chosen += [others[i % len(others)] for i in range(n - len(chosen))]
    rng.shuffle(chosen)
    context = "\n\n".join(f"Document {i}:\n{documents.texts[index]}" for i, index in enumerate(chosen, 1))
    order = "Answer the question based on the given documents. Only give me the answer and do not output any other words."
    query = f"{order}\n\nThe following are given documents.\n\n{context}\n\n{order}\n\nQuestion: {asked.text}"
    return Item(query, " Answer:", asked.answers, cluster=" ".join(map(str, asked.needed)))


@dataclass(frozen=True)
class SquadRow:
    """A question about a paragraph of an article. There are no answers if the paragraph does not tell."""

    title: str
    paragraph: str
    question: str
    answers: list[str]


def squad_row(row: Row) -> SquadRow:
    """A row of SQuAD."""
    return SquadRow(row["title"], row["context"], row["question"], row["answers"]["text"])


def squad(origin: str, rows: Sequence[SquadRow]) -> Documents:
    """SQuAD's paragraphs, and its questions that have an answer. Paragraphs of one article are similar."""
    paragraphs_of: dict[str, dict[str, None]] = {}  # by the article's title
    for row in rows:
        paragraphs_of.setdefault(row.title, {})[row.paragraph] = None
    texts = sorted({text for paragraphs in paragraphs_of.values() for text in paragraphs})
    index_of = {text: i for i, text in enumerate(texts)}
    articles = {title: tuple(index_of[text] for text in paragraphs) for title, paragraphs in paragraphs_of.items()}
    questions = []
    for row in rows:
        if row.answers:
            own = index_of[row.paragraph]
            similar = tuple(i for i in articles[row.title] if i != own)
            questions.append(Question(row.question, [*dict.fromkeys(row.answers)], (own,), similar))
    return Documents(origin, texts, questions)


@dataclass(frozen=True)
class HotpotRow:
    """A question about several paragraphs, each with its title."""

    question: str
    answer: str
    paragraphs: list[str]


def hotpot_qa_row(row: Row) -> HotpotRow:
    """A row of HotpotQA."""
    titled = zip(row["context"]["title"], row["context"]["sentences"], strict=True)
    return HotpotRow(row["question"], row["answer"], [f"{title}\n{''.join(sentences)}" for title, sentences in titled])


def hotpot_qa(origin: str, rows: Sequence[HotpotRow]) -> Documents:
    """HotpotQA's paragraphs, and its questions. A question needs the paragraphs of its own row."""
    texts = sorted({text for row in rows for text in row.paragraphs})
    index_of = {text: i for i, text in enumerate(texts)}
    questions = [Question(row.question, [row.answer], tuple(index_of[text] for text in row.paragraphs)) for row in rows]
    return Documents(origin, texts, questions)
