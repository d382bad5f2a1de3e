"""The right answers of a local Hub, as huggingface.co gives them to `huggingface_hub`. No sockets here."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, quote, unquote, urlencode

from tests.hub.catalogue import Catalogue, Files, Kind, Repository, StoredFile

API = re.compile(r"/api/(models|datasets)/([^/]+/[^/]+)(?:/([a-z-]+)(?:/([^/]+)(?:/(.+))?)?)?")
RESOLVE = re.compile(r"/(?:(datasets)/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)")
CDN = re.compile(r"/cdn/(models|datasets)/([^/]+/[^/]+)/([0-9a-f]{40})/(.+)")
RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True)
class Request:
    """A request. `path` is as it was sent, still quoted, because a revision may hold a quoted slash."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    token: str | None
    range: str | None
    body: bytes


@dataclass(frozen=True)
class Section:
    """Some bytes of a file."""

    path: Path
    start: int
    length: int


@dataclass(frozen=True)
class Answer:
    """Status, headers and body. The body of an answer to HEAD is not sent, but Content-Length counts it."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Section = b""

    @property
    def length(self) -> int:
        """Bytes of the body."""
        return self.body.length if isinstance(self.body, Section) else len(self.body)


class RefusedError(Exception):
    """The Hub refuses; `answer` is what it says."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        found = {"X-Error-Message": message, **({"X-Error-Code": code} if code else {}), **(headers or {})}
        self.answer = Answer(status, found, json.dumps({"error": message}).encode())


