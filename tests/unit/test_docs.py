"""README, CONTRIBUTING, CHANGELOG and the pages of docs/: links lead somewhere, and commands and code are ones that exist."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from gemma_eval.commands import gate, preview
from gemma_eval.commands.command import CommandParser
from gemma_eval.commands.dispatch import COMMANDS
from gemma_eval.commands.hydra_settings import sweeps
from gemma_eval.config.compose import register_schema
from gemma_eval.config.keys import GROUPS, choices
from gemma_eval.config.overrides import checked_overrides
from gemma_eval.errors import GemmaEvalError
from gemma_eval.gate import load_policy
from gemma_eval.task.registry import ENTRY_POINTS

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
SUBCOMMANDS = {command.NAME: command for command in COMMANDS}

LINK = re.compile(r"(?:\]\(|src=\"|srcset=\")([^)\"\s]+)[)\"]")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]+`")
PROGRAM = re.compile(r"(?:\S*/)?gemma-eval|-m gemma_eval")
OPERATORS = {"|", "||", "&&", ";", ">", ">>"}

schema = cache(register_schema)  # takes a second


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, language: str) -> list[str]:
    return [content for found, content in BLOCK.findall(page.read_text()) if found == language]


# -- links ------------------------------------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", page.read_text()), re.MULTILINE)
    shown = [re.sub(r"&lt;|&gt;|[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in shown}


def links(page: Path) -> list[str]:
    found = LINK.findall(CODE.sub("`", BLOCK.sub("", page.read_text())))
    return [link for link in found if not link.startswith(("http://", "https://"))]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_relative_link_resolves(page: Path) -> None:
    for link in links(page):
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_is_in_the_index_and_linked_from_the_readme() -> None:
    for start in (ROOT / "docs" / "index.md", README):
        linked = {(start.parent / link.partition("#")[0]).resolve() for link in links(start)}
        assert set(PAGES) - linked <= {start, README, ROOT / "docs" / "index.md"}


# -- the front page ---------------------------------------------------------------------------------------------


def test_the_readme_is_short() -> None:
    lines = README.read_text().splitlines()
    assert len(lines) <= 150
    assert [line for line in lines if len(line) > 160 and not line.startswith("|") and "://" not in line] == []


def test_the_readme_has_a_line_for_every_package() -> None:
    described = re.findall(r"^  (\w+) {2,}\S.*$", README.read_text(), re.MULTILINE)
    packages = sorted(file.parent.name for file in (ROOT / "gemma_eval").glob("*/__init__.py"))
    assert sorted(described) == packages


def test_the_readme_has_two_commands_that_set_up_and_go() -> None:
    commands = [line.split("#")[0].strip() for block in blocks(README, "sh") for line in block.splitlines()]
    assert [command for command in commands if not command.startswith("gemma-eval") and command] == ["make demo", "make test"]
    assert sum(command.startswith("gemma-eval") for command in commands) == 6


def test_pages_that_are_quoted_are_as_they_are() -> None:
    assert blocks(README, "python") == [(ROOT / "tasks/reasoning/piqa.py").read_text()]
    assert (ROOT / "tests/plugin/capitals.py").read_text() in blocks(ROOT / "docs/tasks.md", "python")


# -- commands and code ------------------------------------------------------------------------------------------


def commands(page: Path) -> Iterator[tuple[str, list[str]]]:
    """The `gemma-eval` commands in a page's code: a line of a block, or a code span. Each with its arguments."""
    spans = [span.strip("`") for span in CODE.findall(BLOCK.sub("", page.read_text()))]
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    for text in lines + [span for span in spans if "=" in span or " -" in span or "RUN" in span]:
        if (found := PROGRAM.search(text)) and "..." not in text and "$(" not in text:
            words = shlex.split(text[found.end() :], comments=True)
            end = next((i for i, word in enumerate(words) if word in OPERATORS), len(words))
            if words[:end]:
                yield text, words[:end]


def check_command(words: list[str]) -> None:
    """Raises `GemmaEvalError`, or fails, if these arguments name a subcommand, an option, a setting or a choice that does not exist."""
    command = SUBCOMMANDS[words[0]]
    if words[1:] == ["--help"]:
        return
    parser = CommandParser(prog=f"gemma-eval {command.NAME}")
    command.add_arguments(parser)
    parsed, unknown = parser.parse_known_args(words[1:])
    if not parser.takes_settings:
        assert unknown == []
        return
    settings = [word for word in unknown if "=" in word]
    flags = [word for word in unknown if word not in settings]
    if command is gate:
        policy, changes, candidate = gate.sorted_out(unknown)
        load_policy(policy, changes)
        settings, flags = [word for word in candidate if "=" in word], []
    elif command is preview:
        settings.append(f"suite={parsed.task}")
    assert set(flags) <= {"-m", "--cfg", "job"}, flags
    for setting in checked_overrides(settings, schema(), sweep=sweeps(flags)):
        key, _, value = setting.partition("=")
        if key in GROUPS:
            assert set(value.strip("[]").split(",")) <= set(choices(key)), setting


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_exists_with_its_settings(page: Path) -> None:
    for _, words in commands(page):
        check_command(words)


def test_commands_are_found() -> None:
    found = [text for page in PAGES for text, _ in commands(page)]
    assert len(found) > 60
    assert any("accelerate launch" in text for text in found)


@pytest.mark.parametrize(
    "words",
    [
        "fly",
        "run modle=4b",
        "run tasks.piqa.shots=5",
        "run suite=no_such_suite",
        "report RUN --pdf",
        "gate RUN --baseline B gate.marginal=1",
    ],
)
def test_a_command_that_does_not_exist_is_noticed(words: str) -> None:
    with pytest.raises((GemmaEvalError, AssertionError, KeyError)):
        check_command(shlex.split(words))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_make_target_exists(page: Path) -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for code in [*CODE.findall(page.read_text()), *("\n".join(blocks(page, "sh"))).splitlines()]:
        if found := re.match(r"`?make ([\w-]+)", code):
            assert found[1] in targets, code


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_python_code_imports_is_there(page: Path) -> None:
    for block in blocks(page, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("gemma_eval"):
                module = importlib.import_module(node.module)
                assert all(hasattr(module, name.name) for name in node.names), ast.unparse(node)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_modules_that_are_named_exist(page: Path) -> None:
    """Dotted names in code spans. The changelog also names what is gone, in the first column of its table."""
    text = re.sub(r"^\| [^|]+\|", "|", page.read_text(), flags=re.MULTILINE) if page.name == "CHANGELOG.md" else page.read_text()
    missing = [name for name in re.findall(r"`(gemma_eval(?:\.\w+)+)[`(]", text) if not exists(name)]
    assert missing == []


def exists(name: str) -> bool:
    """Whether this dotted name is a module, or stands in one. Nothing is imported, which would take seconds."""
    file = ROOT / name.replace(".", "/")
    if name == ENTRY_POINTS or file.is_dir() or file.with_suffix(".py").is_file():
        return True
    modules = [file.parent.with_suffix(".py"), file.parent / "__init__.py"]
    return any(module.is_file() and re.search(rf"\b{file.name}\b", module.read_text()) for module in modules)
