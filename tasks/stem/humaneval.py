from dataclasses import dataclass, field

from gemma_eval.metrics import code
from gemma_eval.task import CodeChat, CodeGeneration, DatasetRef, Row, register


@register
@dataclass
class HumanEval(CodeGeneration):
    """HumanEval (Chen et al., 2021, arXiv 2107.03374): complete a Python function from its signature and docstring.

    Licence: MIT. Card row: "HumanEval", 0-shot.

    The report states zero-shot pass@1. It gives neither temperature, stop strings nor limits: we decode greedily, stop at the paper's
    five strings, which begin a new top-level statement, and allow 512 tokens and 10 s of CPU time. The prompt is the row's,
    unchanged. The program is prompt and completion; the row's tests are run after it.
    """

    dataset: DatasetRef = DatasetRef("openai/openai_humaneval", split="test", pinned="7dce6050a7d6d172f3cc5c32aa97f52fa1a2e544")
    max_tokens: int = 512
    stop: list[str] = field(default_factory=lambda: ["\nclass", "\ndef", "\n#", "\nif", "\nprint"])

    name = "humaneval"
    card = "HumanEval"
    undisclosed = (
        "Google does not say which temperature, stop strings or limits it used; we decode greedily, with the paper's stop strings, 512 "
        "tokens and 10 s of CPU time."
    )

    def query(self, row: Row) -> str:
        return str(row["prompt"])

    def golds(self, row: Row) -> list[str]:
        return [row["canonical_solution"]]

    def preamble(self, row: Row) -> str:
        return str(row["prompt"])

    def tests(self, row: Row) -> str:
        return f"{row['test']}\ncheck({row['entry_point']})"


@register
@dataclass
class HumanEvalIT(CodeChat, HumanEval):
    """HumanEval for instruction-tuned models: write the whole function. Card row: "HumanEval", 0-shot. Data, licence and tests as
    `humaneval`.

    The program is the row's prompt, then the first code block of the reply that defines the function. The prompt is a program too: it
    has the item's imports and helpers, and a function without a body. The reply defines the function again, or completes it if it
    gives the body alone.
    """

    name = "humaneval_it"
    bundled = "humaneval"
    undisclosed = (
        "Google does not publish its prompt, temperature or limits, or say how it extracted programs; we decode greedily, run the first "
        "code block with a definition, and allow 10 s of CPU time."
    )

    def query(self, row: Row) -> str:
        return (
            "Complete this Python function. Reply with the whole function in one Python code block.\n\n"
            f"```python\n{row['prompt'].strip()}\n```"
        )

    def golds(self, row: Row) -> list[str]:
        return [row["prompt"] + row["canonical_solution"]]

    def solution(self, row: Row) -> str:
        return code.fenced(self.golds(row)[0])
