from dataclasses import dataclass, field

from gemma_eval.task import DatasetRef, Row, register

from .passage_question import PassageQuestion

# For each language, its words for context, question and answer, as in lm-eval
WORDS = {
    "ar": ("سياق", "سؤال", "إجابة"),
    "de": ("Kontext", "Frage", "Antwort"),
    "el": ("Συμφραζόμενα", "Ερώτηση", "Απάντηση"),
    "en": ("Context", "Question", "Answer"),
    "es": ("Contexto", "Pregunta", "Respuesta"),
    "hi": ("प्रसंग", "सवाल", "उत्तर"),
    "ro": ("Context", "Întrebare", "Răspuns"),
    "ru": ("Контекст", "Вопрос", "Ответ"),
    "th": ("บริบท", "คำถาม", "คำตอบ"),
    "tr": ("Bağlam", "Soru", "Cevap"),
    "vi": ("Bối cảnh", "Câu hỏi", "Trả lời"),
    "zh": ("语境", "问题", "回答"),
}


def passage_of(id: str) -> str:
    """The time at which a question of SQuAD was sent in, as 8 hex digits: the start of its id.

    The questions about a passage were sent in together. So the time names the passage, and it is the same in all languages.
    """
    return id[:8]


@register
@dataclass
class XQuAD(PassageQuestion):
    """XQuAD (Artetxe et al., 2020, arXiv 1910.11856): questions of SQuAD about 240 passages, in 12 languages.

    Licence: CC BY-SA 4.0. Card row: "XQuAD (all)".

    The report states 5-shot sampling and chrF, where XQuAD's own metric is F1. It gives neither prompt, examples nor the form of
    chrF: we use lm-eval's prompt, and average sentence chrF. We take "(all)" to be the mean over all 12 languages. There is only one
    split, so we draw five questions of each language as examples, and do not score questions about their passages.
    """

    dataset: DatasetRef = field(
        default_factory=lambda: DatasetRef(
            "google/xquad",
            split="validation",
            fewshot_split="validation",
            configs=[f"xquad.{language}" for language in WORDS],
            pinned="51adfef1c1287aab1d2d91b5bead9bcfb9c68583",
        )
    )

    name = "xquad"
    card = "XQuAD"
    undisclosed = (
        "Google does not publish its prompt or examples, or say which form of chrF it used; we use lm-eval's prompt and average sentence "
        "chrF. Five questions of each language are drawn as examples (seed 1234 by default), and their passages are not scored."
    )

    def query(self, row: Row) -> str:
        context, question, answer = WORDS[row["config"].removeprefix("xquad.")]
        return f"{context}: {row['context']}\n\n{question}: {row['question']}\n\n{answer}:"

    def golds(self, row: Row) -> list[str]:
        return list(dict.fromkeys(row["answers"]["text"]))

    def overlap_key(self, row: Row, config: str, id: str) -> str:
        return str(row["context"])

    def cluster(self, row: Row, config: str, id: str) -> str:
        return passage_of(row["id"])
