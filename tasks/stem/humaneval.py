from dataclasses import dataclass, field

from gemma_eval.metrics import code
from gemma_eval.task import Chat, CodeGeneration, DatasetRef, Row, register


@register
@dataclass
class HumanEval(CodeGeneration):
    """HumanEval (Chen et al., 2021, arXiv 2107.03374): complete a Python function from its signature and docstring. MIT.

    The report states 0-shot pass@1. The prompt is the row's, with nothing added or stripped; generation stops where a new top-level
    statement begins, by the paper's five stop strings; prompt and completion are run, then the row's tests.
    """

    dataset: DatasetRef = DatasetRef("openai/openai_humaneval", split="test")
    max_tokens: int = 512
    stop: list[str] = field(default_factory=lambda: ["\nclass", "\ndef", "\n#", "\nif", "\nprint"])

    name = "humaneval"
    card = "HumanEval"
    undisclosed = "Temperature, stop strings and limits are not stated: greedy, the paper's stop strings, 512 tokens, 10 s of CPU time."

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
class HumanEvalIT(Chat, HumanEval):
    """HumanEval for instruction-tuned models: write the whole function. Data, licence and tests as `humaneval`.

    The program is the reply's first code block with a definition, after the row's prompt: that is a program too, with the imports
    and helpers of the item and a function without a body, which the answer defines anew or, giving the body alone, completes.
    """

    name = "humaneval_it"
    bundled = "humaneval"
    undisclosed = "Prompt, extraction, temperature and limits are not stated: greedy, the reply's first code block, 10 s of CPU time."

    def query(self, row: Row) -> str:
        return (
            "Complete this Python function. Reply with the whole function in one Python code block.\n\n"
            f"```python\n{row['prompt'].strip()}\n```"
        )

    def golds(self, row: Row) -> list[str]:
        return [row["prompt"] + row["canonical_solution"]]

    def solution(self, row: Row) -> str:
        return code.fenced(self.golds(row)[0])

    def extract(self, text: str) -> str | None:
        return code.from_reply(text)
