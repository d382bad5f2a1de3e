from dataclasses import dataclass, field

from gemma_eval.task import Chat, DatasetRef, Row, register

from .translation import Translation

# The region is named if the dataset has two regions of a language
LANGUAGES = {
    "ar_EG": "Arabic (Egypt)",
    "ar_SA": "Arabic (Saudi Arabia)",
    "bg_BG": "Bulgarian",
    "bn_IN": "Bengali",
    "ca_ES": "Catalan",
    "cs_CZ": "Czech",
    "da_DK": "Danish",
    "de_DE": "German",
    "el_GR": "Greek",
    "es_MX": "Spanish (Mexico)",
    "et_EE": "Estonian",
    "fa_IR": "Persian",
    "fi_FI": "Finnish",
    "fil_PH": "Filipino",
    "fr_CA": "French (Canada)",
    "fr_FR": "French (France)",
    "gu_IN": "Gujarati",
    "he_IL": "Hebrew",
    "hi_IN": "Hindi",
    "hr_HR": "Croatian",
    "hu_HU": "Hungarian",
    "id_ID": "Indonesian",
    "is_IS": "Icelandic",
    "it_IT": "Italian",
    "ja_JP": "Japanese",
    "kn_IN": "Kannada",
    "ko_KR": "Korean",
    "lt_LT": "Lithuanian",
    "lv_LV": "Latvian",
    "ml_IN": "Malayalam",
    "mr_IN": "Marathi",
    "nl_NL": "Dutch",
    "no_NO": "Norwegian",
    "pa_IN": "Punjabi",
    "pl_PL": "Polish",
    "pt_BR": "Portuguese (Brazil)",
    "pt_PT": "Portuguese (Portugal)",
    "ro_RO": "Romanian",
    "ru_RU": "Russian",
    "sk_SK": "Slovak",
    "sl_SI": "Slovenian",
    "sr_RS": "Serbian",
    "sv_SE": "Swedish",
    "sw_KE": "Swahili (Kenya)",
    "sw_TZ": "Swahili (Tanzania)",
    "ta_IN": "Tamil",
    "te_IN": "Telugu",
    "th_TH": "Thai",
    "tr_TR": "Turkish",
    "uk_UA": "Ukrainian",
    "ur_PK": "Urdu",
    "vi_VN": "Vietnamese",
    "zh_CN": "Chinese (Simplified)",
    "zh_TW": "Chinese (Traditional)",
    "zu_ZA": "Zulu",
}


@register
@dataclass
class WMT24PP(Translation):
    """WMT24++ (Deutsch et al., 2025, arXiv 2502.12404): the English texts of WMT24 in 55 languages and dialects.

    Licence: Apache 2.0. Card row: "WMT24++".

    The report states 5-shot sampling and chrF. It gives neither prompt nor examples. There is only one split, so we draw five
    segments of each language pair as examples and do not score them. Bad sources and the canary are left out. The score is the mean
    over the 55 pairs of corpus chrF against the post-edited reference. A document in all its languages is one cluster.
    """

    dataset: DatasetRef = field(
        default_factory=lambda: DatasetRef(
            "google/wmt24pp",
            split="train",
            fewshot_split="train",
            configs=[f"en-{code}" for code in LANGUAGES],
            pinned="fd7405c06494bc66a57b25f55d217a72f96e60dc",
        )
    )
    num_fewshot: int = 5
    max_tokens: int = 1024

    name = "wmt24pp"
    card = "WMT24++"
    undisclosed = (
        "Google does not publish its prompt or examples; we write 'English: ...' and '<language>: ...', with five segments of each pair "
        "drawn as examples (seed 1234 by default), which leaves 955 of 960 to score. The score is corpus chrF, averaged over pairs."
    )

    def included(self, row: Row) -> bool:
        return not row["is_bad_source"]

    def texts(self, row: Row) -> tuple[str, str]:
        return row["source"], row["target"]

    def language(self, row: Row) -> str:
        return LANGUAGES[row["lp"].removeprefix("en-")]

    def cluster(self, row: Row, config: str, id: str) -> str:
        return str(row["document_id"])


@register
@dataclass
class WMT24PPIT(Chat, WMT24PP):
    """WMT24++ zero-shot, for instruction-tuned models. Card row: "WMT24++", 0-shot. Data, licence and chrF as `wmt24pp`.

    A text keeps its lines, and the whole reply is the translation. Without exemplars, all segments with good sources are scored.
    """

    name = "wmt24pp_it"
    bundled = "wmt24pp"
    undisclosed = (
        "Google does not publish its prompt; ours is an English instruction that asks for the translation alone. The score is corpus "
        "chrF, averaged over pairs."
    )

    def query(self, row: Row) -> str:
        source, _ = self._ordered(self.texts(row))
        given, wanted = self._ordered(("English", self.language(row)))
        return f"Translate this text from {given} into {wanted}. Reply with the translation alone.\n\n{source.strip()}"
