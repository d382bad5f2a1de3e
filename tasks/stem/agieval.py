# ruff: noqa: RUF001  Chinese punctuation is meant
import hashlib
from dataclasses import dataclass, field

from gemma_eval.metrics import agieval
from gemma_eval.task import JSON, Average, DatasetRef, Generation, Grade, Prompt, Row, chosen, register

ENGLISH = [
    "aqua-rat",
    "gaokao-english",
    "logiqa-en",
    "lsat-ar",
    "lsat-lr",
    "lsat-rc",
    "math",
    "sat-en",
    "sat-en-without-passage",
    "sat-math",
]
CHINESE = [f"gaokao-{subject}" for subject in ("biology", "chemistry", "chinese", "geography", "history", "mathcloze", "mathqa", "physics")]
CHINESE += ["jec-qa-ca", "jec-qa-kd", "logiqa-zh"]
WITHOUT_PASSAGE = "sat-en-without-passage"  # the questions of sat-en again; not one of the paper's 20 parts
VALUES = {"gaokao-mathcloze", "math"}  # without options: the answer is a value
SEVERAL_LETTERS = {"gaokao-mathqa", "gaokao-physics", "jec-qa-ca", "jec-qa-kd"}
SHOTS = dict.fromkeys(ENGLISH + CHINESE, 5) | {"math": 4}  # exemplars of each part, as the authors give them
SHOTS |= dict.fromkeys(["gaokao-chinese", "gaokao-english", "logiqa-en", "logiqa-zh", "lsat-ar", "lsat-lr", "lsat-rc"], 3)
SHOTS |= dict.fromkeys(["sat-en", WITHOUT_PASSAGE], 3)


@dataclass(frozen=True)
class Form:
    """The authors' words in one language.

    `question` and `options` are parts of their zero-shot queries, which the dataset holds. The others are parts of their few-shot prompt.
    """

    question: str
    options: str
    header: str
    problem: str
    choose: str
    answer: str


EN = Form(
    question="Q: ",
    options=" Answer Choices: ",
    header="Here are the answers for the problems in the exam.\n",
    problem="Problem {}.   ",
    choose="Choose from the following options:    ",
    answer="The answer is therefore",
)
ZH = Form(
    question="问题：",
    options=" 选项：",
    header="以下是考试中各个问题的答案。\n",
    problem="问题 {}.   ",
    choose="从以下选项中选择:    ",
    answer="答案是",
)


