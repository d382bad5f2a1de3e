# ruff: noqa: RUF001 (full-width colons)
from collections.abc import Callable
from dataclasses import dataclass, field

from gemma_eval.metrics import math
from gemma_eval.task import Average, DatasetRef, Fewshot, Generation, Row, register

# For each language, the dataset's words for "Question:", "Step-by-Step Answer:" and "The answer is".
WORDS = {
    "bn": ("প্রশ্ন:", "ধাপে ধাপে উত্তর:", "উত্তর হল"),
    "de": ("Frage:", "Schritt-für-Schritt-Antwort:", "Die Antwort lautet"),
    "en": ("Question:", "Step-by-Step Answer:", "The answer is"),
    "es": ("Pregunta:", "Respuesta paso a paso:", "La respuesta es"),
    "fr": ("Question :", "Réponse étape par étape :", "La réponse est"),
    "ja": ("問題：", "ステップごとの答え：", "答えは"),
    "ru": ("Задача:", "Пошаговое решение:", "Ответ"),
    "sw": ("Swali:", "Jibu la Hatua kwa Hatua:", "Jibu ni"),
    "te": ("ప్రశ్న:", "దశలవారీగా సమాధానం:", "సమాధానం"),
    "th": ("โจทย์:", "คำตอบทีละขั้นตอน:", "คำตอบคือ"),
    "zh": ("问题：", "逐步解答：", "答案是"),
}
PHRASES = [*(phrase for _, _, phrase in WORDS.values()), "Die Antwort ist"]  # the German exemplars use both


@register
@dataclass
class MGSM(Generation):
    """MGSM (Shi et al., 2022, arXiv 2210.03057): 250 problems of GSM8K in each of 11 languages.

    Licence: CC BY-SA 4.0. Card row: "MGSM".

    The report states 8-shot sampling, and leaves the column for chain of thought empty. We ask for chain of thought in the question's
    language, with the dataset's eight exemplars and their words. English is one of the 11 languages. The score is the mean over
    languages. A problem in all its languages is one cluster.

    The answer is the number after the last "The answer is" in any of the languages. The diagnostic `flexible` takes the last number
    anywhere.
    """

    dataset: DatasetRef = field(
        default_factory=lambda: DatasetRef(
            "juletxara/mgsm", split="test", fewshot_split="train", configs=list(WORDS), pinned="b2f13d426afe3be8d69a7e739b36724db8b66bbc"
        )
    )
    num_fewshot: int = 8
    fewshot: Fewshot = Fewshot.first
    max_tokens: int = 512
    stop: list[str] = field(default_factory=lambda: [f"\n{question}" for question, _, _ in WORDS.values()])

    name = "mgsm"
    card = "MGSM"
    undisclosed = (
        "Google does not say whether it used chain of thought, or in which language; we use it in the question's language, with the "
        "published examples. English is one of the 11 languages."
    )
    average = Average.macro
    fewshot_by_subset = True

    def subset(self, row: Row, config: str) -> str:
        return config

    def cluster(self, row: Row, config: str, id: str) -> str:
        return id.rpartition("/")[2]

    def query(self, row: Row) -> str:
        question, answer, _ = WORDS[row["config"]]
        return f"{self._after(question, row['question'].removeprefix(question).strip())}\n{answer}"

    def solution(self, row: Row) -> str:
        _, answer, phrase = WORDS[row["config"]]
        if worked := row.get("answer"):  # rows of test have none
            return str(worked).removeprefix(answer).strip()
        return f"{phrase} {row['answer_number']}"

    def shot(self, row: Row) -> str:
        return self._after(self.query(row), self.solution(row)) + self.shot_separator

    def _after(self, label: str, text: str) -> str:
        """The text after its label. No space follows a full-width colon."""
        return f"{label}{'' if label.endswith('：') else ' '}{text}"

    def golds(self, row: Row) -> list[str]:
        return [str(row["answer_number"])]

    def extract(self, text: str) -> str | None:
        numbers = {text.rfind(phrase): math.number_after(text, phrase) for phrase in PHRASES}
        last = max(numbers)
        return numbers[last] if last >= 0 else None

    def diagnostics(self) -> dict[str, Callable[[str], str | None]]:
        return {"flexible": math.last_number}

    def judge(self, answer: str, golds: list[str]) -> float:
        return math.same_local_number(answer, golds)
