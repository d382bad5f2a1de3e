import re
from collections.abc import Callable
from dataclasses import dataclass, field

from gemma_eval.metrics import final_answer, math
from gemma_eval.task import Chat, DatasetRef, Fewshot, Generation, Row, register

PHRASE = "The answer is"

# The eight chain-of-thought exemplars of Wei et al., 2022 (arXiv 2201.11903, appendix G, table 20).
EXEMPLARS = [
    (
        "There are 15 trees in the grove. Grove workers will plant trees in the grove today. After they are done, "
        "there will be 21 trees. How many trees did the grove workers plant today?",
        "There are 15 trees originally. Then there were 21 trees after some more were planted. So there must have been "
        "21 - 15 = 6. The answer is 6.",
    ),
    (
        "If there are 3 cars in the parking lot and 2 more cars arrive, how many cars are in the parking lot?",
        "There are originally 3 cars. 2 more cars arrive. 3 + 2 = 5. The answer is 5.",
    ),
    (
        "Leah had 32 chocolates and her sister had 42. If they ate 35, how many pieces do they have left in total?",
        "Originally, Leah had 32 chocolates. Her sister had 42. So in total they had 32 + 42 = 74. After eating 35, they "
        "had 74 - 35 = 39. The answer is 39.",
    ),
    (
        "Jason had 20 lollipops. He gave Denny some lollipops. Now Jason has 12 lollipops. How many lollipops did Jason give to Denny?",
        "Jason started with 20 lollipops. Then he had 12 after giving some to Denny. So he gave Denny 20 - 12 = 8. The answer is 8.",
    ),
    (
        "Shawn has five toys. For Christmas, he got two toys each from his mom and dad. How many toys does he have now?",
        "Shawn started with 5 toys. If he got 2 toys each from his mom and dad, then that is 4 more toys. 5 + 4 = 9. The answer is 9.",
    ),
    (
        "There were nine computers in the server room. Five more computers were installed each day, from monday to "
        "thursday. How many computers are now in the server room?",
        "There were originally 9 computers. For each of 4 days, 5 more computers were added. So 5 * 4 = 20 computers "
        "were added. 9 + 20 is 29. The answer is 29.",
    ),
    (
        "Michael had 58 golf balls. On tuesday, he lost 23 golf balls. On wednesday, he lost 2 more. How many golf balls "
        "did he have at the end of wednesday?",
        "Michael started with 58 golf balls. After losing 23 on tuesday, he had 58 - 23 = 35. After losing 2 more, he "
        "had 35 - 2 = 33 golf balls. The answer is 33.",
    ),
    (
        "Olivia has $23. She bought five bagels for $3 each. How much money does she have left?",
        "Olivia had 23 dollars. 5 bagels for 3 dollars each will be 5 x 3 = 15 dollars. So she has 23 - 15 dollars left. "
        "23 - 15 is 8. The answer is 8.",
    ),
]


@register
@dataclass
class GSM8K(Generation):
    """GSM8K (Cobbe et al., 2021, arXiv 2110.14168): word problems in grade-school mathematics.

    Licence: MIT. Card row: "GSM8K", 8-shot.

    The report states 8-shot sampling with chain of thought. It does not give the examples: we use the eight of Wei et al. (2022).

    The answer is the number after the last "The answer is". The diagnostic `flexible` takes the last number anywhere.
    """

    dataset: DatasetRef = DatasetRef(
        "openai/gsm8k", config="main", split="test", fewshot_split="train", pinned="740312add88f781978c0658806c59bc2815b9866"
    )
    num_fewshot: int = 8
    fewshot: Fewshot = Fewshot.published
    max_tokens: int = 256
    stop: list[str] = field(default_factory=lambda: ["\nQ:", "\n\n"])

    name = "gsm8k"
    card = "GSM8K"
    undisclosed = "Google does not say which examples it used; we use the eight of Wei et al. (2022). An earlier card said 5-shot, maj@1."

    def query(self, row: Row) -> str:
        return f"Q: {row['question']}\nA:"

    def solution(self, row: Row) -> str:
        steps = re.sub(r"<<.*?>>", "", row["answer"].partition("####")[0]).split("\n")
        return f"{' '.join(step.strip() for step in steps if step.strip())} {PHRASE} {self.golds(row)[0]}."

    def golds(self, row: Row) -> list[str]:
        return [row["answer"].rpartition("####")[2].strip().replace(",", "")]

    def published_shots(self, row: Row) -> list[str]:
        return [f"Q: {question}\nA: {answer}" for question, answer in EXEMPLARS]

    def extract(self, text: str) -> str | None:
        return math.number_after(text, PHRASE)

    def diagnostics(self) -> dict[str, Callable[[str], str | None]]:
        return {"flexible": math.last_number}

    def judge(self, answer: str, golds: list[str]) -> float:
        return math.same_number(answer, golds)


@register
@dataclass
class GSM8KIT(Chat, GSM8K):
    """GSM8K zero-shot with chain of thought, for instruction-tuned models. Card row: "GSM8K", 0-shot. Data and licence as `gsm8k`.

    The answer is the last number stated or boxed, unless a correction follows ("No wait, 18"); without one, the number that the end of
    the reply comes to. A reply that names two has none. The diagnostic `flexible` takes the last number anywhere.
    """

    name = "gsm8k_it"
    bundled = "gsm8k"
    undisclosed = (
        "Google does not publish its prompt, or say how it extracted answers; ours asks for steps and 'The answer is ...', and we read "
        "the last number stated or boxed, else the one that the reply ends with."
    )

    def query(self, row: Row) -> str:
        return f'{row["question"].strip()}\n\nThink step by step, then finish with "The answer is ...", giving the number alone.'

    def extract(self, text: str) -> str | None:
        return final_answer.number(text)
