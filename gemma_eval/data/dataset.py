"""`DatasetRef` says which repository, splits and configurations a task reads."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class DatasetRef:
    """A dataset repository on the Hub, and the splits that a task reads.

    Pin `revision` by commit. The repository must hold data files, such as parquet: `datasets` 4 and later run no loading scripts.

    - `config` names one configuration of the repository.
    - `configs` names several that are read as one dataset, one per language, say. Each row then names its own in the column "config".
      With "{config}" in `repo`, each configuration is a repository of its own. Configurations that cannot be had are left out and
      named, unless all of them are.
    - `views`: True if one row holds an item in several languages. `configs` then names views of the same rows, not configurations of
      the repository. A limit takes all views of a row, or none, as far as it can.
    - `pivot` names a configuration that is parallel to all others, such as the English side of a translation corpus. Row i of each
      configuration gets the columns of row i of the pivot, prefixed with "pivot_".
    - `files` is for repositories of plain JSON files, with their rows under "examples". It is the name of a file, with {config} and
      {split} in it.
    - `each` names a column of lists whose entries are the items, such as the questions about a row's image.
    - `generated`: True if the task's page makes the items. `repo` then names the recipe's origin, and nothing is read from it.
    """

    repo: str = ""
    split: str = "test"
    fewshot_split: str | None = None
    config: str | None = None
    configs: list[str] = field(default_factory=list)
    revision: str | None = None
    pivot: str | None = None
    files: str | None = None
    views: bool = False
    generated: bool = False
    each: str | None = None

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
