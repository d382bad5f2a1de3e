"""IndicGenBench (Singh et al., 2024, arXiv 2404.16816): four of its tasks, whose unweighted mean is the card row "IndicGenBench".

The report gives the score of each in table 14.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from gemma_eval.task import DatasetRef, Row, register

from .passage_question import PassageQuestion
from .translation import Translation
from .xquad import passage_of

LANGUAGES = {
    "as": "Assamese",
    "awa": "Awadhi",
    "bgc": "Haryanvi",
    "bho": "Bhojpuri",
    "bn": "Bengali",
    "bo": "Tibetan",
    "brx": "Bodo",
    "gbm": "Garhwali",
    "gom": "Konkani",
    "gu": "Gujarati",
    "hi": "Hindi",
    "hne": "Chhattisgarhi",
    "hoj": "Rajasthani",
    "kn": "Kannada",
    "mai": "Maithili",
    "ml": "Malayalam",
    "mni": "Manipuri",
    "mr": "Marathi",
    "mup": "Malvi",
    "mwr": "Marwari",
    "ne": "Nepali",
    "or": "Odia",
    "pa": "Punjabi",
    "ps": "Pashto",
    "sa": "Sanskrit",
    "sat": "Santali",
    "ta": "Tamil",
    "te": "Telugu",
    "ur": "Urdu",
}
XQUAD = ["as", "bn", "gu", "hi", "kn", "ml", "mr", "or", "pa", "ta", "te", "ur"]
XORQA = [code for code in LANGUAGES if code != "ne"]


@register
@dataclass
class XQuADIN(PassageQuestion):
    """XQuAD-IN of IndicGenBench: questions about a passage, in 12 languages of India.

    Licence: CC BY-SA 4.0.

    The report states 5-shot sampling and chrF. It gives neither prompt, examples nor the form of chrF: we use English labels, draw
    five rows of the language's train split, and average sentence chrF.
    """

    dataset: DatasetRef = field(
        default_factory=lambda: DatasetRef(
            "google/IndicGenBench_xquad_in", fewshot_split="train", configs=list(XQUAD), files="xquad_{config}_{split}.json"
        )
    )
    max_tokens: int = 128  # answers in Odia take many

    name = "indicgenbench_xquad"
    card = "XQuAD-IN"
    undisclosed = (
        "Google does not publish its prompt or examples, or say which form of chrF it used; we use English labels, draw the examples from "
        "train (seed 1234 by default), and average sentence chrF."
    )

    def query(self, row: Row) -> str:
        return f"Context: {row['context']}\n\nQuestion: {row['question']}\n\nAnswer:"

    def golds(self, row: Row) -> list[str]:
        return distinct_texts(row["answers"])

    def cluster(self, row: Row, config: str, id: str) -> str:
        return passage_of(row["id"])


def distinct_texts(answers: list[dict[str, str]]) -> list[str]:
    """The texts of the answers, each once."""
    return list(dict.fromkeys(answer["text"].strip() for answer in answers))


@dataclass
class XorQAIN(PassageQuestion):
    """Questions in a language of India about an English passage. Subclasses say in which language the answer is."""

    dataset: DatasetRef = field(
        default_factory=lambda: DatasetRef(
            "google/IndicGenBench_xorqa_in", fewshot_split="train", configs=list(XORQA), files="xorqa_{config}_{split}.json"
        )
    )
    max_tokens: int = 128

    bundled = "indicgenbench_xorqa"
    answers: ClassVar[str]  # the column with the right answers

    def answer_language(self, row: Row) -> str:
        """English name of the language of the answer."""
        return "English"

    def query(self, row: Row) -> str:
        return f"Context: {row['context']}\n\nQuestion: {row['question']}\n\nAnswer in {self.answer_language(row)}:"

    def golds(self, row: Row) -> list[str]:
        return distinct_texts(row[self.answers])

    def cluster(self, row: Row, config: str, id: str) -> str:
        return str(row["title"])  # the passage, which all languages share


@register
@dataclass
class XorQAINEnglish(XorQAIN):
    """XorQA-IN-En of IndicGenBench: questions in 28 languages about an English passage, answered in English.

    Licence: MIT.

    The report states 5-shot sampling and chrF. Prompt, examples and the form of chrF are ours, as for `indicgenbench_xquad`.
    """

    name = "indicgenbench_xorqa_en"
    card = "XorQA-IN-En"
    undisclosed = XQuADIN.undisclosed
    answers = "answers"


@register
@dataclass
class XorQAINIndic(XorQAIN):
    """XorQA-IN-Xx of IndicGenBench: questions in 28 languages about an English passage, answered in the language of the question.

    Licence: MIT.

    The report states 5-shot sampling and chrF. Prompt, examples and the form of chrF are ours, as for `indicgenbench_xquad`.
    """

    name = "indicgenbench_xorqa_xx"
    card = "XorQA-IN-Xx"
    undisclosed = XQuADIN.undisclosed
    answers = "translated_answers"

    def answer_language(self, row: Row) -> str:
        return LANGUAGES[row["lang"]]


@register
@dataclass
class FloresIN(Translation):
    """Flores-IN of IndicGenBench: the test set of FLORES in 29 languages of India, many of which have no other test set.

    Licence: CC BY-SA 4.0.

    The report states 5-shot sampling and chrF. It gives neither direction, prompt nor examples: we translate from English, with five
    sentences drawn from dev. The score is the mean over languages of corpus chrF.
    """

    dataset: DatasetRef = field(
        default_factory=lambda: DatasetRef(
            "google/IndicGenBench_flores_in",
            fewshot_split="validation",
            configs=[f"en_{code}" for code in LANGUAGES],
            files="flores_{config}_{split}.json",
            pinned="f8650438298df086750ff4973661bb58a201a5ee",
        )
    )
    num_fewshot: int = 5
    max_tokens: int = 512  # Santali takes up to 370

    name = "indicgenbench_flores"
    card = "Flores-IN"
    undisclosed = (
        "Google does not say which direction, prompt or examples it used; we translate from English into all 29 languages "
        "(direction=into_english: the reverse). The examples are drawn from dev (seed 1234 by default); the score is corpus chrF, "
        "averaged over languages."
    )

    def texts(self, row: Row) -> tuple[str, str]:
        return row["source"], row["target"]

    def language(self, row: Row) -> str:
        return LANGUAGES[row["lang"]]

    def cluster(self, row: Row, config: str, id: str) -> str:
        return str(row["source"])  # the English sentence; the order of sentences differs between languages