class Answers:
    """Answers requests from a catalogue. `url`: address of the Hub. `files`: the origin that large files come from.

    `page` is the number of entries in a page of a listing.
    """

    page = 1000

    def __init__(self, catalogue: Catalogue, url: str, files: str) -> None:
        self._catalogue = catalogue
        self._url = url
        self._files = files

    def answer(self, request: Request) -> Answer:
        """What the Hub says."""
        try:
            return self._route(request)
        except RefusedError as refused:
            return refused.answer

    def _route(self, request: Request) -> Answer:
        if match := CDN.fullmatch(unquote(request.path)):
            return self._cdn(request, *match.groups())
        if request.token and request.token not in self._catalogue.users:  # the Hub refuses whatever comes with a bad token
            raise RefusedError(401, "", "Invalid credentials in Authorization header")
        if request.path == "/api/whoami-v2":
            return self._whoami(request)
        if match := API.fullmatch(request.path):
            kind, name, call, revision, inside = match.groups()
            return self._api(request, kind, name, call or "revision", unquote(revision or "main"), unquote(inside or ""))
        if match := RESOLVE.fullmatch(request.path):
            return self._resolve(request, match[1] or "models", match[2], unquote(match[3]), unquote(match[4]))
        raise RefusedError(404, "", "Sorry, we can't find the page you are looking for.")

    # -- who may read what

    def _repository(self, request: Request, kind: str, name: str) -> Repository:
        """The repository, if the user may know of it."""
        key = cast("tuple[Kind, str]", (kind, name))
        repository = self._catalogue.repositories.get(key)
        if repository is None and (new := self._catalogue.moved.get(key)):
            query = urlencode(request.query, doseq=True)
            target = request.path.replace(name, new, 1) + (f"?{query}" if query else "")
            raise RefusedError(307, "", f"Temporary Redirect. Redirecting to {target}", {"Location": target})
        if repository is None or (repository.private and not self._reads(request, repository)):
            if request.token:
                raise RefusedError(404, "RepoNotFound", "Repository not found")
            raise RefusedError(401, "RepoNotFound", "Invalid username or password.")  # the Hub does not tell strangers what is private
        if repository.disabled:
            raise RefusedError(403, "", "Access to this resource is disabled.")
        return repository

    def _reads(self, request: Request, repository: Repository) -> bool:
        """Whether the user is among the readers of the repository."""
        return request.token is not None and self._catalogue.users[request.token] in repository.readers

    def _check_gate(self, request: Request, repository: Repository) -> None:
        if repository.gated and not self._reads(request, repository):
            what = f"Access to {repository.kind.removesuffix('s')} {repository.name} is restricted"
            if request.token:
                raise RefusedError(403, "GatedRepo", f"{what} and you are not in the authorized list.")
            raise RefusedError(401, "GatedRepo", f"{what}. You must have access to it and be authenticated to access it.")

    def _commit(self, repository: Repository, revision: str) -> str:
        commit = repository.resolve(revision)
        if commit is None:
            raise RefusedError(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return commit

    # -- the API

    def _whoami(self, request: Request) -> Answer:
        if not request.token:
            raise RefusedError(401, "", "Invalid username or password.")
        return _json({"type": "user", "name": self._catalogue.users[request.token], "auth": {"type": "access_token"}})

    def _api(self, request: Request, kind: str, name: str, call: str, revision: str, inside: str) -> Answer:
        repository = self._repository(request, kind, name)
        if call == "auth-check":
            self._check_gate(request, repository)
            return _json({"status": "ok"})
        if call == "refs":
            return _json(_refs(repository))
        commit = self._commit(repository, revision)
        files = repository.commits[commit]
        if call == "revision":
            return _json(_info(repository, commit, blobs="blobs" in request.query))
        if call == "tree":
            return self._tree(request, files, revision, inside)
        if call == "paths-info":
            return _json([_entry(files, path) for path in _asked_paths(request) if path in files or _is_folder(files, path)])
        raise RefusedError(404, "", f"No such call: {call}")

    def _tree(self, request: Request, files: Files, revision: str, inside: str) -> Answer:
        if inside and not _is_folder(files, inside):
            raise RefusedError(404, "EntryNotFound", f"{inside} does not exist on {revision}")
        recursive = request.query.get("recursive", ["false"])[0].lower() in ("true", "1")
        names = list(_below(files, inside, recursive=recursive))
        start = int(request.query.get("cursor", ["0"])[0])
        end = start + self.page
        headers = {}
        if end < len(names):
            query = urlencode({**{key: values[0] for key, values in request.query.items()}, "cursor": end})
            headers["Link"] = f'<{self._url}{request.path}?{query}>; rel="next"'
        return _json([_entry(files, name) for name in names[start:end]], headers)

    # -- files

    def _resolve(self, request: Request, kind: str, name: str, revision: str, path: str) -> Answer:
        repository = self._repository(request, kind, name)
        if not (repository.public_readme and path == "README.md"):
            self._check_gate(request, repository)
        commit = self._commit(repository, revision)
        headers = {"X-Repo-Commit": commit}
        file = repository.commits[commit].get(path)
        if file is None:
            raise RefusedError(404, "EntryNotFound", "Entry not found", headers)
        if not file.large:
            return _content(file, request.range, headers)
        location = f"{self._files}/cdn/{kind}/{repository.name}/{commit}/{quote(path)}"
        linked = {"Location": location, "X-Linked-Size": str(file.size), "X-Linked-Etag": f'"{file.etag}"', "Accept-Ranges": "bytes"}
        return Answer(302, headers | linked)

    def _cdn(self, request: Request, kind: str, name: str, commit: str, path: str) -> Answer:
        """A file by the address that the Hub gave out. It is the key: no token is asked for."""
        key = cast("tuple[Kind, str]", (kind, name))
        repository = self._catalogue.repositories.get(key)
        file = repository.commits.get(commit, {}).get(path) if repository else None
        if file is None:
            raise RefusedError(403, "", "Access Denied")
        return _content(file, request.range, {})


def _json(value: Any, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(200, {"Content-Type": "application/json", **(headers or {})}, json.dumps(value).encode())


def _content(file: StoredFile, wanted: str | None, headers: Mapping[str, str]) -> Answer:
    """A file, or the range of it that is wanted."""
    size, start, end, status = file.size, 0, file.size, 200
    found = {"ETag": f'"{file.etag}"', "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream", **headers}
    if match := RANGE.fullmatch(wanted or ""):
        first, last = match.groups()
        start = int(first) if first else max(0, size - int(last or 0))
        end = min(int(last) + 1, size) if first and last else size
        if start >= end:
            return Answer(416, {"Content-Range": f"bytes */{size}"})
        status = 206
        found["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    return Answer(status, found, Section(file.path, start, end - start))


def _info(repository: Repository, commit: str, *, blobs: bool) -> dict[str, Any]:
    """What the Hub says of a repository; with `blobs`, also of the size and hashes of its files."""
    return {
        "_id": hashlib.sha1(repository.name.encode()).hexdigest()[:24],
        "id": repository.name,
        "author": repository.name.split("/")[0],
        "sha": commit,
        "private": repository.private,
        "gated": "manual" if repository.gated else False,
        "disabled": repository.disabled,
        "createdAt": "2024-01-01T00:00:00.000Z",
        "lastModified": "2026-01-01T00:00:00.000Z",
        "tags": [],
        "siblings": [_sibling(name, file, blobs=blobs) for name, file in repository.commits[commit].items()],
    }


def _sibling(name: str, file: StoredFile, *, blobs: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"rfilename": name}
    if blobs:
        found |= {"size": file.size, "blobId": file.blob_id}
    if blobs and file.large:
        found["lfs"] = {"sha256": file.sha256, "size": file.size, "pointerSize": len(file.pointer)}
    return found


def _entry(files: Files, path: str) -> dict[str, Any]:
    """A file or folder as listings show it."""
    file = files.get(path)
    if file is None:
        return {"type": "directory", "oid": hashlib.sha1(path.encode()).hexdigest(), "size": 0, "path": path}
    found: dict[str, Any] = {"type": "file", "oid": file.blob_id, "size": file.size, "path": path}
    if file.large:
        found["lfs"] = {"oid": file.sha256, "size": file.size, "pointerSize": len(file.pointer)}
    return found


def _is_folder(files: Files, path: str) -> bool:
    return any(name.startswith(f"{path}/") for name in files)


def _below(files: Files, folder: str, *, recursive: bool) -> Iterator[str]:
    """The names of the files and folders in a folder, sorted; with `recursive`, also of those further down."""
    prefix = f"{folder}/" if folder else ""
    names = set()
    for name in files:
        if name.startswith(prefix):
            parts = name.removeprefix(prefix).split("/")
            depths = range(1, len(parts) + 1) if recursive else [1]
            names |= {prefix + "/".join(parts[:depth]) for depth in depths}
    yield from sorted(names)


def _asked_paths(request: Request) -> list[str]:
    """The paths in the form, or in the JSON object, that a request carries."""
    text = request.body.decode()
    paths = json.loads(text)["paths"] if text.startswith("{") else parse_qs(text).get("paths", [])
    return [path.strip("/") for path in ([paths] if isinstance(paths, str) else paths)]


def _refs(repository: Repository) -> dict[str, Any]:
    def shown(ref: str, name: str, commit: str) -> dict[str, str]:
        return {"name": name, "ref": ref, "targetCommit": commit}

    convert = "refs/convert/"
    return {
        "branches": [shown(f"refs/heads/{ref}", ref, commit) for ref, commit in repository.refs.items() if not ref.startswith("refs/")],
        "converts": [shown(ref, ref.removeprefix(convert), commit) for ref, commit in repository.refs.items() if ref.startswith(convert)],
        "tags": [],
        "pullRequests": [],
    }
