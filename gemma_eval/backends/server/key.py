"""The key of a server: it comes from the environment, goes into a header, and is shown nowhere."""

from __future__ import annotations

import base64
import os

from gemma_eval.errors import ConfigError
from gemma_eval.runtime.urls import HIDDEN

SHORTEST = 4  # characters of what is hidden; fewer are no secret, and occur in any text


class Key:
    """What an environment variable holds: a key, or a whole Authorization such as "Basic USER:PASSWORD".

    Raises `ConfigError` if it cannot stand in a header.
    """

    def __init__(self, variable: str) -> None:
        value = os.environ.get(variable, "").strip()
        if not value.isprintable():
            raise ConfigError(f"the environment variable {variable} holds a line break or control character, which no key has")
        scheme, _, credentials = value.partition(" ")
        if scheme.lower() == "basic" and ":" in credentials:
            value = f"{scheme} {base64.b64encode(credentials.encode()).decode()}"
        self._header = value if credentials or not value else f"Bearer {value}"
        self._secrets = {
            secret for secret in (credentials or scheme, value.partition(" ")[2], *credentials.split(":", 1)) if len(secret) >= SHORTEST
        }

    def __bool__(self) -> bool:
        return bool(self._header)

    @property
    def headers(self) -> dict[str, str]:
        """The header that tells a server the key; none without a key."""
        return {"Authorization": self._header} if self else {}

    def hidden(self, text: str) -> str:
        """The text without the key."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, HIDDEN)
        return text
