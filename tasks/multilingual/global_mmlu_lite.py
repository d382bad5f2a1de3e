from dataclasses import dataclass, field

from gemma_eval.task import Average, DatasetRef, Generation, LetteredChat, MultipleChoice, Normalization, Row, chosen, register

LETTERS = ["A", "B", "C", "D"]
LANGUAGES = ["ar", "bn", "de", "en", "es", "fr", "hi", "id", "it", "ja", "ko", "pt", "sw", "yo", "zh"]


def _dataset() -> DatasetRef:
    return DatasetRef(
        "CohereLabs/Global-MMLU-Lite",
        split="test",
        fewshot_split="dev",
        configs=list(LANGUAGES),
        pinned="36c2fd756f19ccf13a9a96c8e53ccecc02192b8b",
    )


@register
@dataclass
class GlobalMMLULite(MultipleChoice):
    """Global-MMLU-Lite (Singh et al., 2024, arXiv 2412.03304): 400 questions in each of 15 languages.

    Licence: Apache 2.0. Card row: "Global-MMLU-Lite".

    The report states 5-shot scoring with Char-Len. It gives neither prompt nor examples: we score letters, for which Char-Len changes
    nothing, with the English words of MMLU's prompt, and draw five rows of the language's dev split. Later revisions of the data add
    languages; we read the 15 that it had when the report appeared. The score is the mean over languages. A question in its 15
    languages is one cluster.
    """

    dataset: DatasetRef = field(default_factory=_dataset)
    num_fewshot: int = 5
    normalization: Normalization = Normalization.none

    name = "global_mmlu_lite"
    card = "Global-MMLU-Lite"
    undisclosed = (
        "Google does not publish its prompt or examples; we score letters, with the English words of MMLU's prompt, and draw the examples "
        "from the language's dev split (seed 1234 by default)."
    )
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
    """Global-MMLU-Lite zero-shot with chain of thought, for instruction-tuned models. Card row: "Global-MMLU-Lite", 0-shot.

    Data, licence and average as `global_mmlu_lite`. The instruction is in English for all languages.
    """

    dataset: DatasetRef = field(default_factory=_dataset)

    name = "global_mmlu_lite_it"
    bundled = "global_mmlu_lite"
    card = "Global-MMLU-Lite"
    undisclosed = (
        "Google does not publish its prompt, or say how it extracted answers; we use one English instruction for all languages. Answers "
        "that cannot be parsed count as wrong."
    )
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
        return [chosen(LETTERS, LETTERS.index(row["answer"]))]
