"""Fetch one published file into the cache folder, and know it again. Called by `cli.download`.

A file under its own name is whole: it grows as NAME.partial, which a later try goes on from. Its size and SHA-256 are
recorded in `checksums.json` when it first comes, and compared ever after.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import requests
from tqdm import tqdm

from samwise_ros.errors import CheckpointError
from samwise_ros.model.published import PublishedFile

Outcome: TypeAlias = Literal["downloaded", "copied", "there already, verified", "there already, recorded"]

RECORDS = "checksums.json"
"""Name of the file in the cache folder that holds size, SHA-256 and home of every file."""

_TIMEOUT_S = 30.0
"""How long a server may be silent, when connecting and between two pieces."""

_PAUSES_S = (1.0, 2.0, 4.0, 8.0)
"""Waits between tries; there is one try more than waits."""

_PIECE_BYTES = 1 << 16
"""What is lost of a connection that is cut is less than this."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Record:
    """What a file was when it first came."""

    size_bytes: int
    sha256: str
    url: str


@dataclass(frozen=True, slots=True)
class _Version:
    """Which state of a file a server sends: its ETag or date ("" for neither), and its size (None for not told)."""

    validator: str = ""
    size_bytes: int | None = None


class _Partial:
    """What has arrived of a file: NAME.partial, and in NAME.partial.json the version that it is a part of."""

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(f"{target.name}.partial")
        self._note = target.with_name(f"{target.name}.partial.json")

    @property
    def size_bytes(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def version(self) -> _Version:
        try:
            return _Version(**json.loads(self._note.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return _Version()

    def note(self, version: _Version) -> None:
        self._note.write_text(json.dumps(asdict(version)), encoding="utf-8")

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def complete(self, target: Path) -> None:
        _put_in_place(self.path, target)
        self._note.unlink(missing_ok=True)


def fetch(file: PublishedFile, cache: Path, *, source: Path | None = None) -> Outcome:
    """Make sure that a published file is in the cache folder and is what it was when it first came.

    Processes that share a cache folder take turns.

    Args:
        file: what to fetch.
        cache: the cache folder; it is made where it is missing.
        source: a folder to copy from instead of the network, laid out like the cache folder or holding the bare files.
            If it has records of its own, they count where the cache has none.

    Returns:
        How the file came. A file that lay there without a record is not verified but recorded.

    Raises:
        CheckpointError: the file cannot be had or stored, or is not what was recorded. What has arrived by network is
            kept for the next try.
    """
    target = cache / file.path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _turn(cache):
            return _fetch(file, cache, source)
    except OSError as error:
        kept = "; the next try goes on from what has arrived" if source is None else ""
        raise CheckpointError(
            f"file {target} cannot be stored ({error.strerror or error}): see to space and permissions there, or "
            f"choose another folder with --cache-dir{kept}"
        ) from error


def _fetch(file: PublishedFile, cache: Path, source: Path | None) -> Outcome:
    target = cache / file.path
    partial = _Partial(target)
    records = _read_records(cache)
    known = records.get(file.path)
    there = target.is_file()
    origin: Path | str = target
    remedy = f"delete it, and its entry in {RECORDS}, then try again or"
    if not there and source is None:
        origin, remedy = file.url, "try again later, or"
        _download(file, partial, known)
    elif not there and source is not None:
        known = known or _read_records(source).get(file.path)
        origin, remedy = _copy(file, source, partial), "delete it, and"
    if _is_page(target if there else partial.path):
        partial.discard()
        raise CheckpointError(
            f"{origin} is a web page, expected the file: its host limits downloads for now, or asked for a login; "
            f"{remedy} {_by_hand(file)}"
        )
    found = _measure(target if there else partial.path, file)
    if known and (found.size_bytes, found.sha256) != (known.size_bytes, known.sha256):
        partial.discard()
        raise CheckpointError(
            f"file {target} {'has' if there else 'came with'} {found.size_bytes} bytes and SHA-256 {found.sha256}, "
            f"expected {known.size_bytes} bytes and {known.sha256} as recorded: {'delete it and ' if there else ''}get "
            f"it again, or delete its entry in {RECORDS} if it is right"
        )
    if file.path not in records:
        _write_records(cache, {**records, file.path: found})
    if there:
        return "there already, verified" if known else "there already, recorded"
    partial.complete(target)
    return "downloaded" if source is None else "copied"


@contextmanager
def _turn(cache: Path) -> Iterator[None]:
    with open(cache / ".lock", "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _LOG.info("another process is filling %s: waiting for it", cache)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _put_in_place(partial: Path, target: Path) -> None:
    # Without the sync, a power cut can leave the new name on an empty file.
    with open(partial, "rb") as file:
        os.fsync(file.fileno())
    os.replace(partial, target)


def _read_records(cache: Path) -> dict[str, _Record]:
    try:
        entries = json.loads((cache / RECORDS).read_text(encoding="utf-8"))
        return {path: _Record(**entry) for path, entry in entries.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{cache / RECORDS} cannot be read ({error}), expected size_bytes, sha256 and url of each file: "
            "delete it, and the files that are there are recorded anew"
        ) from error


def _write_records(cache: Path, records: dict[str, _Record]) -> None:
    partial = cache / f"{RECORDS}.partial"
    entries = {path: asdict(record) for path, record in records.items()}
    partial.write_text(json.dumps(entries, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    _put_in_place(partial, cache / RECORDS)


def _is_page(path: Path) -> bool:
    with open(path, "rb") as stream:
        return stream.read(512).lstrip().lower().startswith((b"<!doctype", b"<html"))


def _measure(path: Path, file: PublishedFile) -> _Record:
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    return _Record(path.stat().st_size, digest.hexdigest(), file.url)


def _check_space(folder: Path, needed_bytes: int) -> None:
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < needed_bytes:
        raise CheckpointError(
            f"folder {folder} has room for {tqdm.format_sizeof(free_bytes)}B, expected "
            f"{tqdm.format_sizeof(needed_bytes)}B for what is still to come: free some, or choose another folder with "
            "--cache-dir"
        )


def _copy(file: PublishedFile, source: Path, partial: _Partial) -> Path:
    """Copy a file from a folder; returns where it was there."""
    places = (source / file.path, source / Path(file.path).name)
    original = next((place for place in places if place.is_file()), None)
    if original is None:
        raise CheckpointError(
            f"file {file.path} is missing, expected {places[0]} or {places[1]}: get it from {file.url} and put it there"
        )
    partial.discard()
    _check_space(partial.path.parent, original.stat().st_size)
    shutil.copyfile(original, partial.path)
    return original


def _download(file: PublishedFile, partial: _Partial, known: _Record | None) -> None:
    """Complete a partial file, however far it is, in a few tries."""
    for pause_s in (*_PAUSES_S, None):
        try:
            _receive(file, partial, known)
            return
        except requests.RequestException as error:
            problem = _reason(error)
            if pause_s is None:
                raise CheckpointError(
                    f"{file.url} cannot be downloaded ({problem}; {partial.size_bytes} bytes have arrived), expected "
                    f"the whole file: try again and it goes on from there, or {_by_hand(file)}"
                ) from error
        _LOG.info("%s: %s, trying again in %g s", file.path, problem, pause_s)
        time.sleep(pause_s)


def _receive(file: PublishedFile, partial: _Partial, known: _Record | None) -> None:
    """Ask for what is missing, and append it.

    Raises:
        requests.RequestException: it did not work this time.
        CheckpointError: it will not work next time either.
    """
    start, version = partial.size_bytes, partial.version()
    if start and start == version.size_bytes:
        return
    if not version.validator or start > (version.size_bytes or 0):
        start = 0
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": version.validator}
    with requests.get(file.url, headers=headers, stream=True, timeout=_TIMEOUT_S) as response:
        if response.status_code == 416 or (response.status_code == 206 and not _continues(response, start, version)):
            partial.discard()
            raise requests.RequestException("the file has changed in between")
        _check_answer(file, response)
        if response.status_code == 200:
            start, version = 0, _version_of(response)
        if known and version.size_bytes not in (None, known.size_bytes):
            raise CheckpointError(
                f"{file.url} is of {version.size_bytes} bytes, expected {known.size_bytes} as recorded: it has "
                f"changed; delete the entry of {file.path} in {RECORDS} to take the new one"
            )
        with open(partial.path, "ab" if start else "wb") as out:
            # The note follows the truncation: were it first, old bytes could pass for a part of the new version.
            partial.note(version)
            _check_space(partial.path.parent, (version.size_bytes or 0) - start)
            with _progress(file, start, version.size_bytes) as progress:
                for piece in response.iter_content(_PIECE_BYTES):
                    progress.update(out.write(piece))
    if version.size_bytes not in (None, partial.size_bytes):
        raise requests.exceptions.ChunkedEncodingError


def _check_answer(file: PublishedFile, response: requests.Response) -> None:
    if response.status_code not in (200, 206):
        answer = f"HTTP {response.status_code} {response.reason}".strip()
        if response.status_code >= 500 or response.status_code in (408, 429):
            raise requests.RequestException(answer)
        raise CheckpointError(f"{file.url} answered {answer}, expected the file: try again later, or {_by_hand(file)}")
    if response.headers.get("Content-Type", "").startswith("text/html"):
        raise CheckpointError(
            f"{file.url} answered with a web page, expected the file: its host limits downloads for now, or your "
            f"network asks for a login; {_by_hand(file)}"
        )
    if response.headers.keys().isdisjoint({"content-length", "transfer-encoding"}):
        raise CheckpointError(
            f"{file.url} answered without a size, expected one to know when the file is whole: {_by_hand(file)}"
        )


def _version_of(response: requests.Response) -> _Version:
    etag = response.headers.get("ETag", "")
    date = response.headers.get("Last-Modified", "")
    size = response.headers.get("Content-Length", "")
    # A weak ETag does not promise the same bytes.
    return _Version(date if not etag or etag.startswith("W/") else etag, int(size) if size.isdecimal() else None)


def _continues(response: requests.Response, start: int, version: _Version) -> bool:
    """Whether a 206 brings what follows byte `start` of the same version; not every server minds If-Range."""
    span = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
    return (
        span is not None
        and (int(span[1]), int(span[2])) == (start, version.size_bytes)
        and _version_of(response).validator in ("", version.validator)
    )


def _progress(file: PublishedFile, start: int, total: int | None) -> tqdm:
    name = Path(file.path).name
    return tqdm(desc=name, total=total, initial=start, unit="B", unit_scale=True, disable=None)


def _by_hand(file: PublishedFile) -> str:
    return f"get it with a browser, save it as {Path(file.path).name} in a folder DIR and add --from DIR"


def _reason(error: BaseException) -> str:
    """What lies under the layers of an HTTP library's error, in a few words."""
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection was cut"
    while error.__context__ is not None:
        error = error.__context__
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
