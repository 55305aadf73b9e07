"""Fetching one file from a local HTTP server that can be as bad as the network, and from a folder."""

from __future__ import annotations

import hashlib
import http.server
import json
import logging
import random
import resource
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from samwise_ros.errors import CheckpointError
from samwise_ros.model import download
from samwise_ros.model.download import RECORDS, fetch
from samwise_ros.model.published import PublishedFile

OLD = random.Random(1).randbytes(300_000)
NEW = random.Random(2).randbytes(300_000)


class Server(http.server.ThreadingHTTPServer):
    """Serves one file with Range and If-Range, and misbehaves as its attributes say."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = OLD
        self.validator: dict[str, str] = {"ETag": '"old"'}
        self.headers: dict[str, str] = {}
        self.statuses: list[int] = []  # answered first, one request each
        self.cuts: list[int] = []  # bytes after which to close the connection, one request each
        self.knows_range = True
        self.minds_if_range = True
        self.shift = 0  # of the ranges that it sends, bytes
        self.announced: int | None = None  # a wrong Content-Length
        self.chunked = False
        self.silent = False  # sends no size at all
        self.stalls = threading.Event()
        self.stalls.set()  # cleared: the body waits
        self.asked = threading.Event()
        self.requests: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/file.pth"

    def change(self) -> None:
        self.content, self.validator = NEW, {"ETag": '"new"'}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        server = self.server
        server.requests.append({key.lower(): value for key, value in self.headers.items()})
        server.asked.set()
        self.close_connection = True
        if server.statuses:
            self._answer(server.statuses.pop(0), b"<html>sorry</html>", {"Content-Type": "text/html"})
            return
        content, start = server.content, self._start()
        if start is None:
            self._answer(200, content, {**server.validator, **server.headers})
        elif start >= len(content):
            headers = {"Content-Range": f"bytes */{len(content)}", "Content-Type": "text/html"}
            self._answer(416, b"<html>no such range</html>", headers)
        else:
            span = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self._answer(206, content[start:], {**server.validator, **server.headers, "Content-Range": span})

    def _start(self) -> int | None:
        span, condition = self.headers.get("Range"), self.headers.get("If-Range")
        if span is None or not self.server.knows_range:
            return None
        if self.server.minds_if_range and condition not in (None, *self.server.validator.values()):
            return None
        return int(span.removeprefix("bytes=").removesuffix("-")) + self.server.shift

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        if self.server.chunked:
            self.send_header("Transfer-Encoding", "chunked")
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        elif not self.server.silent:
            self.send_header("Content-Length", str(self.server.announced or len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.flush()
        self.server.stalls.wait(5)
        self.wfile.write(body[: self.server.cuts.pop(0)] if self.server.cuts else body)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(download, "_PAUSES_S", (0.0, 0.0))
    monkeypatch.setattr(download, "_PIECE_BYTES", 5_000)
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.stalls.set()
        server.shutdown()
        thread.join()


class Place(NamedTuple):
    """A file, where it is to come, and what can be seen of its coming."""

    file: PublishedFile
    cache: Path

    @property
    def target(self) -> Path:
        return self.cache / self.file.path

    @property
    def partial(self) -> Path:
        return self.cache / f"{self.file.path}.partial"

    def fetch(self, **more: Any) -> str:
        return fetch(self.file, self.cache, **more)

    def error(self, **more: Any) -> str:
        """The text of the error that it ends in; nothing may look complete then."""
        with pytest.raises(CheckpointError) as error:
            self.fetch(**more)
        assert not self.target.exists()
        assert not (self.cache / RECORDS).exists() or self.file.path not in self.records()
        return str(error.value)

    def records(self) -> dict[str, Any]:
        return json.loads((self.cache / RECORDS).read_text(encoding="utf-8"))

    def record(self, content: bytes, url: str = "https://example.com/file.pth") -> None:
        """Make `content` what came first."""
        self.cache.mkdir(exist_ok=True)
        entry = {"size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(), "url": url}
        (self.cache / RECORDS).write_text(json.dumps({self.file.path: entry}), encoding="utf-8")

    def holds(self, content: bytes) -> bool:
        """Whether the file is there, recorded, and nothing else is left of its coming."""
        entry = self.records()[self.file.path]
        assert sorted(path.name for path in self.target.parent.iterdir()) == [self.target.name]
        assert (entry["size_bytes"], entry["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
        return self.target.read_bytes() == content


@pytest.fixture
def place(server: Server, tmp_path: Path) -> Place:
    return Place(PublishedFile("samwise/file.pth", server.url), tmp_path / "cache")


def ranges(server: Server) -> list[str | None]:
    return [request.get("range") for request in server.requests]


# The plain way


def test_a_file_comes_whole_and_is_recorded(server: Server, place: Place) -> None:
    assert place.fetch() == "downloaded"
    assert place.holds(OLD)
    assert place.records()["samwise/file.pth"]["url"] == server.url
    assert ranges(server) == [None]
    assert server.requests[0]["accept-encoding"] == "identity"


@pytest.mark.parametrize("page", [b"<!DOCTYPE html><html>", b"\n  <html lang='en'>"])
def test_a_web_page_that_was_put_there_is_not_taken_for_the_file(place: Place, tmp_path: Path, page: bytes) -> None:
    for name in ("file.pth", "samwise/file.pth"):
        there = tmp_path / "stick" / name
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_bytes(page + b"quota exceeded")
        assert place.error(source=tmp_path / "stick").startswith(f"{there} is a web page, expected the file: ")
    place.target.parent.mkdir(parents=True, exist_ok=True)
    place.target.write_bytes(page)
    with pytest.raises(CheckpointError, match=rf"^{place.target} is a web page, .*; delete it, and its entry in "):
        place.fetch()


def test_a_file_that_is_there_is_verified_without_network(server: Server, place: Place) -> None:
    place.fetch()
    assert place.fetch() == "there already, verified"
    assert len(server.requests) == 1


def test_a_file_that_was_put_there_by_hand_is_recorded_then_verified(server: Server, place: Place) -> None:
    place.target.parent.mkdir(parents=True)
    place.target.write_bytes(OLD)
    assert place.fetch() == "there already, recorded"
    assert place.fetch() == "there already, verified"
    assert place.holds(OLD)
    assert server.requests == []


@pytest.mark.parametrize("damaged", [OLD[:-1], OLD[:-1] + b"?"], ids=["shorter", "as long"])
def test_a_file_that_was_damaged_is_told_and_kept(damaged: bytes, place: Place) -> None:
    place.fetch()
    place.target.write_bytes(damaged)
    with pytest.raises(CheckpointError) as error:
        place.fetch()
    assert (
        f"file.pth has {len(damaged)} bytes and SHA-256 {hashlib.sha256(damaged).hexdigest()}, expected 300000"
        in str(error.value)
    )
    assert f"{hashlib.sha256(OLD).hexdigest()} as recorded: delete it and get it again" in str(error.value)
    assert place.target.read_bytes() == damaged


def test_records_of_other_files_stay(place: Place) -> None:
    Place(PublishedFile("sam2/other.pt", ""), place.cache).record(NEW)
    place.fetch()
    assert list(place.records()) == ["sam2/other.pt", "samwise/file.pth"]


@pytest.mark.parametrize("text", ["{", "[]", '{"samwise/file.pth": {"size": 3}}', '{"samwise/file.pth": 3}', ""])
def test_records_that_cannot_be_read_are_told(text: str, server: Server, place: Place) -> None:
    place.cache.mkdir()
    (place.cache / RECORDS).write_text(text, encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"checksums\.json cannot be read .*: delete it, and the files"):
        place.fetch()
    assert server.requests == []


def test_progress_starts_where_the_download_does(
    server: Server, place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bars = []

    class Bar(download.tqdm):  # type: ignore[misc]
        def __init__(self, **how: Any) -> None:
            bars.append((how["initial"], how["total"], how["unit"], how["unit_scale"], how["disable"]))
            super().__init__(**how)

    monkeypatch.setattr(download, "tqdm", Bar)
    server.cuts = [100_000]
    place.fetch()
    assert bars == [(0, 300_000, "B", True, None), (100_000, 300_000, "B", True, None)]
    assert capsys.readouterr() == ("", "")


# Cut connections


def test_a_cut_connection_is_resumed_where_it_was_cut(server: Server, place: Place) -> None:
    server.cuts = [100_000, 50_000]
    assert place.fetch() == "downloaded"
    assert place.holds(OLD)
    assert ranges(server) == [None, "bytes=100000-", "bytes=150000-"]
    assert [request.get("if-range") for request in server.requests] == [None, '"old"', '"old"']


def test_a_cut_costs_less_than_a_piece(server: Server, place: Place) -> None:
    server.cuts = [104_999]
    place.fetch()
    assert place.holds(OLD)
    start = int(ranges(server)[1].removeprefix("bytes=").removesuffix("-"))
    assert 100_000 <= start <= 104_999


def test_a_later_call_resumes_what_an_earlier_one_gave_up(server: Server, place: Place) -> None:
    server.cuts = [100_000, 50_000, 25_000]
    text = place.error()
    assert text == (
        f"{server.url} cannot be downloaded (the connection was cut; 175000 bytes have arrived), expected the whole "
        "file: try again and it goes on from there, or get it with a browser, save it as file.pth in a folder DIR and "
        "add --from DIR"
    )
    assert place.partial.read_bytes() == OLD[:175_000]
    assert place.fetch() == "downloaded"
    assert place.holds(OLD)
    assert ranges(server)[-1] == "bytes=175000-"


def test_a_cut_is_told_while_it_is_tried_again(server: Server, place: Place, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "samwise_ros")
    server.cuts = [100_000]
    place.fetch()
    assert caplog.messages == ["samwise/file.pth: the connection was cut, trying again in 0 s"]


def test_a_server_without_ranges_sends_it_all_again(server: Server, place: Place) -> None:
    server.cuts = [100_000]
    server.knows_range = False
    place.fetch()
    assert place.holds(OLD)
    assert ranges(server) == [None, "bytes=100000-"]


@pytest.mark.parametrize("minds_if_range", [True, False])
@pytest.mark.parametrize("size", [200_000, 300_000])
def test_parts_of_two_versions_are_never_joined(size: int, minds_if_range: bool, server: Server, place: Place) -> None:
    server.cuts = [100_000] * 3
    server.knows_range = False
    place.error()
    server.change()
    server.content = NEW[:size]
    server.knows_range, server.minds_if_range = True, minds_if_range
    place.fetch()
    assert place.holds(NEW[:size])


def test_a_new_version_without_validator_is_known_by_its_size(server: Server, place: Place) -> None:
    server.cuts = [100_000, 50_000, 0]
    place.error()
    server.content, server.validator, server.minds_if_range = NEW[:200_000], {}, False
    place.fetch()
    assert place.holds(NEW[:200_000])
    assert ranges(server)[3:] == ["bytes=150000-", None]


def test_another_range_than_asked_for_is_not_appended(server: Server, place: Place) -> None:
    server.cuts = [100_000]
    server.shift = 5_000
    place.fetch()
    assert place.holds(OLD)
    assert ranges(server) == [None, "bytes=100000-", None]


def test_a_part_that_is_longer_than_the_new_version_is_dropped(server: Server, place: Place) -> None:
    server.cuts = [100_000] * 3
    server.knows_range = False
    place.error()
    server.content, server.knows_range, server.minds_if_range = NEW[:50_000], True, False
    place.fetch()
    assert place.holds(NEW[:50_000])
    assert ranges(server)[3:] == ["bytes=100000-", None]


@pytest.mark.parametrize("validator", [{}, {"ETag": 'W/"weak"'}], ids=["none", "weak"])
def test_without_a_strong_validator_it_starts_over(validator: dict[str, str], server: Server, place: Place) -> None:
    server.validator = validator
    server.cuts = [100_000]
    place.fetch()
    assert place.holds(OLD)
    assert ranges(server) == [None, None]


def test_a_date_will_do_as_a_validator(server: Server, place: Place) -> None:
    server.validator = {"ETag": 'W/"weak"', "Last-Modified": "Mon, 29 Jul 2024 08:00:00 GMT"}
    server.cuts = [100_000]
    place.fetch()
    assert place.holds(OLD)
    assert server.requests[1]["if-range"] == "Mon, 29 Jul 2024 08:00:00 GMT"
    assert ranges(server) == [None, "bytes=100000-"]


def test_a_part_without_its_note_is_not_trusted(server: Server, place: Place) -> None:
    place.partial.parent.mkdir(parents=True)
    place.partial.write_bytes(NEW[:100_000])
    place.fetch()
    assert place.holds(OLD)
    assert ranges(server) == [None]


def test_a_part_with_a_broken_note_is_not_trusted(server: Server, place: Place) -> None:
    server.cuts = [100_000, 50_000, 0]
    place.error()
    place.partial.with_name("file.pth.partial.json").write_text("{", encoding="utf-8")
    place.fetch()
    assert place.holds(OLD)
    assert ranges(server)[-1] is None


def test_a_part_that_is_complete_needs_no_network(
    server: Server, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(download, "_measure", interrupt)
        with pytest.raises(KeyboardInterrupt):
            place.fetch()
    assert place.partial.read_bytes() == OLD
    assert not place.target.exists()
    assert place.fetch() == "downloaded"
    assert place.holds(OLD)
    assert len(server.requests) == 1


# Sizes and hashes


def test_a_body_shorter_than_announced_is_no_file(server: Server, place: Place) -> None:
    server.announced = 300_001
    text = place.error()
    assert "cannot be downloaded (the connection was cut; " in text


def test_a_length_that_is_checked_by_nobody_else_is_checked(
    server: Server, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def two_pieces(self: object, size: int) -> Iterator[bytes]:
        yield from (OLD[:size], OLD[size : 2 * size])

    monkeypatch.setattr(download.requests.Response, "iter_content", two_pieces)
    text = place.error()
    assert "cannot be downloaded (the connection was cut; 30000 bytes have arrived)" in text


def test_another_size_than_recorded_is_refused_before_it_comes(server: Server, place: Place) -> None:
    place.record(OLD[:-1])
    with pytest.raises(CheckpointError) as error:
        place.fetch()
    assert str(error.value) == (
        f"{server.url} is of 300000 bytes, expected 299999 as recorded: it has changed; "
        "delete the entry of samwise/file.pth in checksums.json to take the new one"
    )
    assert not place.target.exists()
    assert not place.partial.exists()
    assert len(server.requests) == 1


def test_other_bytes_than_recorded_are_refused_and_dropped(server: Server, place: Place) -> None:
    place.record(NEW)
    for _ in range(2):  # what was refused must not be what the next try goes on from
        with pytest.raises(CheckpointError) as error:
            place.fetch()
        assert f"came with 300000 bytes and SHA-256 {hashlib.sha256(OLD).hexdigest()}, expected" in str(error.value)
        assert f"{hashlib.sha256(NEW).hexdigest()} as recorded: get it again, or delete its entry" in str(error.value)
        assert list(place.target.parent.iterdir()) == []
    assert ranges(server) == [None, None]
    server.content = NEW
    assert place.fetch() == "downloaded"
    assert place.holds(NEW)


def test_a_chunked_answer_needs_no_length(server: Server, place: Place) -> None:
    server.chunked = True
    place.fetch()
    assert place.holds(OLD)


def test_a_chunked_answer_that_is_cut_is_noticed(server: Server, place: Place) -> None:
    server.chunked = True
    server.cuts = [100_000]
    place.fetch()
    assert place.holds(OLD)
    assert ranges(server) == [None, None]


def test_an_answer_whose_end_cannot_be_known_is_refused(server: Server, place: Place) -> None:
    server.silent = True
    assert f"{server.url} answered without a size, expected one" in place.error()
    assert len(server.requests) == 1


# Servers that refuse, and none at all


@pytest.mark.parametrize(("status", "reason"), [(404, "Not Found"), (403, "Forbidden")])
def test_a_refusal_is_told_at_once(status: int, reason: str, server: Server, place: Place) -> None:
    server.statuses = [status]
    assert place.error() == (
        f"{server.url} answered HTTP {status} {reason}, expected the file: try again later, or get it with a browser, "
        "save it as file.pth in a folder DIR and add --from DIR"
    )
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_passing_fault_is_tried_again(status: int, server: Server, place: Place) -> None:
    server.statuses = [status, status]
    assert place.fetch() == "downloaded"
    server.statuses = [status] * 3
    place.target.unlink()
    with pytest.raises(CheckpointError, match=rf"cannot be downloaded \(HTTP {status} .*; 0 bytes have arrived\)"):
        place.fetch()
    assert len(server.requests) == 6


def test_a_fault_in_the_middle_keeps_what_has_arrived(server: Server, place: Place) -> None:
    server.cuts = [100_000, 50_000, 0]
    place.error()
    server.statuses = [503] * 3
    assert "(HTTP 503 Service Unavailable; 150000 bytes have arrived)" in place.error()
    assert place.fetch() == "downloaded"
    assert place.holds(OLD)


def test_a_web_page_is_no_file(server: Server, place: Place) -> None:
    server.headers = {"Content-Type": "text/html; charset=utf-8"}
    assert place.error() == (
        f"{server.url} answered with a web page, expected the file: its host limits downloads for now, or your network "
        "asks for a login; get it with a browser, save it as file.pth in a folder DIR and add --from DIR"
    )
    assert not place.partial.exists()


def test_no_server(place: Place, server: Server) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/file.pth"
        text = place._replace(file=PublishedFile("samwise/file.pth", url)).error()
    assert f"{url} cannot be downloaded (Connection refused; 0 bytes have arrived)" in text


def test_no_name_service(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    text = place._replace(file=PublishedFile("samwise/file.pth", "http://example.com/file.pth")).error()
    assert "http://example.com/file.pth cannot be downloaded (Temporary failure in name resolution; 0 bytes" in text


def test_a_server_that_falls_silent(server: Server, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_TIMEOUT_S", 0.1)
    server.stalls.clear()
    assert "cannot be downloaded (timed out; 0 bytes have arrived)" in place.error()
    assert len(server.requests) == 3


# Full disks


class Usage(NamedTuple):
    free: int


def test_room_is_looked_for_before_the_download(server: Server, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download.shutil, "disk_usage", lambda folder: Usage(200_000))
    text = place.error()
    assert f"folder {place.target.parent} has room for 200kB, expected 300kB for what is still to come: free" in text
    assert place.partial.stat().st_size == 0
    monkeypatch.setattr(download.shutil, "disk_usage", lambda folder: Usage(300_000))
    assert place.fetch() == "downloaded"


def test_a_resumed_download_needs_room_for_the_rest_only(
    server: Server, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.cuts = [100_000, 100_000, 0]
    place.error()
    monkeypatch.setattr(download.shutil, "disk_usage", lambda folder: Usage(100_000))
    assert place.fetch() == "downloaded"
    assert place.holds(OLD)


def test_a_disk_that_fills_up_on_the_way_keeps_the_part(server: Server, place: Place) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, hard))
        text = place.error()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert text == (
        f"file {place.target} cannot be stored (File too large): see to space and permissions there, or choose another "
        "folder with --cache-dir; the next try goes on from what has arrived"
    )
    arrived = place.partial.read_bytes()
    assert 100_000 < len(arrived) <= 150_000
    assert arrived == OLD[: len(arrived)]
    assert place.fetch() == "downloaded"
    assert place.holds(OLD)
    assert ranges(server) == [None, f"bytes={len(arrived)}-"]


def test_no_space_left_is_told_in_a_sentence(server: Server, place: Place) -> None:
    place.partial.parent.mkdir(parents=True)
    place.partial.symlink_to("/dev/full")
    assert "file.pth cannot be stored (No space left on device): see to space" in place.error()
    place.partial.unlink()
    assert place.fetch() == "downloaded"
    assert place.holds(OLD)


def test_no_space_left_for_the_record_leaves_nothing_that_looks_complete(server: Server, place: Place) -> None:
    place.cache.mkdir()
    (place.cache / f"{RECORDS}.partial").symlink_to("/dev/full")
    assert "cannot be stored (No space left on device)" in place.error()
    (place.cache / f"{RECORDS}.partial").unlink()
    assert place.fetch() == "downloaded"
    assert place.holds(OLD)
    assert len(server.requests) == 1


def test_a_cache_that_cannot_be_made_is_told(server: Server, tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    with pytest.raises(CheckpointError, match=r"file\.pth cannot be stored \(Not a directory\): see to space and"):
        fetch(PublishedFile("samwise/file.pth", server.url), tmp_path / "cache")


# Two at once


def test_two_at_once_download_once(server: Server, place: Place, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "samwise_ros")
    server.stalls.clear()
    with ThreadPoolExecutor() as pool:
        first = pool.submit(place.fetch)
        assert server.asked.wait(5)
        second = pool.submit(place.fetch)
        until = time.monotonic() + 5
        while not caplog.messages and time.monotonic() < until:
            time.sleep(0.01)
        server.stalls.set()
        assert first.result(5) == "downloaded"
        assert second.result(5) == "there already, verified"
    assert caplog.messages == [f"another process is filling {place.cache}: waiting for it"]
    assert len(server.requests) == 1
    assert place.holds(OLD)


def test_many_at_once_lose_no_record(server: Server, place: Place) -> None:
    files = [PublishedFile(f"samwise/{index}.pth", server.url) for index in range(8)]
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda file: fetch(file, place.cache), files))
    assert outcomes == ["downloaded"] * 8
    assert sorted(place.records()) == [file.path for file in files]


# From a folder


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", ["samwise/file.pth", "file.pth"])
def test_a_folder_serves_by_path_or_by_bare_name(name: str, server: Server, place: Place, tmp_path: Path) -> None:
    original = put(tmp_path / "stick" / name, OLD)
    assert place.fetch(source=tmp_path / "stick") == "copied"
    assert place.holds(OLD)
    assert place.records()["samwise/file.pth"]["url"] == server.url
    assert original.read_bytes() == OLD
    assert place.fetch(source=tmp_path / "stick") == "there already, verified"
    assert server.requests == []


def test_a_file_that_is_not_in_the_folder_is_told(server: Server, place: Place, tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    assert place.error(source=stick) == (
        f"file samwise/file.pth is missing, expected {stick}/samwise/file.pth or {stick}/file.pth: "
        f"get it from {server.url} and put it there"
    )
    assert server.requests == []


def test_a_copy_is_compared_with_the_record(place: Place, tmp_path: Path) -> None:
    put(tmp_path / "stick" / "file.pth", NEW)
    place.record(OLD)
    with pytest.raises(CheckpointError, match=r"file\.pth came with 300000 bytes .* as recorded: get it again"):
        place.fetch(source=tmp_path / "stick")
    assert list(place.target.parent.iterdir()) == []


def test_a_copy_is_compared_with_the_record_that_comes_with_it(place: Place, tmp_path: Path) -> None:
    other = place._replace(cache=tmp_path / "stick")
    other.fetch()
    put(other.target, OLD[:-1])
    assert "file.pth came with 299999 bytes" in place.error(source=other.cache)
    put(other.target, OLD)
    assert place.fetch(source=other.cache) == "copied"
    assert place.records() == other.records()


def test_a_copy_replaces_the_part_of_a_download(server: Server, place: Place, tmp_path: Path) -> None:
    server.cuts = [100_000] * 3
    server.knows_range = False
    place.error()
    put(tmp_path / "stick" / "file.pth", OLD)
    assert place.fetch(source=tmp_path / "stick") == "copied"
    assert place.holds(OLD)


def test_a_copy_that_was_cut_is_not_what_a_download_goes_on_from(server: Server, place: Place, tmp_path: Path) -> None:
    server.cuts = [100_000] * 3
    server.knows_range = False
    place.error()
    put(tmp_path / "stick" / "file.pth", NEW)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, hard))
        text = place.error(source=tmp_path / "stick")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "cannot be stored (File too large): see to space and permissions there" in text
    assert "next try" not in text
    server.knows_range = True
    assert place.fetch() == "downloaded"
    assert place.holds(OLD)


def test_room_is_looked_for_before_the_copy(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "stick" / "file.pth", OLD)
    monkeypatch.setattr(download.shutil, "disk_usage", lambda folder: Usage(200_000))
    assert "has room for 200kB, expected 300kB" in place.error(source=tmp_path / "stick")
    assert not place.partial.exists()
