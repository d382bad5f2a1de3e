"""Paths and names are taken as they are typed, whatever Hydra's grammar makes of their characters."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from gemma_eval.config.quoting import as_any, as_text, as_texts, split
from gemma_eval.errors import ConfigError

NAMES = [
    "ckpts/epoch=3-step=100", "a#b", "a b", " a ", "{a}", "[a", "a]", "(a)", "a,b", "it's", 'say "a"', "'", '"', "''a", "$HOME", "100%",
    "a:b", "C:\\models\\", "a\\", "~/a", "~a", "Жук", "模型", "😀", "5", "007", "1e3", "1_000", "true", "None", "nan", "+a", "*", "a\tb",
    "choice(a)", "a@b", "", "=",
]  # fmt: skip
TEXT = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(NAMES) | st.text("'\"\\,[]{}()$#=~ ab", max_size=8)


def read(value: str) -> Any:
    """What Hydra makes of a value that it is given."""
    return OverridesParser.create().parse_override(f"key={value}").value()


def own(name: str) -> bool:
    """Whether a text stands for itself: neither null nor a text in quotes, which the user has quoted for Hydra."""
    return name.casefold() != "null" and not (len(name) > 1 and name[0] == name[-1] and name[0] in "'\"")


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_taken_as_it_is(name: str) -> None:
    assert read(as_text(name)) == name


@given(TEXT.filter(own))
def test_any_text_is_taken_as_it_is(name: str) -> None:
    assert read(as_text(name)) == name


@given(TEXT)
def test_a_text_that_is_quoted_already_is_not_quoted_again(name: str) -> None:
    quoted = as_text(name)
    assert as_text(quoted) == quoted


def test_quotes_and_null_are_the_users() -> None:
    assert read(as_text("'a b'")) == "a b"
    assert read(as_text('"5"')) == "5"
    assert read(as_text("null")) is None


@given(st.lists(TEXT.filter(lambda name: own(name) and name == name.strip() and not set(name) & set("'\",[]{}()")), max_size=4))
def test_any_list_is_taken_as_it_is(names: list[str]) -> None:
    names = [name for name in names if name]
    assert read(as_texts("plugins", f"[{','.join(names)}]")) == names


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("[]", []),
        ("[a b.py,c=d.py]", ["a b.py", "c=d.py"]),
        ("[ a , b ]", ["a", "b"]),
        ("['a,b',\"c, d\"]", ["a,b", "c, d"]),
        ("[5,1e3,true]", ["5", "1e3", "true"]),
        ("[f(a,b),c]", ["f(a,b)", "c"]),
        ('["\n\n"]', ["\n\n"]),
    ],
)
def test_lists(value: str, expected: list[str]) -> None:
    assert read(as_texts("key", value)) == expected


@pytest.mark.parametrize("value", ["[my_task.py", "[my task.py", "[a=b.py,c.py", "my_task.py", "a b.py", "Ж"])
def test_a_list_that_is_none_is_refused_with_the_form_that_works(value: str) -> None:
    with pytest.raises(ConfigError) as refused:
        as_texts("plugins", value)
    (shown,) = shlex.split(str(refused.value).partition("write ")[2])
    key, _, mended = shown.partition("=")
    assert key == "plugins" and read(as_texts(key, mended)) == [name.strip() for name in value.lstrip("[").split(",")]


@pytest.mark.parametrize(("value", "expected"), [("5", 5), ("null", None), ("1,2", None), ("a#b", "a#b"), ("{a", "{a"), ("Ж", "Ж")])
def test_what_hydra_cannot_read_becomes_a_text(value: str, expected: Any) -> None:
    assert value == "1,2" or read(as_any(value)) == expected


@given(st.lists(st.text("ab= #", min_size=1, max_size=4).map(str.strip).filter(bool), min_size=1, max_size=4))
def test_commas_part(parts: list[str]) -> None:
    assert split(",".join(parts)) == parts


def test_no_comma_in_quotes_or_brackets_parts() -> None:
    assert split("[a,b],c") == ["[a,b]", "c"]
    assert split('\'a,b\',c(d,e),"f\\",g"') == ["'a,b'", "c(d,e)", '"f\\",g"']
    assert split("it's,b") == ["it's", "b"]
    assert split(" ") == []
