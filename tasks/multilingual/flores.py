from dataclasses import dataclass, field

from gemma_eval.task import DatasetRef, Row, register

from .translation import Translation

# The languages of FLORES-101 other than English, by their configuration in FLORES+
LANGUAGES = {
    "afr_Latn": "Afrikaans",
    "amh_Ethi": "Amharic",
    "arb_Arab": "Arabic",
    "asm_Beng": "Assamese",
    "ast_Latn": "Asturian",
    "azj_Latn": "Azerbaijani",
    "bel_Cyrl": "Belarusian",
    "ben_Beng": "Bengali",
    "bos_Latn": "Bosnian",
    "bul_Cyrl": "Bulgarian",
    "cat_Latn": "Catalan",
    "ceb_Latn": "Cebuano",
    "ces_Latn": "Czech",
    "ckb_Arab": "Sorani Kurdish",
    "cmn_Hans": "Chinese (Simplified)",
    "cmn_Hant": "Chinese (Traditional)",
    "cym_Latn": "Welsh",
    "dan_Latn": "Danish",
    "deu_Latn": "German",
    "ekk_Latn": "Estonian",
    "ell_Grek": "Greek",
    "fil_Latn": "Filipino",
    "fin_Latn": "Finnish",
    "fra_Latn": "French",
    "fuv_Latn": "Fula",
    "gaz_Latn": "Oromo",
    "gle_Latn": "Irish",
    "glg_Latn": "Galician",
    "guj_Gujr": "Gujarati",
    "hau_Latn": "Hausa",
    "heb_Hebr": "Hebrew",
    "hin_Deva": "Hindi",
    "hrv_Latn": "Croatian",
    "hun_Latn": "Hungarian",
    "hye_Armn": "Armenian",
    "ibo_Latn": "Igbo",
    "ind_Latn": "Indonesian",
    "isl_Latn": "Icelandic",
    "ita_Latn": "Italian",
    "jav_Latn": "Javanese",
    "jpn_Jpan": "Japanese",
    "kam_Latn": "Kamba",
    "kan_Knda": "Kannada",
    "kat_Geor": "Georgian",
    "kaz_Cyrl": "Kazakh",
    "kea_Latn": "Kabuverdianu",
    "khk_Cyrl": "Mongolian",
    "khm_Khmr": "Khmer",
    "kir_Cyrl": "Kyrgyz",
    "kor_Hang": "Korean",
    "lao_Laoo": "Lao",
    "lin_Latn": "Lingala",
    "lit_Latn": "Lithuanian",
    "ltz_Latn": "Luxembourgish",
    "lug_Latn": "Ganda",
    "luo_Latn": "Luo",
    "lvs_Latn": "Latvian",
    "mal_Mlym": "Malayalam",
    "mar_Deva": "Marathi",
    "mkd_Cyrl": "Macedonian",
    "mlt_Latn": "Maltese",
    "mri_Latn": "Maori",
    "mya_Mymr": "Burmese",
    "nld_Latn": "Dutch",
    "nob_Latn": "Norwegian",
    "npi_Deva": "Nepali",
    "nso_Latn": "Northern Sotho",
    "nya_Latn": "Nyanja",
    "oci_Latn": "Occitan",
    "ory_Orya": "Odia",
    "pan_Guru": "Punjabi",
    "pbt_Arab": "Pashto",
    "pes_Arab": "Persian",
    "pol_Latn": "Polish",
    "por_Latn": "Portuguese",
    "ron_Latn": "Romanian",
    "rus_Cyrl": "Russian",
    "slk_Latn": "Slovak",
    "slv_Latn": "Slovenian",
    "sna_Latn": "Shona",
    "snd_Arab": "Sindhi",
    "som_Latn": "Somali",
    "spa_Latn": "Spanish",
    "srp_Cyrl": "Serbian",
    "swe_Latn": "Swedish",
    "swh_Latn": "Swahili",
    "tam_Taml": "Tamil",
    "tel_Telu": "Telugu",
    "tgk_Cyrl": "Tajik",
    "tha_Thai": "Thai",
    "tur_Latn": "Turkish",
    "ukr_Cyrl": "Ukrainian",
    "umb_Latn": "Umbundu",
    "urd_Arab": "Urdu",
    "uzn_Latn": "Uzbek",
    "vie_Latn": "Vietnamese",
    "wol_Latn": "Wolof",
    "xho_Latn": "Xhosa",
    "yor_Latn": "Yoruba",
    "zul_Latn": "Zulu",
}


@register
@dataclass
class Flores(Translation):
    """FLORES-101 (Goyal et al., 2022, arXiv 2106.03193), in the copy kept as FLORES+: parallel sentences.

    Licence: CC BY-SA 4.0, gated. Card row: "FloRes".

    The report states 1-shot sampling and chrF. It gives neither languages, direction, prompt nor example: we translate from English
    into the 100 other languages of FLORES-101, which the report cites, with one example drawn from dev. We score devtest, by the mean
    over languages of corpus chrF. A sentence in all its languages is one cluster.
    """

    dataset: DatasetRef = field(
        default_factory=lambda: DatasetRef(
            "openlanguagedata/flores_plus", split="devtest", fewshot_split="dev", configs=list(LANGUAGES), pivot="eng_Latn"
        )
    )
    num_fewshot: int = 1
    max_tokens: int = 512

    name = "flores"
    card = "FloRes"
    comparable = False
    undisclosed = (
        "Google does not say which languages, direction, prompt or example it used; we translate from English into the 100 others of "
        "FLORES-101, which the report cites (direction=into_english: the reverse). The example is drawn from dev (seed 1234 by default); "
        "the score is corpus chrF, averaged over languages."
    )

    def texts(self, row: Row) -> tuple[str, str]:
        column = "sentence" if "sentence" in row else "text"  # "text" in FLORES+, "sentence" in facebook/flores
        return row[f"pivot_{column}"], row[column]

    def language(self, row: Row) -> str:
        return LANGUAGES[row["config"]]

    def cluster(self, row: Row, config: str, id: str) -> str:
        return str(row["id"])
