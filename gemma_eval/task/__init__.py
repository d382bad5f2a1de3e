"""The one door for task pages. A page imports from here, and its metrics from `gemma_eval.metrics`.

A page is a registered dataclass. Its fields are settings, its class attributes describe the benchmark, and its methods are the
protocol. `tasks/reasoning/piqa.py` without its docstring:

    from dataclasses import dataclass

    from gemma_eval.task import DatasetRef, MultipleChoice, Row, register


    @register
    @dataclass
    class PIQA(MultipleChoice):
        dataset: DatasetRef = DatasetRef("baber/piqa", split="validation", fewshot_split="train", pinned="142f6d7367fd...")

        name = "piqa"
        card = "PIQA"
        undisclosed = "Google does not publish its prompt; we use lm-eval's."

        def query(self, row: Row) -> str:
            return f"Question: {row['goal']}\\nAnswer:"

        def choices(self, row: Row) -> list[str]:
            return [row["sol1"], row["sol2"]]

        def answer(self, row: Row) -> int:
            return int(row["label"])

What a page uses for what:

- `register` checks the page and adds its task.
- `MultipleChoice` compares given choices: `query`, `choices`, `answer`; `Normalization` says what likelihoods are divided by, and
  `Continuation` gives a choice a form of its own. `Generation` writes text: `query`, `golds`, `judge`; or `grade`, which returns a
  `Grade`. `CodeGeneration` runs the text as a program, and `CodeChat` the one in a reply. `Task` is the base of all.
- `Chat`, `Lettered`, `LetteredChat` and `VisionTask` are mixed in, for plain questions to instruction-tuned models, for answers
  that are letters, and for prompts with images.
- `DatasetRef` names repository, splits and configurations; `Row` is a row as the page reads it. `Fewshot` says where exemplars come
  from, `Average` how subsets make a score.
- `chosen` is the choice with an index, which must be one of theirs.
- `Prompt`, `Image`, `Parts` (text and images in order), `as_parts`, `Generate` and `Sample` are for pages that build prompts or
  samples their own way; `JSON` is the type of a target.
- `Record`, `GenerateResponse` and `CorpusScore` are for metrics over several items (`records_to_average`, `corpus_metrics`).
- `Source`, `Table`, `ListedRows`, `Read`, `TokenCounter` are for pages that generate their items (`Task.table`, `Task.reads`); see
  `tasks/long_context/ruler.py`.
"""

from gemma_eval.data.dataset import DatasetRef, Read
from gemma_eval.data.rows import ListedRows, Row
from gemma_eval.data.sources import Source
from gemma_eval.data.table import Table
from gemma_eval.task.base import Average, Generation, MultipleChoice, Normalization, Task, chosen
from gemma_eval.task.chat import Chat
from gemma_eval.task.code import CodeChat, CodeGeneration
from gemma_eval.task.fewshot import Fewshot
from gemma_eval.task.lettered import Lettered, LetteredChat
from gemma_eval.task.registry import register
from gemma_eval.task.vision import VisionTask
from gemma_eval.types import (
    JSON,
    Continuation,
    CorpusScore,
    Generate,
    GenerateResponse,
    Grade,
    Image,
    Parts,
    Prompt,
    Record,
    Sample,
    TokenCounter,
    as_parts,
)

__all__ = [
    "JSON",
    "Average",
    "Chat",
    "CodeChat",
    "CodeGeneration",
    "Continuation",
    "CorpusScore",
    "DatasetRef",
    "Fewshot",
    "Generate",
    "GenerateResponse",
    "Generation",
    "Grade",
    "Image",
    "Lettered",
    "LetteredChat",
    "ListedRows",
    "MultipleChoice",
    "Normalization",
    "Parts",
    "Prompt",
    "Read",
    "Record",
    "Row",
    "Sample",
    "Source",
    "Table",
    "Task",
    "TokenCounter",
    "VisionTask",
    "as_parts",
    "chosen",
    "register",
]
