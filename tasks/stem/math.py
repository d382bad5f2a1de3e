import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from gemma_eval.metrics import final_answer, minerva
from gemma_eval.task import Chat, DatasetRef, Fewshot, Generation, Row, register
from gemma_eval.types import JSON, Grade

SUBJECTS = ["algebra", "counting_and_probability", "geometry", "intermediate_algebra", "number_theory", "prealgebra", "precalculus"]


@cache
def exemplars() -> list[dict[str, str]]:
    """The four exemplars of Lewkowycz et al., 2022 (arXiv 2206.14858, appendix D)."""
    found: list[dict[str, str]] = json.loads(Path(__file__).with_name("math_exemplars.json").read_text(encoding="utf-8"))
    return found


@register
@dataclass
class MATH(Generation):
    """MATH (Hendrycks et al., 2021, arXiv 2103.03874): competition mathematics in seven subjects. MIT.

    The report states 4-shot sampling with chain of thought. Prompt, extraction and equality are Minerva's: the exemplars close
    with "The final answer is $...$. I hope it is correct.", and answers are equal as normalised text or by computer algebra.
    `math_verify`, the library's reading of the whole text, is a diagnostic.
    """

    dataset: DatasetRef = field(
        default_factory=lambda: DatasetRef("EleutherAI/hendrycks_math", split="test", fewshot_split="train", configs=list(SUBJECTS))
    )
    num_fewshot: int = 4
    fewshot: Fewshot = Fewshot.published
    max_tokens: int = 1024
    stop: list[str] = field(default_factory=lambda: ["Problem:"])

    name = "math"
    card = "MATH"
    slow_scoring = True
    undisclosed = (
        "Exemplars and answer checker are not stated: Minerva's; its LaTeX is read by the parser of math-verify. All 5,000 problems."
    )

    def subset(self, row: Row, config: str) -> str:
        return config

    def query(self, row: Row) -> str:
        return f"Problem:\n{row['problem']}\n\nSolution:"

    def solution(self, row: Row) -> str:
        answer = " ".join(self.golds(row)[0].split())
        return f"{row['solution']}\nFinal Answer: The final answer is ${answer}$. I hope it is correct."

    def golds(self, row: Row) -> list[str]:
        return [minerva.boxed(row["solution"]).rstrip(". ")]

    def published_shots(self, row: Row) -> list[str]:
        return [f"{self.query(shot)} {shot['solution']}" for shot in exemplars()]

    def extract(self, text: str) -> str | None:
        return minerva.final_answer(text)

    def judge(self, answer: str, golds: list[str]) -> float:
        return float(any(minerva.equivalent(answer, gold) for gold in golds))

    @property
    def metrics(self) -> tuple[str, ...]:
        return (*super().metrics, "math_verify")

    def grade(self, text: str, target: JSON) -> Grade:
        verdict = super().grade(text, target)
        assert isinstance(target, list)
        right = any(minerva.verified(text, str(gold)) for gold in target)
        return Grade({**verdict.scores, "math_verify": float(right)}, verdict.extracted)


@register
@dataclass
class MATHIT(Chat, MATH):
    """MATH zero-shot, for instruction-tuned models. Data, licence and equality as `math`.

    The answer is the last one boxed or stated; `math_verify`, the library's reading of the whole reply, is a diagnostic.
    """

    name = "math_it"
    bundled = "math"
    undisclosed = "Prompt and answer checker are not stated: a boxed answer is asked for, equality is Minerva's. All 5,000 problems."

    def query(self, row: Row) -> str:
        return f"{row['problem'].strip()}\n\nThink step by step, and put the final answer in \\boxed{{}}."

    def solution(self, row: Row) -> str:
        return str(row["solution"])

    def extract(self, text: str) -> str | None:
        return final_answer.formula(text)
