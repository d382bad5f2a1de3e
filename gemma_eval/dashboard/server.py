"""Serves the page. On a loopback address it answers requests to that address alone; on any other it wants a password."""

from __future__ import annotations

import base64
import ipaddress
import os
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any, TypeAlias

from gemma_eval.errors import ConfigError

Scope: TypeAlias = MutableMapping[str, Any]
Channel: TypeAlias = Callable[..., Awaitable[Any]]


def serve(results: Path, *, host: str = "127.0.0.1", port: int = 7860, auth: str | None = None) -> None:
    """Serve the runs below `results` until interrupted. Raises `ConfigError` if that cannot be done, or would not be safe."""
    application = make_application(results, host=host, auth=auth)
    import uvicorn

    print(f"http://{f'[{host}]' if ':' in host else host}:{port} (stop with Ctrl-C)", flush=True)
    uvicorn.run(application, host=host, port=port, log_level="warning", timeout_graceful_shutdown=1)  # open pages do not hold up Ctrl-C


def make_application(results: Path, *, host: str, auth: str | None = None) -> Any:
    """The web application: the page, and under /runs the pages that reports left in run directories."""
    credentials = _checked(results, host, auth)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # no telemetry; read when Gradio is imported
    try:
        import gradio
        from fastapi import FastAPI
        from starlette.middleware.trustedhost import TrustedHostMiddleware
        from starlette.staticfiles import StaticFiles
    except ImportError as error:
        raise ConfigError("the dashboard needs Gradio: install the extra, pip install 'gemma-eval[ui]'") from error
    from gemma_eval.dashboard.page import STYLE, build, theme

    application = FastAPI(openapi_url=None)
    if credentials:
        application.add_middleware(BasicAuth, credentials=credentials)
    else:  # another site could make its own name resolve to this machine
        application.add_middleware(TrustedHostMiddleware, allowed_hosts=["localhost", host, f"[{host}]"])
    application.mount("/runs", StaticFiles(directory=results))
    return gradio.mount_gradio_app(application, build(results), path="/", theme=theme(), css_paths=STYLE, footer_links=[], ssr_mode=False)


def _checked(results: Path, host: str, auth: str | None) -> str | None:
    """The credentials, if any."""
    if not results.is_dir():
        raise ConfigError(f"{results}: no such folder; name one that holds run directories")
    if (results / "manifest.json").is_file():
        raise ConfigError(f"{results}: is a run itself; name the folder that it stands in")
    if auth is not None and not all(auth.partition(":")):
        raise ConfigError("--auth: must be user:password")
    if auth is None and not _is_loopback(host):
        raise ConfigError(f"--host {host}: others could read the runs and use the model; give --auth user:password too")
    return auth


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class BasicAuth:
    """Middleware that lets only requests with these credentials through."""

    def __init__(self, application: Channel, credentials: str) -> None:
        """`credentials`: user:password."""
        self._application = application
        self._expected = b"Basic " + base64.b64encode(credentials.encode())

    async def __call__(self, scope: Scope, receive: Channel, send: Channel) -> None:
        """Answer a request: pass it on, or ask for credentials."""
        given = dict(scope.get("headers", ())).get(b"authorization", b"")
        if scope["type"] == "lifespan" or secrets.compare_digest(given, self._expected):
            await self._application(scope, receive, send)
            return
        from starlette.responses import PlainTextResponse

        await PlainTextResponse("Not allowed", 401, {"WWW-Authenticate": 'Basic realm="gemma_eval"'})(scope, receive, send)
