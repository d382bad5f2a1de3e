import ast
import re
from dataclasses import dataclass, field
from string import ascii_uppercase

from gemma_eval.metrics import mmmu
from gemma_eval.task import JSON, DatasetRef, Fewshot, Grade, Parts, Row, chosen, register

from .visual_question import VisualQuestion, lettered_options, place_images

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
    """MMMU (Yue et al., 2024, arXiv 2311.16502): college exams in 30 subjects, with up to seven images a question.

    Licence: Apache 2.0. Card row: "MMMU (pt)".

    The report states 3-shot sampling with text-only exemplars. It gives neither prompt nor examples: we use the authors'
    instructions, and the first three dev questions of the subject without their images. Images stand where the question marks them.
    The score is the mean over items.

    Open answers are read by the authors' parser. Of an option, the letter that the reply gives counts; the diagnostic `authors` takes
    that of the authors' parser. An answer that cannot be parsed is wrong; the authors' code would guess.
    """

    dataset: DatasetRef = field(
        default_factory=lambda: DatasetRef(
            "MMMU/MMMU",
            split="validation",
            fewshot_split="dev",
            configs=list(SUBJECTS),
            pinned="98e6ac0cb9b7b2cd2c991b85a50762edc4aedc68",
        )
    )
    num_fewshot: int = 3
    fewshot: Fewshot = Fewshot.first

    name = "mmmu"
    card = "MMMU"
    undisclosed = (
        "Google does not publish its prompt or examples; we use the authors' instructions and the subject's first three dev questions, "
        "without images. An answer that cannot be parsed counts as wrong and is not guessed."
    )
    fewshot_by_subset = True
    text_only_shots = True

    def subset(self, row: Row, config: str) -> str:
        return config

    def question(self, row: Row) -> str:
        options = lettered_options(_options(row))
        return "\n".join(part for part in (row["question"].strip(), options, INSTRUCTIONS[row["question_type"]]) if part)

    def query(self, row: Row) -> Parts:
        return place_images(f"{self.question(row)}\nAnswer:", row, MARK)

    def golds(self, row: Row) -> list[str]:
        answer = str(row["answer"])
        if row["question_type"] != "open":
            letters = list(ascii_uppercase[: len(_options(row))])
            return [chosen(letters, letters.index(answer))]
        return [str(one) for one in ast.literal_eval(answer)] if answer.startswith("[") else [answer]

    def target(self, row: Row) -> JSON:
        return {"answers": list(self.golds(row)), "options": list(_options(row)), "open": row["question_type"] == "open"}

    @property
    def metrics(self) -> tuple[str, ...]:
        return (self.primary, "authors")

    def diagnostic_answers(self, text: str, target: JSON) -> dict[str, str | None]:
        assert isinstance(target, dict) and isinstance(target["options"], list)
        return {} if target["open"] else {"authors": mmmu.choice(text, [str(option) for option in target["options"]])}

    def grade(self, text: str, target: JSON) -> Grade:
        assert isinstance(target, dict) and isinstance(target["answers"], list) and isinstance(target["options"], list)
        golds, options = [str(answer) for answer in target["answers"]], [str(option) for option in target["options"]]
        if target["open"]:
            score = mmmu.open_answer(text, golds)
            return Grade({self.primary: score, "authors": score}, text.strip() or None)
        letter = mmmu.letter(text, options)
        return Grade({self.primary: float(letter in golds), "authors": float(mmmu.choice(text, options) in golds)}, letter)


def _options(row: Row) -> list[str]:
    """The texts of the options. The dataset holds them as the source of a Python list."""
    return [str(option) for option in ast.literal_eval(row["options"] or "[]")]
