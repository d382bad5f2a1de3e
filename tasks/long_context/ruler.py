from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from random import Random
from typing import Annotated, TypeVar

from gemma_eval.data.columns import Columns
from gemma_eval.errors import DataError
from gemma_eval.metrics import ruler
from gemma_eval.ranges import Count, FilePath, between
from gemma_eval.task import (
    JSON,
    Average,
    DatasetRef,
    Generate,
    Generation,
    Grade,
    ListedRows,
    Read,
    Row,
    Sample,
    Source,
    Table,
    TokenCounter,
    register,
)
from gemma_eval.task.items import bundled_columns, checked

from . import ruler_items as items
from .fitting import fit
from .ruler_items import Documents, Item, Needles

T = TypeVar("T")
GENERATOR = 1  # raise it whenever the same seed gives other items
EXAMPLE_TOKENS = 500  # the solved example of variable tracking

NEEDLES = {
    "niah_single_1": Needles("noise"),
    "niah_single_2": Needles("essay"),
    "niah_single_3": Needles("essay", value="uuids"),
    "niah_multikey_1": Needles("essay", keys=4),
    "niah_multikey_2": Needles("needles"),
    "niah_multikey_3": Needles("needles", key="uuids", value="uuids"),
    "niah_multivalue": Needles("essay", values=4),
    "niah_multiquery": Needles("essay", keys=4, queried=4),
}
QUESTIONS = ("qa_1", "qa_2")
TASKS = (*NEEDLES, "vt", "cwe", "fwe", *QUESTIONS)
ANSWER_TOKENS = {**dict.fromkeys(NEEDLES, 128), "vt": 30, "cwe": 120, "fwe": 50, **dict.fromkeys(QUESTIONS, 32)}


