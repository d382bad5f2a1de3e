import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from gemma_eval.metrics import final_answer, options
from gemma_eval.task import Average, Chat, DatasetRef, Fewshot, Generation, Row, register

PROMPTS = Path(__file__).with_name("bbh_cot_prompts")
TASKS = sorted(file.stem for file in PROMPTS.glob("*.txt"))


@cache
def published(task: str) -> tuple[str, list[str]]:
    """Description and exemplars of a task's chain-of-thought prompt, as in github.com/suzgunmirac/BIG-Bench-Hard (MIT).

    The file begins with a canary, which is left out.
    """
    text = (PROMPTS / f"{task}.txt").read_text(encoding="utf-8").partition("\n-----\n")[2].strip()
    description, *shots = re.split(r"\n\n(?=Q: )", text)
    return description, shots


@register
@dataclass
class BBH(Generation):
    """BIG-Bench Hard (Suzgun et al., 2022, arXiv 2210.09261): 27 tasks of BIG-Bench on which models were worse than people.

    Licence: MIT. Card row: "BIG-Bench Hard", few-shot.

    The report states few-shot sampling with chain of thought. It gives neither the number of examples nor the average: we use the
    three published ones of each task, and the mean over tasks, as the paper does.

    The answer follows the last "the answer is", up to the end of the line, without its full stop. It must match exactly.
    """

    dataset: DatasetRef = field(
        default_factory=lambda: DatasetRef(
            "SaylorTwift/bbh", split="test", configs=list(TASKS), pinned="b5306be6f827cfafbb545ff5a51f96916029b0fd"
        )
    )
    num_fewshot: int = 3
    fewshot: Fewshot = Fewshot.published
    max_tokens: int = 1024
    stop: list[str] = field(default_factory=lambda: ["\nQ:", "\n\n"])

    name = "bbh"
    card = "BIG-Bench Hard"
    undisclosed = (
        "Google does not say how many examples it used or how it averaged; we use the three published ones, and average over the 27 tasks."
    )
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
    """BIG-Bench Hard zero-shot, for instruction-tuned models. Card row: "BIG-Bench Hard", 0-shot. Data, licence and average as `bbh`.

    The report gives neither the prompt nor how answers are read: we ask the question after the task's published description. The last
    answer stated counts. Of an option, its letter must match; of a one-word answer, its first word; of a list, everything but commas
    and spaces.
    """

    name = "bbh_it"
    bundled = "bbh"
    undisclosed = (
        "Google does not publish its prompt, or say how it read answers and averaged; we put the published description before each "
        "question, and average over the 27 tasks."
    )

    def query(self, row: Row) -> str:
        return (
            f"{row['input'].strip()}\n\n"
            'Think step by step, then finish with "The answer is ...", giving the answer alone; of options, the letter in parentheses.'
        )

    def extract(self, text: str) -> str | None:
        return final_answer.words(text) or options.letter(text, last="Z")

    def judge(self, answer: str, golds: list[str]) -> float:
        return float(any(_same(answer, gold) for gold in golds))


def _same(answer: str, gold: str) -> bool:
    """Whether the answer is right, by the rules in `BBHIT`."""
    if re.fullmatch(r"\([A-Z]\)", gold):
        return options.letter_at_start(answer) == gold[1]
    words, gold_words = (re.sub(r"[\s,\"']+", " ", text).casefold().split() or [""] for text in (answer, gold))
    if len(gold_words) == 1:
        return words[0].rstrip(".;") == gold_words[0]
    return "".join(words) == "".join(gold_words)
