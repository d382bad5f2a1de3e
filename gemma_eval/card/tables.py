"""The layout of the card: its tables and their rows, in order."""

from __future__ import annotations

from dataclasses import dataclass

SIZES = ["270m", "1b", "4b", "12b", "27b"]


@dataclass(frozen=True)
class CardRow:
    """A row of a card table. `task` is the name of the task that measures it. `scale` turns its score into the card's unit.

    A row with `parts` shows the unweighted mean of several tasks. The tasks within one part ask about the same items. A row with `group`
    shows the average of that group of the task's subsets. A row without a task says in `unmeasured` why nothing measures it.
    """

    benchmark: str
    task: str = ""
    scale: float = 100.0
    parts: tuple[tuple[str, ...], ...] = ()
    unmeasured: str = ""
    group: str = ""

    @property
    def tasks(self) -> tuple[str, ...]:
        """The names of all tasks that the row needs; an empty name if nothing measures it."""
        return tuple(task for group in self.parts for task in group) or (self.task,)


@dataclass(frozen=True)
class CardTable:
    """A table of the card. `sizes`: those with published numbers. A `detail` table is shown only if something of it was measured."""

    key: str
    title: str
    sizes: list[str]
    rows: list[CardRow]
    variant: str = "pt"
    detail: bool = False

    @property
    def tasks(self) -> set[str]:
        """The names of the tasks of all rows."""
        return {task for row in self.rows for task in row.tasks}


_LARGE = ["1b", "4b", "12b", "27b"]
_PRIVATE = "held out by Google, not public"
_JUDGED = "needs a judge model"

