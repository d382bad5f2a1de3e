from dataclasses import dataclass, field

from gemma_eval.task import DatasetRef, Row, register

from .passage_question import PassageQuestion

# Context, question, answer
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
    """What names the passage of one of SQuAD's questions in all languages: the second, in which its questions were sent in together."""
    return id[:8]


@register
@dataclass
class XQuAD(PassageQuestion):
    """XQuAD (Artetxe et al., 2020, arXiv 1910.11856): SQuAD questions on 240 passages, in 12 languages. CC BY-SA 4.0.

    The report states 5-shot sampling, scored by chrF where XQuAD's own metric is F1; "(all)" is the mean over all 12
    languages. There is no other split: five questions of a language are its exemplars, and their passages are not scored.
    """

    dataset: DatasetRef = field(
        default_factory=lambda: DatasetRef(
            "google/xquad", split="validation", fewshot_split="validation", configs=[f"xquad.{language}" for language in WORDS]
        )
    )

    name = "xquad"
    card = "XQuAD"
    undisclosed = (
        "Prompt, exemplars and whether chrF is of sentences or of the corpus are not stated: lm-eval's prompt, five questions drawn "
        "by seed for each language with their passages taken out of the score, mean of sentence chrF."
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
