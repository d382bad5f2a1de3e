import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from gemma_eval.metrics import final_answer, hendrycks, math_answer, minerva
from gemma_eval.task import JSON, Chat, DatasetRef, Fewshot, Generation, Grade, Row, register

SUBJECTS = ["algebra", "counting_and_probability", "geometry", "intermediate_algebra", "number_theory", "prealgebra", "precalculus"]
CHECKERS = {"is_equiv": hendrycks.is_equiv, "minerva": minerva.equivalent}  # published ones, beside ours


@cache
def exemplars() -> list[dict[str, str]]:
    """The four exemplars of Lewkowycz et al., 2022 (arXiv 2206.14858, appendix D)."""
    found: list[dict[str, str]] = json.loads(Path(__file__).with_name("math_exemplars.json").read_text(encoding="utf-8"))
    return found


@register
@dataclass
class MATH(Generation):
    """MATH (Hendrycks et al., 2021, arXiv 2103.03874): competition mathematics in seven subjects.

    Licence: MIT. Card row: "MATH", 4-shot.

    The report states 4-shot sampling with chain of thought. It gives neither examples nor answer checker: prompt and extraction are
    Minerva's. Its exemplars end with "The final answer is $...$. I hope it is correct." Answers are equal if the MATH authors' rule
    says so, or if they differ in LaTeX alone or by computer algebra in nothing. We score all 5,000 problems.

    Three verdicts stand beside ours as diagnostics: `is_equiv` is the authors', a comparison of strings; `minerva` is Minerva's;
    `math_verify` is that of the library math-verify on the whole text.
    """

    dataset: DatasetRef = field(
        default_factory=lambda: DatasetRef(
            "EleutherAI/hendrycks_math",
            split="test",
            fewshot_split="train",
            configs=list(SUBJECTS),
            pinned="21a5633873b6a120296cce3e2df9d5550074f4a3",
        )
    )
    num_fewshot: int = 4
    fewshot: Fewshot = Fewshot.published
    max_tokens: int = 1024
    stop: list[str] = field(default_factory=lambda: ["Problem:"])

    name = "math"
    card = "MATH"
    slow_scoring = True
    undisclosed = (
        "Google does not say which examples or answer checker it used; we use Minerva's examples, and a checker that accepts what "
        "the MATH authors' does and other LaTeX for the same answer, on all 5,000 problems."
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
        return float(any(math_answer.right(answer, gold) for gold in golds))

    @property
    def metrics(self) -> tuple[str, ...]:
        return (*super().metrics, *CHECKERS, "math_verify")

    def grade(self, text: str, target: JSON) -> Grade:
        grade = super().grade(text, target)
        assert isinstance(target, list)
        golds = [str(gold) for gold in target]
        found = {
            name: grade.extracted is not None and any(same(grade.extracted, gold) for gold in golds) for name, same in CHECKERS.items()
        }
        found["math_verify"] = any(minerva.verified(text, gold) for gold in golds)
        return Grade({**grade.scores, **{name: float(right) for name, right in found.items()}}, grade.extracted)


@register
@dataclass
class MATHIT(Chat, MATH):
    """MATH zero-shot, for instruction-tuned models. Card row: "MATH", 0-shot. Data, licence and equality as `math`.

    The answer is the last one boxed or stated. The diagnostics are those of `math`.
    """

    name = "math_it"
    bundled = "math"
    undisclosed = (
        "Google does not publish its prompt or answer checker; we ask for a boxed answer, and accept what the MATH authors' checker "
        "does and other LaTeX for the same answer, on all 5,000 problems."
    )

    def query(self, row: Row) -> str:
        return f"{row['problem'].strip()}\n\nThink step by step, and put the final answer in \\boxed{{}}."

    def solution(self, row: Row) -> str:
        return str(row["solution"])

    def extract(self, text: str) -> str | None:
        return final_answer.formula(text)
