"""All that a task page imports: its base classes, its data reference, `register`."""

from gemma_eval.data.dataset import DatasetRef
from gemma_eval.data.rows import Row
from gemma_eval.task.base import Average, Generation, MultipleChoice, Normalization, Task
from gemma_eval.task.chat import Chat
from gemma_eval.task.code import CodeGeneration
from gemma_eval.task.fewshot import Fewshot
from gemma_eval.task.lettered import Lettered, LetteredChat
from gemma_eval.task.registry import register
from gemma_eval.task.vision import VisionTask

__all__ = [
    "Average",
    "Chat",
    "CodeGeneration",
    "DatasetRef",
    "Fewshot",
    "Generation",
    "Lettered",
    "LetteredChat",
    "MultipleChoice",
    "Normalization",
    "Row",
    "Task",
    "VisionTask",
    "register",
]
