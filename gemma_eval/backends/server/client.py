"""HTTP: many requests in flight, each tried again while the server is away or busy."""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import os
import queue
import random
import threading
from collections.abc import Collection
from typing import Any

import aiohttp

from gemma_eval.errors import RunError
from gemma_eval.settings import ServerConfig

BUSY = {408, 409, 425, 429, 500, 502, 503, 504}
LONGEST_PAUSE = 300.0  # seconds


class Client:
    """Sends JSON to a server, from an event loop in a thread of its own. `concurrency`: requests worth having in flight."""

    def __init__(self, settings: ServerConfig) -> None:
        self.concurrency = settings.concurrency
        self._settings = settings
        self._url = settings.url.rstrip("/")
        key = os.environ.get(settings.key_variable)
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._session: aiohttp.ClientSession | None = None
        self._responses: queue.SimpleQueue[tuple[str, dict[str, Any] | Exception]] = queue.SimpleQueue()
        self._in_flight: dict[str, concurrent.futures.Future[None]] = {}
        atexit.register(self.close)

    def request(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The response to one request. Raises `RunError` with the server's own words if it refuses."""
        return asyncio.run_coroutine_threadsafe(self._request(method, path, body), self._loop).result()

    def post(self, tag: str, path: str, body: dict[str, Any]) -> None:
        """Send a request whose response comes later, with this tag."""
        self._in_flight[tag] = asyncio.run_coroutine_threadsafe(self._post(tag, path, body), self._loop)

    def next_response(self) -> tuple[str, dict[str, Any]]:
        """The next response to a `post`, with its tag, once there is one. Raises what went wrong with that request."""
        tag, found = self._responses.get()
        self._in_flight.pop(tag, None)
        if isinstance(found, Exception):
            raise found
        return tag, found

    def cancel(self, tags: Collection[str]) -> None:
        """Drop these requests. A response that came in the meantime is dropped too."""
        for tag in tags:
            if future := self._in_flight.pop(tag, None):
                future.cancel()
        self._responses = queue.SimpleQueue()

    def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            asyncio.run_coroutine_threadsafe(self._session.close(), self._loop).result(timeout=5)
            self._session = None

    async def _post(self, tag: str, path: str, body: dict[str, Any]) -> None:
        responses = self._responses
        try:
            responses.put((tag, await self._request("POST", path, body)))
        except Exception as error:  # raised again by `next_response`
            responses.put((tag, error))

    async def _request(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        """The response, after as many attempts as the settings allow."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                headers=self._headers,
                timeout=aiohttp.ClientTimeout(total=self._settings.timeout),
                connector=aiohttp.TCPConnector(limit=self._settings.concurrency),
            )
        problem = ""
        for attempt in range(self._settings.retries + 1):
            if attempt:
                await asyncio.sleep(min(LONGEST_PAUSE, 2 ** (attempt - 1)) * random.uniform(0.5, 1))
            try:
                async with self._session.request(method, self._url + path, json=body) as response:
                    if response.status == 200:
                        found: dict[str, Any] = await response.json(content_type=None)
                        return found
                    problem = f"HTTP {response.status}: {(await response.text())[:300]}"
                    if response.status not in BUSY:
                        raise RunError(f"{self._url}{path} refuses a request: {problem}")
            except (TimeoutError, aiohttp.ClientError, ValueError) as error:
                problem = f"{type(error).__name__}: {error}"
        raise RunError(
            f"{self._url}{path} does not answer ({problem}), tried {self._settings.retries + 1} times. Start the server and run the same "
            "command again: what is answered is kept"
        )