@register
@dataclass
class AGIEval(Generation):
    """AGIEval (Zhong et al., 2023, arXiv 2304.06364): admission and licensing exams.

    Licence: MIT; the exam texts have their own terms. Card row: "AGIEval", 3-5-shot.

    The report states 3-5-shot sampling, and leaves the column for chain of thought empty. It gives neither parts nor examples: we
    score lm-eval's ten English parts, each with the same weight. The prompt is the authors' few-shot form without explanations, with
    as many exemplars for each part as they give. Their own exemplars are in no dataset on the Hub, so ours are drawn from the part
    itself and not scored.

    A single right letter must match; in parts with several right letters, all of them must. Values are compared by the rules of the
    MATH authors. The diagnostic `flexible` reads and compares answers by the authors' script.
    """

    dataset: DatasetRef = field(
        default_factory=lambda: DatasetRef("hails/agieval-{config}", split="test", fewshot_split="test", configs=list(ENGLISH))
    )
    num_fewshot: int = 5  # at most; see SHOTS
    max_tokens: int = 64

    name = "agieval"
    card = "AGIEval"
    undisclosed = (
        "Google does not say which parts or examples it used; we average lm-eval's ten English parts (agieval_all: all 20). The authors' "
        "examples are in no dataset on the Hub; ours are drawn from each part (seed 1234 by default) and not scored."
    )
    average = Average.macro
    fewshot_by_subset = True

    def subset(self, row: Row, config: str) -> str:
        return config

    def shots_of(self, subset: str) -> int:
        """The authors' number of exemplars, or `num_fewshot` if it is lower. Above 5, it is used for every part."""
        return min(self.num_fewshot, SHOTS.get(subset, 5)) if self.num_fewshot <= 5 else self.num_fewshot

    def header(self, row: Row) -> str:
        return _form(row).header

    def query(self, row: Row) -> str:
        return self.problem(row, 1)

    def problem(self, row: Row, number: int) -> str:
        """The item in the authors' few-shot form, with this number. The dataset has it in their zero-shot form, as one string."""
        form = _form(row)
        passage, question = _parts(row)
        options = f"{form.choose}{' '.join(row['choices'])}\n" if _has_options(row) else ""
        return f"{form.problem.format(number)}{passage} {question}\n{options}{form.answer}"

    def prompt(self, row: Row, shots: list[Row]) -> Prompt:
        texts = [f"{self.problem(shot, i)} {self.solution(shot)}{self.shot_separator}" for i, shot in enumerate(shots, start=1)]
        return Prompt((self.problem(row, len(shots) + 1),), tuple((text,) for text in texts), (self.header(row),))

    def golds(self, row: Row) -> list[str]:
        return [_letters(row)] if _has_options(row) else [row["answer"]]

    def target(self, row: Row) -> JSON:
        reading = ("letters" if row["config"] in SEVERAL_LETTERS else "letter") if _has_options(row) else "value"
        return {"reading": reading, "gold": self.golds(row)[0]}

    @property
    def metrics(self) -> tuple[str, ...]:
        return ("exact_match", "flexible")

    def diagnostic_answers(self, text: str, target: JSON) -> dict[str, str | None]:
        assert isinstance(target, dict)
        _, (read, _) = READINGS[str(target["reading"])]
        return {"flexible": read(text)}

    def grade(self, text: str, target: JSON) -> Grade:
        """`exact_match` reads the answer with care; `flexible` is the authors' rule."""
        assert isinstance(target, dict)
        gold, readings = str(target["gold"]), READINGS[str(target["reading"])]
        answers = [read(text) for read, _ in readings]
        scores = [0.0 if answer is None else same(answer, gold) for answer, (_, same) in zip(answers, readings, strict=True)]
        return Grade(dict(zip(self.metrics, scores, strict=True)), answers[0])

    def cluster(self, row: Row, config: str, id: str) -> str:
        passage, _ = _parts(row)
        return f"{config}/{hashlib.sha256(passage.encode()).hexdigest()[:16]}" if passage else id


@register
@dataclass
class AGIEvalAll(AGIEval):
    """AGIEval (Zhong et al., 2023, arXiv 2304.06364): all 20 parts of the paper, English and Chinese. Data, licence and protocol as
    `agieval`.

    The score is the mean over the 20 parts.
    """

    dataset: DatasetRef = field(
        default_factory=lambda: DatasetRef(
            "hails/agieval-{config}",
            split="test",
            fewshot_split="test",
            configs=[part for part in ENGLISH + CHINESE if part != WITHOUT_PASSAGE],
        )
    )

    name = "agieval_all"
    bundled = "agieval"
    undisclosed = (
        "Google does not say which parts or examples it used; we average the paper's 20 parts (agieval: the ten English ones). The "
        "authors' examples are in no dataset on the Hub; ours are drawn from each part (seed 1234 by default) and not scored."
    )


def _same_letters(answer: str, gold: str) -> float:
    """1 if the letters are the same, else 0."""
    return float(answer == gold)


READINGS = {  # how an answer is read and compared: with care, and by the authors' rule
    "letter": ((agieval.letter, _same_letters), (agieval.first_letter, _same_letters)),
    "letters": ((agieval.letters, _same_letters), (agieval.all_letters, _same_letters)),
    "value": ((agieval.value, agieval.same_value), (agieval.authors_value, agieval.authors_same_value)),
}


def _has_options(row: Row) -> bool:
    """Whether the answer is one of several options, which must then be there. The rows of the other parts give a value."""
    return row.get("config") not in VALUES and row.get("answer") is None


def _letters(row: Row) -> str:
    """The letters of the right options."""
    return "".join(chosen("ABCDEFG"[: len(row["choices"])], index) for index in sorted({*row["gold"]}))


def _form(row: Row) -> Form:
    """The form in the language of the row."""
    return ZH if row["query"].rpartition("\n")[2].startswith("答案") else EN


def _parts(row: Row) -> tuple[str, str]:
    """Passage ("" if there is none) and question of a zero-shot query.

    The query is: passage, "Q: ", question, " Answer Choices: ", options, last line.
    """
    form = _form(row)
    item = row["query"].rpartition("\n")[0]
    if _has_options(row):
        item = item.rpartition(form.options)[0]
    passage, _, question = item.rpartition(form.question)
    return passage.strip(), question.strip()
