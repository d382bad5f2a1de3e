"""IndicGenBench (Singh et al., 2024, arXiv 2404.16816): four of its parts, whose plain mean is the card's row."""

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
    """XQuAD-IN of IndicGenBench: XQuAD's test set in 12 languages of India, answered in the language. CC BY-SA 4.0.

    The report states 5-shot sampling, scored by chrF. Exemplars are drawn from the language's training split.
    """

    dataset: DatasetRef = field(
        default_factory=lambda: DatasetRef(
            "google/IndicGenBench_xquad_in", fewshot_split="train", configs=list(XQUAD), files="xquad_{config}_{split}.json"
        )
    )
    max_tokens: int = 128  # Odia takes many

    name = "indicgenbench_xquad"
    card = "XQuAD-IN"
    undisclosed = "Prompt, exemplars and the form of chrF are not stated: English words, a seeded draw from train, mean of sentence chrF."

    def query(self, row: Row) -> str:
        return f"Context: {row['context']}\n\nQuestion: {row['question']}\n\nAnswer:"

    def golds(self, row: Row) -> list[str]:
        return distinct_texts(row["answers"])

    def cluster(self, row: Row, config: str, id: str) -> str:
        return passage_of(row["id"])


def distinct_texts(answers: list[dict[str, str]]) -> list[str]:
    return list(dict.fromkeys(answer["text"].strip() for answer in answers))


@dataclass
class XorQAIN(PassageQuestion):
    """Questions in a language of India about an English passage; subclasses say in which language the answer stands."""

    dataset: DatasetRef = field(
        default_factory=lambda: DatasetRef(
            "google/IndicGenBench_xorqa_in", fewshot_split="train", configs=list(XORQA), files="xorqa_{config}_{split}.json"
        )
    )
    max_tokens: int = 128

    bundled = "indicgenbench_xorqa"
    answers: ClassVar[str]  # the column of the golds

    def answer_language(self, row: Row) -> str:
        return "English"

    def query(self, row: Row) -> str:
        return f"Context: {row['context']}\n\nQuestion: {row['question']}\n\nAnswer in {self.answer_language(row)}:"

    def golds(self, row: Row) -> list[str]:
        return distinct_texts(row[self.answers])

    def cluster(self, row: Row, config: str, id: str) -> str:
        return str(row["title"])  # the passage, which the languages share


@register
@dataclass
class XorQAINEnglish(XorQAIN):
    """XorQA-IN-En of IndicGenBench: a question in one of 28 languages, a passage and an answer in English. MIT.

    The report states 5-shot sampling, scored by chrF. Exemplars are drawn from the language's training split.
    """

    name = "indicgenbench_xorqa_en"
    card = "XorQA-IN-En"
    undisclosed = XQuADIN.undisclosed
    answers = "answers"


@register
@dataclass
class XorQAINIndic(XorQAIN):
    """XorQA-IN-Xx of IndicGenBench: a question in one of 28 languages, an English passage, an answer in the language. MIT.

    The report states 5-shot sampling, scored by chrF. Exemplars are drawn from the language's training split.
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
    """Flores-IN of IndicGenBench: FLORES' test set in 29 languages of India, many without another test set. CC BY-SA 4.0.

    The report states 5-shot sampling, scored by chrF: here corpus chrF per language, meaned. Exemplars are drawn from dev.
    """

    dataset: DatasetRef = field(
        default_factory=lambda: DatasetRef(
            "google/IndicGenBench_flores_in",
            fewshot_split="validation",
            configs=[f"en_{code}" for code in LANGUAGES],
            files="flores_{config}_{split}.json",
        )
    )
    num_fewshot: int = 5
    max_tokens: int = 512  # Santali takes up to 370

    name = "indicgenbench_flores"
    card = "Flores-IN"
    undisclosed = (
        "Direction, prompt and exemplars are not stated: from English into all 29 languages (direction=into_english for the "
        "other), five sentences drawn from dev for each. Corpus chrF per language."
    )

    def texts(self, row: Row) -> tuple[str, str]:
        return row["source"], row["target"]

    def language(self, row: Row) -> str:
        return LANGUAGES[row["lang"]]

    def cluster(self, row: Row, config: str, id: str) -> str:
        return str(row["source"])  # the English sentence, which the languages share; their files differ in order
