"""Addresses of servers, and the passwords in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemma_eval.errors import ConfigError
from gemma_eval.runtime.urls import check_arguments, check_server_url, without_secrets

SECRET = "hunter2"
WITH_SECRET = [
    f"http://user:{SECRET}@host:8000/v1",
    f"https://{SECRET}@host/v1",
    f"http://user:{SECRET}@@host/v1",
    f"http://user:a/{SECRET}@host/v1",
    f"http://:{SECRET}@host/v1",
    f"http://host/v1?api_key={SECRET}",
    f"http://host/v1?{SECRET}",
    f"http://host/v1?api-version=1&k={SECRET}",
    f"http://host?token={SECRET}#x",
]


@pytest.mark.parametrize("url", WITH_SECRET)
def test_a_secret_in_an_address_is_neither_taken_nor_shown(url: str) -> None:
    message = r"backend\.url: .* set OPENAI_API_KEY"
    with pytest.raises(ConfigError, match=message) as at_once:
        check_arguments(["model=4b", f"backend.url={url}", "--cfg"])
    with pytest.raises(ConfigError, match=message) as composed:
        check_server_url("backend.url", url)
    assert SECRET not in f"{at_once.value} {composed.value}"
    assert SECRET not in without_secrets(f"Client error '404' for url '{url}'")


def test_a_secret_is_not_shown_wherever_it_stands_on_the_command_line() -> None:
    for argument in (f"--backend.url={WITH_SECRET[0]}", WITH_SECRET[0], WITH_SECRET[5], f"model.path='{WITH_SECRET[1]}'"):
        with pytest.raises(ConfigError) as error:
            check_arguments([argument])
        assert SECRET not in str(error.value)


@pytest.mark.parametrize(
    "url",
    ["http://localhost:8000/v1", "https://host", "http://[::1]:8000/v1/", "http://127.0.0.1:1/a/b", "https://h/v1?api-version=2024-06"],
)
def test_addresses(url: str) -> None:
    check_server_url("backend.url", url)
    check_arguments([f"backend.url={url}", "tasks.gsm8k.num_fewshot=8", "run=a@b", "model.path=ckpts/epoch=3-step=100"])


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("localhost:8000/v1", "not the address"),
        ("host/v1", "not the address"),
        ("", "not the address"),
        ("ftp://host/v1", "not the address"),
        ("http://", "not the address"),
        ("http:///v1", "not the address"),
        ("http://ho st/v1", "not the address"),
        ("http://host:0/v1", "not the address"),
        ("http://host:port/v1", "Port could not be cast"),
        ("http://host:99999/v1", "Port out of range"),
        ("http://[::1/v1", "Invalid IPv6"),
        ("http://host/v1#completions", "leave out what follows #"),
        ("http://host/v1/completions", "without /completions"),
        ("http://host/v1/chat/completions/", "without /completions"),
    ],
)
def test_what_is_no_address_is_refused(url: str, why: str) -> None:
    with pytest.raises(ConfigError, match=f"backend\\.url={'' if '[' in url else url.replace('?', '.')}.*{why}"):
        check_server_url("backend.url", url)


@given(st.text(), st.text(st.characters(exclude_characters="/?#@\"'<> ", exclude_categories=["C", "Z"]), min_size=1))
def test_no_password_survives(before: str, password: str) -> None:
    shown = without_secrets(f"{before} https://user:{password}@host/v1")
    assert shown.endswith("://…@host/v1")
    with pytest.raises(ConfigError):
        check_server_url("backend.url", f"https://user:{password}@host/v1")


@given(st.text())
def test_any_text_is_an_address_or_refused_in_one_line(url: str) -> None:
    for text in (url, f"http://{url}"):
        try:
            check_server_url("backend.url", text)
        except ConfigError:
            pass
        else:
            assert text.startswith(("http://", "https://")) and "@" not in text.split("/v1")[0].split("?")[0]
