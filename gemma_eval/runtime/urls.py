"""Addresses: what that of a server must look like, and no password in what is shown or written."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import parse_qsl, urlsplit

from gemma_eval.errors import ConfigError

HIDDEN = "…"
HARMLESS = {"api-version"}  # Azure's; any other value behind "?" may be a key
MEND = (
    "settings are shown and written down. Leave it out, and set OPENAI_API_KEY (or the variable that backend.key_variable names) to the "
    "key, or to 'Basic USER:PASSWORD'"
)
_USER = re.compile(r"(?<=://)[^\s\"'<>]*@")
_QUERY = re.compile(r"(://[^\s?\"'<>]*)\?([^\s\"'<>]*)")


def without_secrets(text: str) -> str:
    """The text without the users, passwords and queries of the addresses in it."""
    return _QUERY.sub(rf"\1?{HIDDEN}", _USER.sub(f"{HIDDEN}@", text))


def check_no_secret(key: str, value: str) -> None:
    """Raise `ConfigError`, which does not show the value, if it is an address with a user, a password, or what may be a key."""
    if _USER.search(value):
        raise ConfigError(f"{key}: the address has a user name, password or token before @, and {MEND}")
    for query in _QUERY.finditer(value):
        if {name for name, _ in parse_qsl(query[2], keep_blank_values=True)} - HARMLESS:
            raise ConfigError(f"{key}: what follows ? in the address may be a key, and {MEND}")


def check_arguments(arguments: Iterable[str]) -> None:
    """`check_no_secret` for a command line. Asked before anything repeats an argument."""
    for argument in arguments:
        key, equals, _ = argument.partition("=")
        check_no_secret(key if equals and "://" not in key else "an argument", argument)


def check_server_url(key: str, url: str) -> None:
    """Raise `ConfigError` for what cannot be the address of an API, or holds what may be a password or key."""
    check_no_secret(key, url)
    shown = f"{key}={url}"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(f"{shown}: {error}; write http://HOST:PORT/v1") from error
    if parts.scheme not in ("http", "https") or not host or port == 0 or re.search(r"\s", url):
        raise ConfigError(f"{shown}: not the address of a server; write http://HOST:PORT/v1")
    if parts.fragment:
        raise ConfigError(f"{shown}: leave out what follows #, which no server sees")
    if parts.path.rstrip("/").endswith("/completions"):
        raise ConfigError(f"{shown}: give the address of the API, without /completions or /chat/completions")
