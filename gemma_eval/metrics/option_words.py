# ruff: noqa: RUF001  the scripts of many languages are meant
"""The words with which replies speak of options, in the languages of the multilingual rows and some others."""

from __future__ import annotations

import re
import unicodedata
from collections import deque
from functools import lru_cache

MOST = 1000
"""Occurrences that are looked at. A model that repeats itself more often says nothing new."""


class Words:
    """Words around which no letters stand, and words that may touch letters, in any case. "_" stands for a space within a word."""

    def __init__(self, spaced: str, unspaced: str = "") -> None:
        self._spaced, self._unspaced = _longest_first(spaced), _longest_first(unspaced)

    def __str__(self) -> str:
        """The words as the source of a regular expression."""
        return _source(self._spaced, self._unspaced)

    def find(self, text: str) -> list[re.Match[str]]:
        """The last occurrences in a text, in order. Only the words that the text holds are looked for, since each costs time."""
        lowered = text.lower()
        held = [tuple(word for word in words if word in lowered) for words in (self._spaced, self._unspaced)]
        return list(deque(_pattern(*held).finditer(text), MOST)) if any(held) else []


def _longest_first(words: str) -> tuple[str, ...]:
    listed = unicodedata.normalize("NFC", words).split()
    return tuple(word.replace("_", " ") for word in sorted(listed, key=len, reverse=True))


def _source(spaced: tuple[str, ...], unspaced: tuple[str, ...]) -> str:
    alternatives = [rf"(?<![^\W_])(?:{'|'.join(spaced)})(?![^\W_])"] if spaced else []
    return f"(?i:{'|'.join([*alternatives, *unspaced])})"


@lru_cache
def _pattern(spaced: tuple[str, ...], unspaced: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(_source(spaced, unspaced))


RIGHT_OPTION = Words(
    "correct_option right_option best_option correct_choice right_choice best_choice final_choice my_choice correct_letter correct_one "
    "correct_alternative correct_statement correct_response correct_selection my_selection my_pick conclusion answer ans solution "
    "lösung richtige_option korrekte_option richtige_wahl richtige_aussage richtig bonne_option option_correcte bon_choix choix_correct "
    "opción_correcta alternativa_correcta opção_correta alternativa_correta letra_correta gabarito opzione_corretta alternativa_corretta "
    "pilihan_yang_benar pilihan_yang_tepat opsi_yang_benar chaguo_sahihi верный_вариант правильный_вариант",
    "正确选项 正确的选项 正確選項 উত্তর 正しい選択肢 올바른_선택지 सही_विकल्प সঠিক_বিকল্প الخيار_الصحيح",
)
"""Names of the answer, before a verb or a colon: "correct option"."""

FIELD = Words("choice option letter response prediction selection result label")
"""Names of the answer in JSON, and before a colon at the start of a line."""

ANSWER_AND_OPTION = Words(
    "answer antwort réponse respuesta resposta risposta jawaban jawabannya jibu ìdáhùn ответ الإجابة الجواب",
    "उत्तर जवाब উত্তর సమాధానం คำตอบ 答え 正解 解答 정답 답 答案 故选 故選 应选 應選 因此选 所以选 我选 本题选 则选 ,选",
)
"""Names of the answer that an option may follow at once: "उत्तर (B) है", "故选B"."""

IS = Words(
    "is was be seems appears ist lautet wäre est serait es sería é seria è sarebbe adalah ialah yaitu ni jẹ́ là هي هو",
    "হল হলো হচ্ছে है คือ は が 은 는 이 가 是 为 為",
)
"""What links a name of the answer and an option."""

OPTION = Words(
    "the la le les el il lo die der das den option choice letter number statement opción opção alternativa letra lettre lettera to_be "
    "opzione proposition buchstabe aussage pilihan opsi huruf chaguo herufi àṣàyàn aṣayan lựa_chọn phương_án seçenek вариант буква "
    "opcja الخيار الاختيار الحرف probably likely most definitely clearly therefore thus simply indeed indicated_by both either correct "
    "entweder sowohl",
    "l' l’ d' d’ 选项 選項 选择 選擇 选 選 選択肢 বিকল্প विकल्प ఎంపిక ข้อ ตัวเลือก 보기 선택지",
)
"""What may stand between them: articles, "option", adverbs."""

OR = Words("or and/or oder ou o atau au tabi hoặc veya или або ή أو vs lub", "/ 或者 或 または か 또는 이나 หรือ या বা অথবা లేదా")
"""What links options of which one is the answer."""

AND = Words("and und et y e dan na và plus maybe possibly perhaps i и و و και en", ", ; & \\+ 、 和 及 与 與 と 와 과 และ और এবং మరియు")
"""What links options that are all the answer, or clauses."""

RIGHT = Words(
    "correct right best answer richtig korrekt correcte bonne correcta correto correta corretta giusta certa benar tepat "
    "sahihi doğru đúng верный верно правильный правильно صحيح الصحيح الصحيحة صحيحة",
    "正确 正確 正しい 正解 정답 맞 옳 सही সঠিক ถูกต้อง సరైన",
)
"""What is said of the right option."""

CHOOSE = Words(
    "choose chose pick select selected go_with going_with opt_for wähle choisis elijo escolho scelgo memilih chagua nachagua выбираю chọn",
    "选择 選擇",
)
"""What is said of the option that is taken."""

IT_IS = Words("it's it_is i'd_say i_would_say it_must_be it_should_be it_has_to_be c'est es_ist das_ist")
"""What a short answer begins with."""

NO = Words(
    "no wait sorry oops correction hmm nein moment warte non attends attendez espera perdón não espere aspetta tunggu bukan hapana subiri "
    "нет подождите لا انتظر",
    "不对 不對 等等 不 いや 待って 아니 नहीं না",
)
"""What takes an answer back before a comma or full stop and another answer."""

INSTEAD = Words("actually i_mean i_meant make_that scratch_that rather")
"""The same, with a comma or without."""

SO = Words("so therefore thus hence then ok okay daher also donc así_que por_lo_tanto portanto quindi jadi", "所以 因此 따라서 したがって")
"""What a conclusion begins with."""

REASON = Words("because since as is it which for due given by and or but porque parce weil denn perché karena sebab kwa потому pois ni")
"""A word that may follow the option A, E or I. Before any other, that is an article, a pronoun or a conjunction."""
