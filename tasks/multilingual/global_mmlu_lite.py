from dataclasses import dataclass, field

from gemma_eval.task import Average, DatasetRef, Generation, LetteredChat, MultipleChoice, Normalization, Row, register

LETTERS = "ABCD"
LANGUAGES = ["ar", "bn", "de", "en", "es", "fr", "hi", "id", "it", "ja", "ko", "pt", "sw", "yo", "zh"]


def _dataset() -> DatasetRef:
    return DatasetRef("CohereLabs/Global-MMLU-Lite", split="test", fewshot_split="dev", configs=list(LANGUAGES))


@register
@dataclass
class GlobalMMLULite(MultipleChoice):
    """Global-MMLU-Lite (Singh et al., 2024, arXiv 2412.03304): 400 questions in each of 15 languages. Apache 2.0.

    The report states 5-shot scoring with Char-Len (inert for letters). Later revisions of the data add languages; the
    15 of the report's date are read. The score is the mean over languages. The items are parallel, so an item in 15
    languages is one cluster of the interval.
    """

    dataset: DatasetRef = field(default_factory=_dataset)
    num_fewshot: int = 5
    normalization: Normalization = Normalization.none

    name = "global_mmlu_lite"
    card = "Global-MMLU-Lite"
    undisclosed = "Exemplars and scaffolding are not stated: a seeded draw from the language's dev split, letters and English scaffolding."
    average = Average.macro
    fewshot_by_subset = True

    def subset(self, row: Row, config: str) -> str:
        return config

    def query(self, row: Row) -> str:
        options = "\n".join(f"{letter}. {row[f'option_{letter.lower()}']}" for letter in LETTERS)
        return f"{row['question'].strip()}\n{options}\nAnswer:"

    def choices(self, row: Row) -> list[str]:
        return list(LETTERS)

    def answer(self, row: Row) -> int:
        return LETTERS.index(row["answer"])

    def cluster(self, row: Row, config: str, id: str) -> str:
        return str(row["sample_id"])


@register
@dataclass
class GlobalMMLULiteIT(LetteredChat, Generation):
    """Global-MMLU-Lite zero-shot, generated with chain of thought, for instruction-tuned models. Else as `global_mmlu_lite`."""

    dataset: DatasetRef = field(default_factory=_dataset)

    name = "global_mmlu_lite_it"
    bundled = "global_mmlu_lite"
    card = "Global-MMLU-Lite"
    undisclosed = "Prompt and extraction are not stated: an English instruction in all languages. What cannot be parsed counts as wrong."
    average = Average.macro

    def subset(self, row: Row, config: str) -> str:
        return config

    def cluster(self, row: Row, config: str, id: str) -> str:
        return str(row["sample_id"])

    def question(self, row: Row) -> str:
        return str(row["question"])

    def options(self, row: Row) -> list[str]:
        return [row[f"option_{letter.lower()}"] for letter in LETTERS]

    def golds(self, row: Row) -> list[str]:
        return [row["answer"]]