@register
@dataclass
class RULER(Generation):
    """RULER (Hsieh et al., 2024, arXiv 2404.06654): 13 tasks at any length. Apache 2.0; SQuAD and HotpotQA are CC BY-SA 4.0.

    Eight tasks hide needles in a haystack, one tracks variables, two count words, two ask questions about documents. The report states
    zero-shot sampling at 32K and 128K tokens. A length counts prompt and answer, in tokens of the model under test. A score is the
    share of the right answers found in the text; for a question, whether any is found. The average of a length is over its tasks.

    The report gives neither items nor haystacks. We generate the items by the authors' recipe. Their haystack of essays is not free, so
    repeated noise stands in for it, unless `haystack` names a text file. Unlike the authors' prompts, ours do not end in a space.
    """

    dataset: DatasetRef = DatasetRef("NVIDIA/RULER", split="validation", generated=True)
    squad: DatasetRef = DatasetRef("rajpurkar/squad_v2", split="validation", pinned="3ffb306f725f7d2ce8394bc1873b24868140c412")
    hotpot_qa: DatasetRef = DatasetRef(
        "hotpotqa/hotpot_qa", config="distractor", split="validation", pinned="1908d6afbbead072334abe2965f91bd2709910ab"
    )
    lengths: list[Count] = field(default_factory=lambda: [4096, 8192, 16384, 32768, 65536, 131072])
    items: Count = 500  # per task and length
    haystack: FilePath | None = None  # a text file for the tasks that hide needles in essays; noise when absent
    max_tokens: Annotated[int, between(1, 128)] = 128  # most tasks allow fewer (ANSWER_TOKENS)
    stop: list[str] = field(default_factory=list)

    name = "ruler"
    card = "RULER"
    undisclosed = (
        "Google does not publish its items, their number or its haystacks; we generate items by the authors' recipe. Its essays are not "
        "free, so the haystack is repeated noise, unless haystack=FILE."
    )
    comparable = False
    average = Average.macro
    primary = "string_match"
    selection_settings = (*Generation.selection_settings, "lengths", "items")

    # -- the protocol, in terms of one item ---------------------------------------------------------------------

    def query(self, row: Row) -> str:
        return str(row["query"])

    def reply(self, row: Row) -> str:
        return str(row["reply"])

    def golds(self, row: Row) -> list[str]:
        return list(row["answers"]) if row["task"] in QUESTIONS else [", ".join(row["answers"])]

    def target(self, row: Row) -> JSON:
        return {"answers": list(row["answers"]), "match": "part" if row["task"] in QUESTIONS else "all"}

    def subset(self, row: Row, config: str) -> str:
        return f"{row['length']}/{row['task']}"

    def group(self, subset: str) -> str:
        return subset.partition("/")[0]

    def cluster(self, row: Row, config: str, id: str) -> str:
        return f"{row['task']}/{row['cluster'] or row['index']}"  # all lengths ask for the same

    def sample(self, row: Row, *, id: str, config: str, shots: list[Row]) -> Sample:
        sample = super().sample(row, id=id, config=config, shots=shots)
        assert isinstance(sample.request, Generate)
        request = replace(sample.request, max_tokens=min(self.max_tokens, ANSWER_TOKENS[row["task"]]))
        fields = {name: row[name] for name in ("task", "length", "index")}  # without the query, which may have 128K tokens
        return replace(sample, request=request, fields=fields)

    def grade(self, text: str, target: JSON) -> Grade:
        assert isinstance(target, dict) and isinstance(target["answers"], list)
        match = ruler.match_part if target["match"] == "part" else ruler.match_all
        return Grade({"string_match": match(text, [str(answer) for answer in target["answers"]])})

    # -- the items ----------------------------------------------------------------------------------------------

    def table(self, source: Source, open_token_counter: Callable[[], TokenCounter] | None) -> Table:
        """Recipes (task, length, index), and the function that makes items from them for the model that will read them."""
        if open_token_counter is None:
            raise DataError("ruler: items are made for a model's tokenizer: choose a model with model=...")
        model = open_token_counter()
        documents, missing = self._documents(source)
        listed = super().table(source, open_token_counter) if source.kind == "samples" else self._recipes(documents)
        left_out: dict[str, str] = {}
        kept: list[int] = []
        for i, row in enumerate(listed.rows):
            if row["length"] > model.context_length:
                left_out[str(row["length"])] = f"longer than the model's context of {model.context_length} tokens"
            elif row["task"] in missing:
                left_out[self.subset(row, "")] = missing[row["task"]]
            else:
                kept.append(i)
        if not kept:
            raise DataError(f"ruler: nothing is left of tasks.ruler.lengths={self.lengths}: {'; '.join(sorted({*left_out.values()}))}")
        sentences = self._sentences()
        return replace(
            listed,
            rows=ListedRows(list(listed.rows.read(kept)), Path()),
            ids=[listed.ids[i] for i in kept],
            configs=[""] * len(kept),
            revision=self._origin(sentences, documents),
            make_row=partial(self._item, model=model, documents=documents, sentences=sentences),
            missing=left_out,
        )

    def reads(self) -> list[Read]:
        return [Read(ref, ref.split) for ref in (self.squad, self.hotpot_qa)]

    def _recipes(self, documents: Mapping[str, Documents]) -> Table:
        """`items` recipes for each task and length, or as many as there are questions."""
        lengths = list(dict.fromkeys(self.lengths))
        count = {name: min(self.items, len(documents[name].questions)) if name in documents else self.items for name in TASKS}
        rows = [{"task": name, "length": length, "index": i} for length in lengths for name in TASKS for i in range(count[name])]
        ids = [f"{row['length']}/{row['task']}/{row['index']}" for row in rows]
        return Table(self.dataset.repo, self.dataset.split, ListedRows(rows, Path()), ids, [""] * len(rows), revision="")

    def _documents(self, source: Source) -> tuple[dict[str, Documents], dict[str, str]]:
        """The documents of each task that asks about some, and for those that cannot be had, the reason.

        Raises `DataError`, naming the row, if a row is bad.
        """
        tables: dict[str, Table] = {}
        missing: dict[str, str] = {}
        for name, ref in (("qa_1", self.squad), ("qa_2", self.hotpot_qa)):
            try:
                tables[name] = source.table(ref, ref.split, self._bundled_documents(name))
            except DataError as error:
                missing[name] = str(error)
        found: dict[str, Documents] = {}
        if squad := tables.get("qa_1"):
            columns = bundled_columns(type(self)().squad, self._bundled_documents("qa_1"))
            found["qa_1"] = items.squad(_origin(squad), self._read(squad, items.squad_row, columns))
        if hotpot_qa := tables.get("qa_2"):
            columns = bundled_columns(type(self)().hotpot_qa, self._bundled_documents("qa_2"))
            found["qa_2"] = items.hotpot_qa(_origin(hotpot_qa), self._read(hotpot_qa, items.hotpot_qa_row, columns))
        return found, missing

    def _bundled_documents(self, name: str) -> Path:
        return self.samples_file().with_name(f"ruler_{name}.jsonl")

    def _read(self, table: Table, read: Callable[[Row], T], columns: Columns) -> list[T]:
        return [checked(self, table, i, row, read, columns) for i, row in enumerate(table.rows)]

    def _sentences(self) -> list[str]:
        """The running text in which needles are hidden. Raises `DataError` if the haystack cannot be read."""
        if self.haystack is None:
            return items.sentences_of(items.NOISE)
        try:
            return items.sentences_of(Path(self.haystack).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, ValueError) as error:
            raise DataError(f"tasks.ruler.haystack={self.haystack}: {error}") from error

    def _origin(self, sentences: list[str], documents: Mapping[str, Documents]) -> str:
        """What determines the items, besides the tokenizer. It is recorded as the revision of the data."""
        haystack = f"haystack sha256 {sha256(' '.join(sentences).encode()).hexdigest()}"
        recipe = [f"generator {GENERATOR}", f"seed {self.seed or 0}", f"wonderwords {version('wonderwords')}"]
        return "; ".join([*recipe, haystack, *(found.origin for found in documents.values())])

    def _item(self, recipe: Row, *, model: TokenCounter, documents: Mapping[str, Documents], sentences: list[str]) -> Row:
        """The item of a recipe. A pure function of recipe, seed and token counter; the answers do not depend on the length."""
        name, length, index = recipe["task"], recipe["length"], recipe["index"]
        seed = f"{self.seed or 0}/{name}/{index}"

        def tokens(item: Item) -> int:
            return model.tokens(self.prompt({**recipe, **asdict(item)}, []))

        write: Callable[[Random, int], Item]
        if name in NEEDLES:
            shape = NEEDLES[name]
            write, least = partial(items.needles, shape=shape, sentences=sentences), shape.keys * shape.values
        elif name in QUESTIONS:
            question = documents[name].questions[index]
            write, least = partial(items.question, documents=documents[name], asked=question), len(question.needed)
        elif name == "vt":
            solved = fit(lambda n: items.chain(Random(f"{seed}/solved"), n, name_length=3), tokens, EXAMPLE_TOKENS, least=5)
            write, least = partial(items.chain, name_length=5, solved=solved), 5
        elif name == "cwe":
            write, least = partial(items.common_words, length=length), 11
        else:
            write, least = partial(items.frequent_words, length=length), 100
        try:
            item = fit(lambda n: write(Random(seed), n), tokens, length - ANSWER_TOKENS[name], least)
        except ValueError as error:
            raise DataError(f"tasks.ruler.lengths: {length} tokens do not hold an item of {name}: {error}. Set a longer one") from error
        return {**recipe, **asdict(item)}


def _origin(table: Table) -> str:
    """Which rows the documents come from; recorded with the scores."""
    return f"{table.repo} {table.split} ({table.revision}), rows sha256 {table.sha256()}"
