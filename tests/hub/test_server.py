"""The local Hub answers `huggingface_hub` as huggingface.co does, and its faults are what they say."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.hub import children
from tests.hub.catalogue import Repository
from tests.hub.faults import Fault
from tests.hub.server import READER, READER_TOKEN, STRANGER_TOKEN, LocalHub

NAME = "capitals/Cities"
LARGE = "data/test-00000-of-00001.parquet"
CONTENT = bytes(range(256)) * 2000  # 512,000 bytes

IMPORTS = """
from pathlib import Path
from huggingface_hub import HfApi, HfFileSystem, get_hf_file_metadata, hf_hub_download, hf_hub_url, snapshot_download
"""
DOWNLOAD = f"hf_hub_download({NAME!r}, {LARGE!r}, repo_type='dataset')"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    (folder / "data").mkdir(parents=True)
    (folder / "README.md").write_text("---\nlicense: cc0-1.0\n---\nCities\n")
    (folder / LARGE).write_bytes(CONTENT)
    return folder


@pytest.fixture
def repository(hub: LocalHub, folder: Path) -> Repository:
    return hub.add("datasets", NAME, folder)


def value(hub: LocalHub, home: Path, expression: str, *, token: str | None = None, offline: bool = False) -> Any:
    return children.value(hub, home, f"{IMPORTS}\nvalue = {expression}", token=token, offline=offline)


def error(hub: LocalHub, home: Path, expression: str, *, token: str | None = None, timeout: int = 3) -> str:
    return children.error(hub, home, f"{IMPORTS}\nvalue = {expression}", token=token, timeout=timeout)


class TestListing:
    def test_of_one_commit_with_sizes_and_hashes(self, hub: LocalHub, repository: Repository, home: Path) -> None:
        info = (
            f"(lambda i: [i.sha, [[s.rfilename, s.size, s.lfs and s.lfs.sha256] for s in i.siblings]])(HfApi().dataset_info({NAME!r}, %s))"
        )
        readme = repository.commits[repository.head]["README.md"].size
        expected = [["README.md", readme, None], [LARGE, len(CONTENT), hashlib.sha256(CONTENT).hexdigest()]]
        assert value(hub, home, info % "files_metadata=True") == [repository.head, expected]
        assert value(hub, home, info % f"revision={repository.head!r}, files_metadata=True") == [repository.head, expected]
        assert hub.log.count(part="api") == len(hub.log) == 2

    def test_of_folders_comes_in_pages(self, hub: LocalHub, repository: Repository, folder: Path, home: Path) -> None:
        repository.commit({f"extra/{i}.json": folder / "README.md" for i in range(5)})
        hub.answers.page = 2
        tree = f"[f.path for f in HfApi().list_repo_tree({NAME!r}, repo_type='dataset'%s)]"
        assert value(hub, home, tree % "") == ["README.md", "data", "extra"]
        assert value(hub, home, tree % ", path_in_repo='extra'") == [f"extra/{i}.json" for i in range(5)]
        assert len(value(hub, home, tree % ", recursive=True")) == 9
        assert hub.log.count("cursor=4") == 2

    def test_by_path_and_of_refs(self, hub: LocalHub, repository: Repository, folder: Path, home: Path) -> None:
        old = repository.head
        converted = repository.commit({"default/test/0000.parquet": folder / LARGE}, ref="refs/convert/parquet")
        paths = f"[f.path for f in HfApi().get_paths_info({NAME!r}, ['data', 'none', {LARGE!r}], repo_type='dataset')]"
        assert value(hub, home, paths) == ["data", LARGE]
        refs = (
            f"(lambda r: [r.branches[0].target_commit, r.converts[0].target_commit])(HfApi().list_repo_refs({NAME!r}, repo_type='dataset'))"
        )
        assert value(hub, home, refs) == [old, converted]
        download = f"Path(hf_hub_download({NAME!r}, 'default/test/0000.parquet', repo_type='dataset', revision='refs/convert/parquet'))"
        assert value(hub, home, f"{download}.parts[-4]") == converted

    def test_of_what_is_not_there(self, hub: LocalHub, repository: Repository, home: Path) -> None:
        assert error(hub, home, "HfApi().dataset_info('capitals/None')") == "RepositoryNotFoundError"
        assert error(hub, home, f"HfApi().model_info({NAME!r})") == "RepositoryNotFoundError"
        assert error(hub, home, f"HfApi().dataset_info({NAME!r}, revision='v2')") == "RevisionNotFoundError"
        missing = f"hf_hub_download({NAME!r}, 'none.json', repo_type='dataset')"
        assert error(hub, home, missing) == "RemoteEntryNotFoundError"


class TestFiles:
    def test_large_ones_come_from_the_other_origin_without_the_token(self, hub: LocalHub, repository: Repository, home: Path) -> None:
        path = Path(value(hub, home, DOWNLOAD, token=READER_TOKEN))
        assert path.read_bytes() == CONTENT
        assert path.parts[-3] == repository.head
        assert path.resolve().name == hashlib.sha256(CONTENT).hexdigest()  # the cache names a blob by its ETag
        assert [(r.method, r.part, r.status, r.authorised, r.sent) for r in hub.log] == [
            ("HEAD", "resolve", 302, True, 0),
            ("GET", "cdn", 200, False, len(CONTENT)),
        ]

    def test_a_snapshot_and_a_second_one(self, hub: LocalHub, repository: Repository, home: Path) -> None:
        snapshot = Path(value(hub, home, f"snapshot_download({NAME!r}, repo_type='dataset')"))
        assert snapshot.name == repository.head
        assert (snapshot / LARGE).read_bytes() == CONTENT
        hub.log.clear()
        value(hub, home, f"snapshot_download({NAME!r}, repo_type='dataset', revision={repository.head!r})")
        assert hub.log.sent(part="cdn") == 0
        hub.close()
        assert value(hub, home, f"snapshot_download({NAME!r}, repo_type='dataset')", offline=True) == str(snapshot)

    def test_metadata(self, hub: LocalHub, repository: Repository, home: Path) -> None:
        metadata = f"list(vars(get_hf_file_metadata(hf_hub_url({NAME!r}, %r, repo_type='dataset'))).values())[:4]"
        commit, etag, location, size = value(hub, home, metadata % LARGE)
        assert (commit, etag, size) == (repository.head, hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
        assert location.startswith(f"http://localhost:{hub.port}/")
        commit, etag, location, size = value(hub, home, metadata % "README.md")
        readme = repository.commits[repository.head]["README.md"]
        assert (commit, etag, size) == (repository.head, readme.blob_id, readme.size)
        assert location.startswith(hub.url)

    def test_by_range(self, hub: LocalHub, repository: Repository, home: Path) -> None:
        read = f"(lambda f: [f.seek(1000), f.read(50).hex()])(HfFileSystem().open('datasets/{NAME}/{LARGE}', block_size=100))[1]"
        assert value(hub, home, read) == CONTENT[1000:1050].hex()
        assert 50 <= hub.log.sent(part="cdn") <= 200
        url = f"{hub.url}/datasets/{NAME}/resolve/main/{LARGE}"
        with httpx2.Client(follow_redirects=True) as client:
            for wanted, expected in (
                ("0-9", CONTENT[:10]),
                ("511990-", CONTENT[-10:]),
                ("-7", CONTENT[-7:]),
                ("511999-600000", CONTENT[-1:]),
            ):
                found = client.get(url, headers={"Range": f"bytes={wanted}"})
                assert (found.status_code, found.content) == (206, expected)
            assert found.headers["Content-Range"] == "bytes 511999-511999/512000"
            assert client.get(url, headers={"Range": "bytes=512000-"}).status_code == 416
        assert hub.log.select(part="cdn")[-1].range == "bytes=512000-"


class TestAccess:
    def test_gate(self, hub: LocalHub, repository: Repository, home: Path) -> None:
        repository.gate([READER], public_readme=True)
        check = f"HfApi().auth_check({NAME!r}, repo_type='dataset')"
        for token in (None, STRANGER_TOKEN):
            assert error(hub, home, DOWNLOAD, token=token) == "GatedRepoError"
            assert error(hub, home, check, token=token) == "GatedRepoError"
        assert value(hub, home, f"HfApi().dataset_info({NAME!r}).gated") == "manual"
        assert value(hub, home, f"hf_hub_download({NAME!r}, 'README.md', repo_type='dataset')")
        assert {r.status for r in hub.log.select(LARGE)} == {401, 403}
        assert value(hub, home, check, token=READER_TOKEN) is None
        assert Path(value(hub, home, DOWNLOAD, token=READER_TOKEN)).read_bytes() == CONTENT

    def test_private_and_disabled(self, hub: LocalHub, repository: Repository, home: Path) -> None:
        repository.private, repository.readers = True, {READER}
        for token in (None, STRANGER_TOKEN):
            assert error(hub, home, f"HfApi().dataset_info({NAME!r})", token=token) == "RepositoryNotFoundError"
        assert value(hub, home, f"HfApi().dataset_info({NAME!r}).private", token=READER_TOKEN) is True
        repository.private, repository.disabled = False, True
        assert error(hub, home, f"HfApi().dataset_info({NAME!r})") == "DisabledRepoError"

    def test_a_bad_token_is_refused_for_public_data_too(self, hub: LocalHub, repository: Repository, home: Path) -> None:
        refused = children.outcome(hub, home, f"{IMPORTS}\nHfApi().dataset_info({NAME!r})", token="hf_expired")
        assert refused["error"][0] == "HfHubHTTPError"
        assert "Invalid credentials" in refused["text"]
        assert value(hub, home, "HfApi().whoami()['name']", token=READER_TOKEN) == READER

    def test_moved(self, hub: LocalHub, repository: Repository, home: Path) -> None:
        hub.move("datasets", NAME, "capitals/Towns")
        assert Path(value(hub, home, DOWNLOAD)).read_bytes() == CONTENT
        assert value(hub, home, f"HfApi().dataset_info({NAME!r}, files_metadata=True).siblings[0].size") > 0
        assert value(hub, home, f"HfApi().get_paths_info({NAME!r}, 'data', repo_type='dataset')[0].path") == "data"
        assert [r.status for r in hub.log].count(307) == 3


class TestCommits:
    def test_a_new_one_and_one_that_vanishes(self, hub: LocalHub, repository: Repository, folder: Path, home: Path) -> None:
        old, path = repository.head, value(hub, home, DOWNLOAD)
        changed = folder.parent / "changed"
        changed.write_bytes(CONTENT[:100])
        new = repository.commit({LARGE: changed})
        assert (len(new), new != old) == (40, True)
        assert Path(value(hub, home, DOWNLOAD)).read_bytes() == CONTENT[:100]
        pinned = DOWNLOAD.replace(")", f", revision={old!r})")
        assert value(hub, home, pinned) == path
        repository.forget(old)
        info = f"HfApi().dataset_info({NAME!r}, revision={old!r})"
        assert error(hub, home, info) == "RevisionNotFoundError"

    def test_ids_depend_on_the_files_alone(self, folder: Path) -> None:
        first, second = Repository("datasets", NAME), Repository("datasets", NAME)
        assert first.replace(folder) == second.replace(folder)
        assert first.commit({"README.md": None}) != second.commit({LARGE: None})
        assert list(first.commits[first.head]) == [LARGE]


class TestFaults:
    def test_a_download_is_resumed_after_a_dropped_connection(self, hub: LocalHub, folder: Path, home: Path) -> None:
        content = CONTENT * 41  # 21 MB: `huggingface_hub` keeps what it has in steps of 10 MiB
        (folder / LARGE).write_bytes(content)
        hub.add("datasets", NAME, folder)
        hub.faults.add(Fault("GET /cdn/", times=1, drop=15_000_000))
        assert Path(value(hub, home, DOWNLOAD)).read_bytes() == content
        dropped, resumed = hub.log.select(part="cdn")
        assert dropped.sent == 15_000_000
        assert (resumed.status, resumed.range, resumed.sent) == (206, "bytes=10485760-", len(content) - 10_485_760)

    def test_a_cut_file_is_a_whole_answer(self, hub: LocalHub, repository: Repository, home: Path) -> None:
        hub.faults.add(Fault("GET /cdn/", truncate=1000))
        assert httpx2.get(f"{hub.url}/cdn/datasets/{NAME}/{repository.head}/{LARGE}").content == CONTENT[:1000]
        assert "Consistency check failed" in children.outcome(hub, home, f"{IMPORTS}\n{DOWNLOAD}")["text"]

    def test_a_rate_limit_is_waited_for(self, hub: LocalHub, repository: Repository, home: Path) -> None:
        hub.faults.add(Fault.rate_limit("GET /cdn/", wait=1, times=1))
        start = time.monotonic()
        assert value(hub, home, DOWNLOAD)
        assert time.monotonic() - start > 1
        assert [r.status for r in hub.log.select(part="cdn")] == [429, 200]

    def test_a_server_that_never_answers_costs_a_time_out(self, hub: LocalHub, repository: Repository, home: Path) -> None:
        hub.faults.add(Fault("HEAD .*resolve", hang=True))
        start = time.monotonic()
        metadata = f"get_hf_file_metadata(hf_hub_url({NAME!r}, {LARGE!r}, repo_type='dataset'))"
        assert error(hub, home, metadata, timeout=1) == "ReadTimeout"
        assert time.monotonic() - start < 30
        assert [r.status for r in hub.log] == [0]
        start = time.monotonic()
        hub.close()
        assert time.monotonic() - start < 2

    def test_a_status_a_page_and_a_delay(self, hub: LocalHub, repository: Repository) -> None:
        url = f"{hub.url}/api/datasets/{NAME}"
        hub.faults.add(Fault("GET /api", skip=1, times=2, status=503), Fault.html("/api/datasets", times=1), Fault("GET", delay=0.3))
        assert httpx2.get(url).text.startswith("<html>")  # the first rule leaves its first request to the second
        assert [httpx2.get(url).status_code for _ in range(2)] == [503, 503]
        start = time.monotonic()
        assert httpx2.get(url).json()["id"] == NAME
        assert time.monotonic() - start > 0.3
        hub.faults.clear()
        assert httpx2.get(url).json()["sha"] == repository.head

    def test_a_reset(self, hub: LocalHub, repository: Repository) -> None:
        hub.faults.add(Fault("GET", reset=True, times=1))
        with pytest.raises(httpx2.ReadError, match="reset"):
            httpx2.get(f"{hub.url}/api/datasets/{NAME}")

    def test_killed_midway(self, hub: LocalHub, repository: Repository) -> None:
        with httpx2.Client() as client:
            client.get(f"{hub.url}/api/datasets/{NAME}")
            hub.close()
            with pytest.raises(httpx2.TransportError):  # the kept connection has ended too
                client.get(f"{hub.url}/api/datasets/{NAME}")
        with pytest.raises(httpx2.ConnectError):
            httpx2.get(hub.url)


def test_two_hubs_and_one_that_comes_back(hub: LocalHub, repository: Repository, folder: Path) -> None:
    with LocalHub() as other:
        assert other.port != hub.port
        assert other.add("datasets", NAME, folder).head == repository.head
    hub.close()
    with LocalHub(port=hub.port) as back:
        assert httpx2.get(f"{back.url}/api/datasets/{NAME}").status_code == 401
        back.add("datasets", NAME, folder)
        assert httpx2.get(f"{back.url}/api/datasets/{NAME}").json()["sha"] == repository.head


def test_the_environment_leaves_out_what_this_process_has(hub: LocalHub, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HUB_OFFLINE", "HF_TOKEN", "HUGGINGFACE_HUB_CACHE", "https_proxy", "TRANSFORMERS_OFFLINE"):
        monkeypatch.setenv(name, "1")
    found = hub.environment(home)
    assert found["HF_ENDPOINT"] == hub.url
    assert not {"HF_HUB_OFFLINE", "HF_TOKEN", "HUGGINGFACE_HUB_CACHE", "https_proxy", "TRANSFORMERS_OFFLINE"} & found.keys()
    assert hub.environment(home, offline=True)["HF_HUB_OFFLINE"] == "1"
