"""DatasetRef: which repository, split and configurations a task reads."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(unsafe_hash=True)  # hashable, so that an instance may stand as a task's default
class DatasetRef:
    """A dataset repository on the Hub and the splits a task reads.

    `configs` lists several configurations read as one dataset (one per language, say); each row then names its own in the
    column "config". With "{config}" in `repo` each is a repository of its own. One that cannot be had is left out by name, unless
    none can. Pin `revision` by commit; only parquet-hosted repositories load: `datasets` runs no loading scripts since version 4.

    With `views` the `configs` are no configurations of the repository but views of the same rows, for rows that hold one
    item in several languages; a limit then takes all views of a row or none, as far as it can.

    `pivot` is a configuration parallel to all others (the English side of a corpus with one configuration per language):
    row i of a configuration gets the columns of its row i, prefixed "pivot_". `files` is for repositories of plain JSON
    files, whose rows stand under "examples": the file's name, with {config} and {split}. `each` names a column of lists
    whose entries are the items: the questions on a row's picture.

    `generated`: the task's page makes the items; `repo` names where the recipe comes from, and nothing is read there.
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
        """Name, repository and configuration of every part."""
        if "{config}" in self.repo:
            return [(name, self.repo.format(config=name), None) for name in self.configs]
        if self.views:
            return [(name, self.repo, self.config) for name in self.configs]
        return [(name, self.repo, name) for name in self.configs] or [(self.config or "", self.repo, self.config)]

    def repos(self) -> list[str]:
        return list(dict.fromkeys(repo for _, repo, _ in self.parts()))
