"""HTTP downloads that continue where they were broken off."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from tqdm import tqdm
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

from v1lib.files import no_space, read_json, write_json

log = logging.getLogger(__name__)

_RETRIES = 4
_TRANSIENT = (429, 500, 502, 503, 504)
_CONNECT_AND_READ_SECONDS = (15, 60)
_CHUNK_BYTES = 2**16
_PROGRESS_SECONDS = 5


class Unreachable(OSError):
    """A server cannot be reached, refuses, or keeps breaking off."""


class WrongSize(ValueError):
    """A server offers a file of another size than expected."""


class _BrokenOff(Exception):
    """The connection ended before the file did."""


@dataclass(frozen=True)
class Partial:
    """The part of a file that has arrived so far, and what it is a part of.

    Attributes:
        path: holds the bytes; ``<path>.json`` holds the address and the server's version tag.
    """

    path: Path

    @property
    def size(self) -> int:
        """Number of bytes that have arrived."""
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def _state(self) -> Path:
        return self.path.with_name(self.path.name + ".json")

    def version(self, url: str) -> str | None:
        """Tag of the version these bytes belong to; None if unknown or from another address."""
        try:
            state = read_json(self._state)
        except (OSError, ValueError):
            return None
        if not isinstance(state, dict) or state.get("url") != url:
            return None
        return state.get("version")

    def begin(self, url: str, version: str | None) -> None:
        """Start from nothing and note what is being downloaded."""
        self.remove()
        write_json({"url": url, "version": version}, self._state)

    def remove(self) -> None:
        """Forget everything that has arrived."""
        self.path.unlink(missing_ok=True)
        self._state.unlink(missing_ok=True)

    def finish(self, target: Path) -> None:
        """Give the complete file its final name."""
        with self.path.open("rb") as handle:
            os.fsync(handle.fileno())
        self.path.replace(target)
        self._state.unlink(missing_ok=True)


def download(
    url: str,
    partial: Partial,
    *,
    size: int | None = None,
    resume_untagged: bool = False,
    backoff: float = 1.0,
) -> None:
    """Bring a file's bytes into ``partial``, resuming what is there if it is the same version.

    Args:
        url: http or https address.
        partial: where the bytes go. It is kept when the download fails, for the next call.
        size: expected number of bytes, if known.
        resume_untagged: also continue a file for which the server gave no version tag; only safe
            if a checksum is compared afterwards.
        backoff: first waiting time between attempts, in seconds; it doubles at each.

    Raises:
        Unreachable: no connection, an error status, or broken off again and again.
        WrongSize: the server offers another number of bytes than ``size``.
        OSError: the disk is full; what has arrived is kept.
    """
    partial.path.parent.mkdir(parents=True, exist_ok=True)
    if partial.size and not (resume_untagged or partial.version(url)):
        partial.remove()
    furthest, failures = partial.size, 0
    with _session(backoff) as session:
        while size is None or partial.size != size:
            try:
                _receive(session, url, partial, size)
                break
            except _BrokenOff as error:
                # Progress resets the count, so that a huge file survives many interruptions.
                failures = 0 if partial.size > furthest else failures + 1
                furthest = max(furthest, partial.size)
                if failures > _RETRIES:
                    raise Unreachable(f"{url} broke off {failures} times ({error})") from error
                log.warning("%s broke off after %d bytes (%s)", url, partial.size, error)
                time.sleep(backoff * 2**failures)


def _session(backoff: float) -> requests.Session:
    retry = Retry(
        total=_RETRIES,
        backoff_factor=backoff,
        status_forcelist=_TRANSIENT,
        allowed_methods=["GET"],
        raise_on_status=False,
    )
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    return session


def _receive(session: requests.Session, url: str, partial: Partial, size: int | None) -> None:
    """One request: the whole file, or what is missing of it."""
    # Compression on the way would make byte ranges and checksums meaningless.
    headers = {"Accept-Encoding": "identity"}
    start, version = partial.size, partial.version(url)
    if start:
        headers["Range"] = f"bytes={start}-"
        if version:
            headers["If-Range"] = version
    with _answer(session, url, headers) as answer:
        total = _total_bytes(answer)
        if answer.status_code == requests.codes.requested_range_not_satisfiable:
            if start == total:
                return  # everything had arrived
            partial.remove()
            raise _BrokenOff(f"the part kept is longer than the file, {total} bytes")
        if answer.status_code != requests.codes.partial_content:
            start = 0
            partial.begin(url, _version(answer))
        elif _first_byte(answer) != start:
            partial.remove()
            raise _BrokenOff("the server sent another range than asked for")
        if size is not None and total is not None and total != size:
            partial.remove()
            raise WrongSize(f"{url} has {total} bytes, expected {size}")
        _append(answer, partial, total or size)
    if size is not None and partial.size < size:
        raise _BrokenOff(f"{partial.size} of {size} bytes")


@contextmanager
def _answer(session: requests.Session, url: str, headers: dict) -> Iterator[requests.Response]:
    try:
        answer = session.get(url, headers=headers, stream=True, timeout=_CONNECT_AND_READ_SECONDS)
    except requests.RequestException as error:
        raise Unreachable(f"{url} cannot be reached ({error})") from error
    with answer:
        beyond_end = requests.codes.requested_range_not_satisfiable
        if not answer.ok and not (answer.status_code == beyond_end and "Range" in headers):
            raise Unreachable(f"{url} answers {answer.status_code} {answer.reason}")
        yield answer


def _append(answer: requests.Response, partial: Partial, total: int | None) -> None:
    arrived = partial.size
    _check_room(partial.path, total, arrived)
    bar = tqdm(
        desc=partial.path.stem,
        total=total,
        initial=arrived,
        unit="B",
        unit_scale=True,
        mininterval=_PROGRESS_SECONDS,
        file=_LogLines(),
    )
    try:
        with partial.path.open("ab") as handle, bar:
            for chunk in answer.raw.stream(_CHUNK_BYTES, decode_content=False):
                arrived += len(chunk)
                if total is not None and arrived > total:
                    raise WrongSize(f"{answer.url} sends more than {total} bytes")
                handle.write(chunk)
                bar.update(len(chunk))
    except HTTPError as error:
        raise _BrokenOff(error.args[0] if error.args else error) from error
    except WrongSize:
        partial.remove()
        raise
    except OSError as error:
        raise no_space(error, partial.path) or error from None


def _check_room(path: Path, total: int | None, start: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if total is not None and total - start > free:
        raise OSError(f"{path} needs {total - start} more bytes, but only {free} are free there")


def _total_bytes(answer: requests.Response) -> int | None:
    """Size of the whole file, as the server states it."""
    text = answer.headers.get("Content-Range", "").rpartition("/")[2]
    text = text or answer.headers.get("Content-Length", "")
    return int(text) if text.isdecimal() else None


def _first_byte(answer: requests.Response) -> int | None:
    text = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return int(text) if text.isdecimal() else None


def _version(answer: requests.Response) -> str | None:
    """What ``If-Range`` accepts: a strong ETag, else the time of the last change (RFC 9110)."""
    tag = answer.headers.get("ETag", "")
    return tag if tag.startswith('"') else answer.headers.get("Last-Modified")


class _LogLines:
    """A stream for tqdm that makes a log line of each state of the progress bar."""

    def write(self, text: str) -> None:
        if text.strip():
            log.info(text.strip())

    def flush(self) -> None:
        pass
