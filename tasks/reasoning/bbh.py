import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from gemma_eval.metrics import final_answer
from gemma_eval.task import Average, Chat, DatasetRef, Fewshot, Generation, Row, register

PROMPTS = Path(__file__).with_name("bbh_cot_prompts")
TASKS = sorted(file.stem for file in PROMPTS.glob("*.txt"))


@cache
def published(task: str) -> tuple[str, list[str]]:
    """Description and exemplars of a task's chain-of-thought prompt, from the authors' repository (MIT), below its canary line."""
    text = (PROMPTS / f"{task}.txt").read_text(encoding="utf-8").partition("\n-----\n")[2].strip()
    description, *shots = re.split(r"\n\n(?=Q: )", text)
    return description, shots


@register
@dataclass
class BBH(Generation):
    """BIG-Bench Hard (Suzgun et al., 2022, arXiv 2210.09261): 27 tasks of BIG-Bench on which models were behind people. MIT.

    The report states few-shot sampling with chain of thought. The prompts are the published ones, with three exemplars a
    task; the answer is what follows the last "the answer is" on its line, without the full stop, and must match exactly.
    The score is the mean over tasks, as in the paper.
    """

    dataset: DatasetRef = field(default_factory=lambda: DatasetRef("SaylorTwift/bbh", split="test", configs=list(TASKS)))
    num_fewshot: int = 3
    fewshot: Fewshot = Fewshot.published
    max_tokens: int = 1024
    stop: list[str] = field(default_factory=lambda: ["\nQ:", "\n\n"])

    name = "bbh"
    card = "BIG-Bench Hard"
    undisclosed = "Number of exemplars and average are not stated: the three published ones, mean over the 27 tasks."
    average = Average.macro

    def subset(self, row: Row, config: str) -> str:
        return config

    def header(self, row: Row) -> str:
        return f"{published(row['config'])[0]}\n\n"

    def published_shots(self, row: Row) -> list[str]:
        return published(row["config"])[1]

    def query(self, row: Row) -> str:
        return f"Q: {row['input']}\nA: Let's think step by step."

    def solution(self, row: Row) -> str:
        return f"So the answer is {self.golds(row)[0]}."

    def golds(self, row: Row) -> list[str]:
        return [row["target"]]

    def extract(self, text: str) -> str | None:
        _, *answers = re.split(r"[Tt]he answer is ", text)
        return answers[-1].partition("\n")[0].strip().removesuffix(".") or None if answers else None

    def judge(self, answer: str, golds: list[str]) -> float:
        return float(answer in golds)


@register
@dataclass
class BBHIT(Chat, BBH):
    """BIG-Bench Hard zero-shot, for instruction-tuned models. Data, licence and average as `bbh`.

    The question follows the task's published description. The answer is the last one stated; an option counts by its letter, a
    one-word answer by the first word, and lists without regard to commas and spaces.
    """

    name = "bbh_it"
    bundled = "bbh"
    undisclosed = "Prompt, reading of the answer and average are not stated: the tasks' published descriptions, mean over the 27 tasks."

    def query(self, row: Row) -> str:
        return (
            f"{row['input'].strip()}\n\n"
            'Think step by step, then finish with "The answer is ...", giving the answer alone; of options, the letter in parentheses.'
        )

    def extract(self, text: str) -> str | None:
        return final_answer.words(text)

    def judge(self, answer: str, golds: list[str]) -> float:
        return float(any(_same(answer, gold) for gold in golds))


def _same(answer: str, gold: str) -> bool:
    if re.fullmatch(r"\([A-Z]\)", gold):
        return final_answer.letter_of(answer) == gold[1]
    words = [re.sub(r"[\s,\"']+", " ", text).casefold().split() or [""] for text in (answer, gold)]
    if len(words[1]) == 1:
        return words[0][0].rstrip(".;") == words[1][0]
    return "".join(words[0]) == "".join(words[1])
