import ast
import re
from dataclasses import dataclass, field

from gemma_eval.metrics import mmmu
from gemma_eval.task import DatasetRef, Fewshot, Row, register
from gemma_eval.types import JSON, Grade, Parts

from .visual_question import VisualQuestion, lettered, placed

SUBJECTS = [
    "Accounting", "Agriculture", "Architecture_and_Engineering", "Art", "Art_Theory", "Basic_Medical_Science", "Biology", "Chemistry",
    "Clinical_Medicine", "Computer_Science", "Design", "Diagnostics_and_Laboratory_Medicine", "Economics", "Electronics",
    "Energy_and_Power", "Finance", "Geography", "History", "Literature", "Manage", "Marketing", "Materials", "Math",
    "Mechanical_Engineering", "Music", "Pharmacy", "Physics", "Psychology", "Public_Health", "Sociology"
]  # fmt: skip
MARK = re.compile(r"<image (\d)>")
INSTRUCTIONS = {
    "multiple-choice": "Answer with the option's letter from the given choices directly.",
    "open": "Answer the question using a single word or phrase.",
}


@register
@dataclass
class MMMU(VisualQuestion):
    """MMMU (Yue et al., 2024, arXiv 2311.16502): college exams of 30 subjects with up to seven pictures a question. Apache 2.0.

    The report states 3-shot sampling with exemplars of text only: the subject's first dev questions, without their pictures.
    Pictures stand where the question marks them. Answers are read by the authors' parsers, but what they would guess at
    random is wrong. Mean over items.
    """

    dataset: DatasetRef = field(
        default_factory=lambda: DatasetRef("MMMU/MMMU", split="validation", fewshot_split="dev", configs=list(SUBJECTS))
    )
    num_fewshot: int = 3
    fewshot: Fewshot = Fewshot.first

    name = "mmmu"
    card = "MMMU"
    undisclosed = (
        "Prompt and exemplars are not stated: the authors' instructions, the subject's first three dev questions without their "
        "pictures. What could not be parsed counts as wrong, never as a guess."
    )
    fewshot_by_subset = True
    text_only_shots = True

    def subset(self, row: Row, config: str) -> str:
        return config

    def question(self, row: Row) -> str:
        options = lettered(_options(row))
        return "\n".join(part for part in (row["question"].strip(), options, INSTRUCTIONS[row["question_type"]]) if part)

    def query(self, row: Row) -> Parts:
        return placed(f"{self.question(row)}\nAnswer:", row, MARK)

    def golds(self, row: Row) -> list[str]:
        answer = str(row["answer"])
        return [str(one) for one in ast.literal_eval(answer)] if answer.startswith("[") else [answer]

    def target(self, row: Row) -> JSON:
        return {"answers": list(self.golds(row)), "options": list(_options(row)), "open": row["question_type"] == "open"}

    def grade(self, text: str, target: JSON) -> Grade:
        assert isinstance(target, dict) and isinstance(target["answers"], list) and isinstance(target["options"], list)
        golds, options = [str(answer) for answer in target["answers"]], [str(option) for option in target["options"]]
        if target["open"]:
            return Grade({self.primary: mmmu.open_answer(text, golds)}, text.strip() or None)
        letter = mmmu.choice(text, options)
        return Grade({self.primary: float(letter in golds)}, letter)


def _options(row: Row) -> list[str]:
    """The Hub keeps them as Python source."""
    return [str(option) for option in ast.literal_eval(row["options"] or "[]")]
