"""`DatasetRef` says which repository, splits and configurations a task reads."""

from __future__ import annotations

from dataclasses import dataclass, field

from gemma_eval.ranges import Text, Words

MOVED = {"lmms-lab": "lmms-lab-encoder"}
"""Organisations on the Hub that have another name today, by their former name."""


def current_name(repo: str) -> str:
    """Today's name of a repository that a run or a folder may know by a former one. Also takes "samples:ORGANISATION/NAME"."""
    source, colon, name = repo.rpartition(":")
    organisation, slash, rest = name.partition("/")
    return f"{source}{colon}{MOVED.get(organisation, organisation)}{slash}{rest}"


def former_names(repo: str) -> list[str]:
    """The names that a repository had before, which a local copy may still have."""
    organisation, slash, rest = repo.partition("/")
    return [f"{former}{slash}{rest}" for former, current in MOVED.items() if current == organisation]


@dataclass(frozen=True)
class DatasetRef:
    """A dataset repository on the Hub, and the splits that a task reads.

    The repository must hold data files, such as parquet: loading scripts are not run.

    - `pinned` is the commit that the page was written for, by its full hash. If it is not on the Hub any more, the newest one is read,
      with a warning.
    - `revision` is a commit, branch or tag that the user asks for instead. It is read, or the task is refused.
    - `config` names one configuration of the repository.
    - `configs` names several that are read as one dataset, one per language, say. Each row then names its own in the column "config".
      With "{config}" in `repo`, each configuration is a repository of its own. Configurations that cannot be had are left out and
      named, unless all of them are.
    - `views`: True if one row holds an item in several languages. `configs` then names views of the same rows, not configurations of
      the repository. A limit takes all views of a row, or none, as far as it can.
    - `pivot` names a configuration that is parallel to all others, such as the English side of a translation corpus. Row i of each
      configuration gets the columns of row i of the pivot, prefixed with "pivot_".
    - `files` is for repositories of plain JSON files. It is the name of a file, with {config} and {split} in it. If the repository has
      that file, it is read: as JSON lines, or as a document that is a list of rows or has one under "examples". If it does not, as a
      local copy may hold parquet instead, configuration and split are found as usual.
    - `split_column` is for a file that holds all splits. It names the column that says which split a row is in.
    - `images` is for rows that name image files. It is a pattern of files in the repository, such as "images/*/{url}": {url} stands for
      what follows the last "/" in the column "url", and * for any folder. The image is then in the column "image".
    - `each` names a column of lists whose entries are the items, such as the questions about a row's image.
    - `origin` is the address of a dataset that is not on the Hub. `repo` then only names its folder under `data.root`.
    - `generated`: True if the task's page makes the items. `repo` then names the recipe's origin, and nothing is read from it.
    """

    repo: Text = ""
    split: Text = "test"
    fewshot_split: Text | None = None
    config: Text | None = None
    configs: list[Text] = field(default_factory=list)
    pinned: Words = ""
    revision: Text | None = None
    pivot: Text | None = None
    files: Text | None = None
    split_column: Text | None = None
    images: Text | None = None
    views: bool = False
    generated: bool = False
    each: Text | None = None
    origin: Words = ""

    def parts(self) -> list[tuple[str, str, str | None]]:
        """Name, repository and configuration of each part of the dataset."""
        if "{config}" in self.repo:
            return [(name, self.repo.format(config=name), None) for name in self.configs]
        if self.views:
            return [(name, self.repo, self.config) for name in self.configs]
        return [(name, self.repo, name) for name in self.configs] or [(self.config or "", self.repo, self.config)]

    def repos(self) -> list[str]:
        """The repositories of all parts, each once."""
        return list(dict.fromkeys(repo for _, repo, _ in self.parts()))


@dataclass(frozen=True)
class Read:
    """A split that a task reads. `few`: whether the images of only a few of its rows are wanted."""

    ref: DatasetRef
    split: str
    few: bool = False