CARD_TABLES = [
    CardTable(
        "card_270m",
        "Gemma 3 270M",
        ["270m"],
        [
            CardRow("HellaSwag", "hellaswag"),
            CardRow("BoolQ", "boolq"),
            CardRow("PIQA", "piqa"),
            CardRow("TriviaQA", "trivia_qa"),
            CardRow("ARC-c", "arc_challenge"),
            CardRow("ARC-e", "arc_easy"),
            CardRow("WinoGrande", "winogrande"),
        ],
    ),
    CardTable(
        "reasoning_factuality",
        "Reasoning and factuality",
        _LARGE,
        [
            CardRow("HellaSwag", "hellaswag"),
            CardRow("BoolQ", "boolq"),
            CardRow("PIQA", "piqa"),
            CardRow("SocialIQA", "social_iqa"),
            CardRow("TriviaQA", "trivia_qa"),
            CardRow("Natural Questions", "natural_questions"),
            CardRow("ARC-c", "arc_challenge"),
            CardRow("ARC-e", "arc_easy"),
            CardRow("WinoGrande", "winogrande"),
            CardRow("BIG-Bench Hard", "bbh"),
            CardRow("DROP", "drop"),
        ],
    ),
    CardTable(
        "stem_code",
        "STEM and code",
        _LARGE,
        [
            CardRow("MMLU", "mmlu"),
            CardRow("MMLU (Pro COT)", "mmlu_pro"),
            CardRow("AGIEval", "agieval"),
            CardRow("MATH", "math"),
            CardRow("GSM8K", "gsm8k"),
            CardRow("GPQA", "gpqa"),
            CardRow("MBPP", "mbpp"),
            CardRow("HumanEval", "humaneval"),
        ],
    ),
    CardTable(
        "multilingual",
        "Multilingual",
        _LARGE,
        [
            CardRow("MGSM", "mgsm"),
            CardRow("Global-MMLU-Lite", "global_mmlu_lite"),
            CardRow("WMT24++", "wmt24pp", scale=1.0),
            CardRow("FloRes", "flores", scale=1.0),
            CardRow("XQuAD", "xquad", scale=1.0),
            CardRow("ECLeKTic", "eclektic"),
            CardRow(
                "IndicGenBench",
                "indicgenbench",
                scale=1.0,
                parts=(
                    ("indicgenbench_xquad",),
                    ("indicgenbench_xorqa_en", "indicgenbench_xorqa_xx"),
                    ("indicgenbench_flores",),
                ),
            ),
        ],
    ),
    CardTable(
        "indicgenbench_detail",
        "IndicGenBench by part (report, table 14)",
        _LARGE,
        [
            CardRow("XQuAD-IN", "indicgenbench_xquad", scale=1.0),
            CardRow("XorQA-IN-En", "indicgenbench_xorqa_en", scale=1.0),
            CardRow("XorQA-IN-Xx", "indicgenbench_xorqa_xx", scale=1.0),
            CardRow("Flores-IN", "indicgenbench_flores", scale=1.0),
        ],
        detail=True,
    ),
    CardTable(
        "multimodal",
        "Multimodal",
        ["4b", "12b", "27b"],
        [
            CardRow("COCOcap", "coco_caption"),
            CardRow("DocVQA", "docvqa"),
            CardRow("InfoVQA", "infovqa"),
            CardRow("MMMU", "mmmu"),
            CardRow("TextVQA", "textvqa"),
            CardRow("RealWorldQA", "realworldqa"),
            CardRow("ReMI", "remi"),
            CardRow("AI2D", "ai2d"),
            CardRow("ChartQA", "chartqa"),
            CardRow("VQAv2", "vqav2"),
            CardRow("BLINK", "blink"),
            CardRow("OKVQA", "okvqa"),
            CardRow("TallyQA", "tallyqa"),
            CardRow("SpatialSense VQA", "spatialsense"),
            CardRow("CountBenchQA", "countbenchqa"),
        ],
    ),
    CardTable(
        "it_card_270m",
        "Gemma 3 270M, instruction-tuned",
        ["270m"],
        [
            CardRow("HellaSwag", "hellaswag_it"),
            CardRow("PIQA", "piqa"),
            CardRow("ARC-c", "arc_challenge_it"),
            CardRow("WinoGrande", "winogrande_it"),
            CardRow("BIG-Bench Hard", "bbh"),
            CardRow("IFEval", "ifeval"),
        ],
        variant="it",
    ),
    CardTable(
        "it_reasoning_factuality",
        "Instruction-tuned: reasoning and factuality",
        _LARGE,
        [
            CardRow("GPQA Diamond", "gpqa_it"),
            CardRow("SimpleQA", unmeasured=_JUDGED),
            CardRow("FACTS Grounding", unmeasured=_JUDGED),
            CardRow("BIG-Bench Hard", "bbh_it"),
            CardRow("BIG-Bench Extra Hard", unmeasured="no task yet"),
            CardRow("IFEval", "ifeval"),
        ],
        variant="it",
    ),
    CardTable(
        "it_stem_code",
        "Instruction-tuned: STEM and code",
        _LARGE,
        [
            CardRow("MMLU (Pro)", "mmlu_pro_it"),
            CardRow("LiveCodeBench", unmeasured="no task yet"),
            CardRow("Bird-SQL", unmeasured="needs its databases"),
            CardRow("MATH", "math_it"),
            CardRow("HiddenMath", unmeasured=_PRIVATE),
            CardRow("MBPP", "mbpp_it"),
            CardRow("HumanEval", "humaneval_it"),
            CardRow("Natural2Code", unmeasured=_PRIVATE),
            CardRow("GSM8K", "gsm8k_it"),
        ],
        variant="it",
    ),
    CardTable(
        "it_multilingual",
        "Instruction-tuned: multilingual",
        _LARGE,
        [
            CardRow("Global-MMLU-Lite", "global_mmlu_lite_it"),
            CardRow("ECLeKTic", "eclektic_it"),
            CardRow("WMT24++", "wmt24pp_it", scale=1.0),
        ],
        variant="it",
    ),
    CardTable("it_report", "Instruction-tuned: in the report alone (table 18)", _LARGE, [CardRow("MMLU", "mmlu_it")], variant="it"),
    CardTable(
        "long_context",
        "Long context (report, table 15)",
        ["4b", "12b", "27b"],
        [
            CardRow("RULER 32K", "ruler", group="32768"),
            CardRow("RULER 128K", "ruler", group="131072"),
            CardRow("MRCR 32K", unmeasured="no task yet"),
            CardRow("MRCR 128K", unmeasured="no task yet"),
        ],
        detail=True,
    ),
    CardTable(
        "ruler_detail",
        "RULER by length",
        ["4b", "12b", "27b"],
        [CardRow(f"RULER {size}K", "ruler", group=str(1024 * size)) for size in (1, 4, 8, 16, 64)],
        detail=True,
    ),
]
