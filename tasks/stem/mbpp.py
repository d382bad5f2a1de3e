from collections.abc import Callable
from dataclasses import dataclass, field

from gemma_eval.metrics import code
from gemma_eval.task import CodeChat, CodeGeneration, DatasetRef, Fewshot, Row, register

EXEMPLARS = [2, 3, 4]  # task ids of the paper's prompt (Austin et al., 2021)


@register
@dataclass
class MBPP(CodeGeneration):
    """MBPP (Austin et al., 2021, arXiv 2108.07732): write a short Python function that passes three given tests.

    Licence: CC BY 4.0. Card row: "MBPP", 3-shot.

    The report states 3-shot pass@1. It does not say which data: we use the full test split, with the paper's prompt and its
    exemplars. The program is the text before [DONE], as it stands. The diagnostic `unfenced` first takes it out of a Markdown code
    block.
    """

    dataset: DatasetRef = DatasetRef(
        "google-research-datasets/mbpp",
        config="full",
        split="test",
        fewshot_split="prompt",
        pinned="4bb6404fdc6cacfda99d4ac4205087b89d32030c",
    )
    num_fewshot: int = 3
    fewshot: Fewshot = Fewshot.first
    max_tokens: int = 512
    stop: list[str] = field(default_factory=lambda: ["[DONE]"])

    name = "mbpp"
    card = "MBPP"
    undisclosed = (
        "Google does not say whether it used the full or the sanitized data; we use the full test split, with the paper's prompt and its "
        "examples 2, 3 and 4. A program has 10 s of CPU time."
    )
    shot_separator = "\n[DONE]\n\n"

    def shot_rank(self, row: Row) -> int:
        return EXEMPLARS.index(row["task_id"]) if row["task_id"] in EXEMPLARS else len(EXEMPLARS)

    def query(self, row: Row) -> str:
        task = f"You are an expert Python programmer, and here is your task: {row['text']} Your code should pass these tests:"
        return "\n".join([task, "", *row["test_list"], "[BEGIN]\n"])

    def golds(self, row: Row) -> list[str]:
        return [row["code"].replace("\r\n", "\n")]

    def tests(self, row: Row) -> str:
        return "\n".join([row["test_setup_code"], *row["test_list"]])

    def diagnostics(self) -> dict[str, Callable[[str], str | None]]:
        return {"unfenced": lambda text: self.extract(code.unfence(text))}


@register
@dataclass
class MBPPIT(CodeChat, MBPP):
    """MBPP for instruction-tuned models. Card row: "MBPP", 3-shot. Data, licence, exemplars and tests as `mbpp`.

    The report states 3-shot pass@1 here too. Exemplars and question are in one turn, with programs in Markdown code blocks. The
    program is the first code block of the reply that defines what the tests use.
    """

    num_fewshot: int = 3

    name = "mbpp_it"
    bundled = "mbpp"
    undisclosed = (
        "Google does not publish its prompt, or say how it extracted programs; we use the paper's words and its examples 2, 3 and 4, in "
        "code blocks. A program has 10 s of CPU time."
    )
    shot_separator = "\n\n"
    target_delimiter = "\n\n"

    def header(self, row: Row) -> str:
        return "Reply with one Python code block, as in the examples.\n\n"

    def query(self, row: Row) -> str:
        return super().query(row).removesuffix("[BEGIN]\n").rstrip()

    def solution(self, row: Row) -> str:
        return code.fenced(self.golds(row)[0])

    def diagnostics(self) -> dict[str, Callable[[str], str | None]]:
        return {}
