from dataclasses import dataclass

from gemma_eval.metrics import letters
from gemma_eval.task import DatasetRef, Row, register

from .visual_question import VisualQuestion


@register
@dataclass
class SpatialSense(VisualQuestion):
    """SpatialSense (Yang et al., 2019, arXiv 1908.02660): whether a spatial relation holds between two things in a photograph.

    Licence: CC BY 4.0. Card row: "SpatialSense VQA".

    The report states 4-shot sampling on the validation split, with questions of Google's own. It gives neither their form, prompt nor
    examples: we ask for yes or no, and draw four relations of train. Half of the relations are true.

    There is no copy on the Hub. From zenodo.org/records/8104370, put annotations.json and the unpacked images.tar.gz into
    FOLDER/princeton-vl/SpatialSense, and set data.root=FOLDER.
    """

    dataset: DatasetRef = DatasetRef(
        "princeton-vl/SpatialSense",
        split="valid",
        fewshot_split="train",
        files="annotations.json",
        split_column="split",
        images="images/*/{url}",  # photographs of Flickr and of NYU Depth are in folders of their own
        each="annotations",
        origin="https://zenodo.org/records/8104370",
    )
    max_tokens: int = 8

    name = "spatialsense"
    card = "SpatialSense VQA"
    undisclosed = (
        "Google does not publish its questions, prompt or examples; we ask 'Is the <subject> <predicate> the <object>?', yes or no, with "
        "four relations drawn from train (seed 1234 by default)."
    )

    def question(self, row: Row) -> str:
        return f"Is the {row['subject']['name']} {row['predicate']} the {row['object']['name']}?"

    def golds(self, row: Row) -> list[str]:
        return ["yes" if row["label"] else "no"]

    def image_key(self, row: Row, id: str) -> str:
        return id.rpartition("-")[0]

    def extract(self, text: str) -> str | None:
        return letters.yes_or_no(text)

    def judge(self, answer: str, golds: list[str]) -> float:
        return float(answer in golds)
