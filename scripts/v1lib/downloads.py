"""Official files, from a mirror folder or from their address, never half and never altered."""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from v1lib.files import atomic, sha256_of
from v1lib.resume import Partial, Unreachable, WrongSize, download

log = logging.getLogger(__name__)

CHECKSUMS = ("sha256", "sha1", "md5")


class WrongFile(ValueError):
    """A file that is not the one expected."""


@dataclass(frozen=True)
class Source:
    """Where a file comes from and how it is recognised.

    Attributes:
        url: http, https or file address; None for a file that only the user can supply.
        mirror: path of the file inside a mirror folder.
        size: number of bytes, where published.
        checksums: hexadecimal digest for each algorithm of ``CHECKSUMS`` that is published.
        how: what to do to get a file without address.
    """

    url: str | None = None
    mirror: str | None = None
    size: int | None = None
    checksums: Mapping[str, str] = field(default_factory=dict)
    how: str = ""

    @classmethod
    def of(cls, entry: Mapping[str, object]) -> Source:
        """From an entry of the configuration (url, mirror, size, how, checksums, and others)."""
        checksums = {name: str(entry[name]).lower() for name in CHECKSUMS if entry.get(name)}
        known = (entry.get(key) for key in ("url", "mirror", "size"))
        return cls(*known, checksums, entry.get("how", ""))


def fetch(
    source: Source, file: Path, *, mirrors: Sequence[Path | str] = (), backoff: float = 1.0
) -> str:
    """Bring a file to its place: from the first mirror that has it intact, else from its address.

    What has arrived of an interrupted download stays beside the target as ``<name>.partial`` and is
    continued by the next call. Where no checksum is published, the hash of the first download is
    kept as ``<name>.sha256``, and later downloads must agree with it.

    Args:
        source: the file wanted.
        file: where it goes.
        mirrors: folders to look into first.
        backoff: first waiting time between attempts, in seconds; it doubles at each.

    Returns:
        Path or address that the file came from.

    Raises:
        WrongFile: size or checksum differ; the file is removed.
        OSError: no connection, the server refuses, or the disk is full; the message says which
            file to put where instead.
    """
    expected = source if source.checksums else _as_recorded(source, file)
    try:
        origin = _from_mirrors(expected, file, mirrors) or _from_url(expected, file, backoff)
    except Unreachable as error:
        raise Unreachable(f"{error}. {_by_hand(expected, file, mirrors)}") from error
    except (WrongFile, WrongSize) as error:
        old = f"; if it is known to have changed, remove {_record_of(file)}"
        raise WrongFile(f"{file}: {error}{'' if expected is source else old}") from error
    if not expected.checksums:
        _record(file)
    log.info("%s: %d bytes, from %s", file, file.stat().st_size, origin)
    return origin


def verify(path: Path, source: Source, *, origin: str) -> None:
    """Compare size and checksums of a file with those expected.

    Args:
        path: the file to check.
        source: what is expected.
        origin: where the file came from.

    Raises:
        WrongFile: the message names the origin, what was expected and what was found.
    """
    if source.size is not None and path.stat().st_size != source.size:
        raise WrongFile(f"{origin} has {path.stat().st_size} bytes, expected {source.size}")
    for algorithm, digest in source.checksums.items():
        with path.open("rb") as handle:
            found = hashlib.file_digest(handle, algorithm).hexdigest()
        if found != digest:
            raise WrongFile(f"{origin} has {algorithm} {found}, expected {digest}")


def _from_mirrors(source: Source, file: Path, mirrors: Sequence[Path | str]) -> str | None:
    for folder in mirrors if source.mirror else ():
        candidate = Path(folder).expanduser() / source.mirror
        if not candidate.is_file():
            continue
        try:
            _copy(candidate, file, source)
        except (WrongFile, PermissionError) as error:
            log.warning("mirror skipped: %s", error)
        else:
            return str(candidate)
    return None


def _copy(original: Path, file: Path, source: Source) -> None:
    with atomic(file) as part:
        shutil.copyfile(original, part)
        verify(part, source, origin=str(original))


def _from_url(source: Source, file: Path, backoff: float) -> str:
    if source.url is None:
        how = f" ({source.how})" if source.how else ""
        raise Unreachable(f"{file.name} is not offered for download{how}")
    scheme = urlsplit(source.url).scheme
    if scheme == "file":
        _from_disk(source, file)
    elif scheme in ("http", "https"):
        _from_server(source, file, backoff)
    else:
        raise ValueError(f"url {source.url!r}: allowed are http, https and file addresses")
    return source.url


def _from_disk(source: Source, file: Path) -> None:
    original = Path(url2pathname(urlsplit(source.url).path))
    if not original.is_file():
        raise Unreachable(f"{source.url}: no such file")
    _copy(original, file, source)


def _from_server(source: Source, file: Path, backoff: float) -> None:
    partial = Partial(file.with_name(file.name + ".partial"))
    checked = bool(source.checksums)
    download(source.url, partial, size=source.size, resume_untagged=checked, backoff=backoff)
    try:
        verify(partial.path, source, origin=source.url)
    except WrongFile:
        partial.remove()
        raise
    partial.finish(file)


def _as_recorded(source: Source, file: Path) -> Source:
    """The source with the hash of an earlier download, if there was one, as its checksum."""
    record = _record_of(file)
    if not record.is_file():
        return source
    log.info("no checksum is published: comparing with %s of an earlier download", record)
    digest, *_ = record.read_text(encoding="utf-8").split() or [""]
    return replace(source, checksums={"sha256": digest})


def _record(file: Path) -> None:
    record = _record_of(file)
    with atomic(record) as part:
        digest = sha256_of(file)
        part.write_text(f"{digest}  {file.name}\n", encoding="utf-8")
    log.info("no checksum is published: sha256 %s kept in %s for later downloads", digest, record)


def _record_of(file: Path) -> Path:
    return file.with_name(file.name + ".sha256")


def _by_hand(source: Source, file: Path, mirrors: Sequence[Path | str]) -> str:
    """What a user without network, or without this address, can do."""
    known = [f"{name} {digest}" for name, digest in source.checksums.items()]
    known += [f"{source.size} bytes"] if source.size is not None else []
    places = [str(Path(folder) / source.mirror) for folder in mirrors if source.mirror]
    return (
        f"Without this download: put the file{' (' + ', '.join(known) + ')' if known else ''} "
        f"at {' or '.join([*places, str(file)])} and run again"
    )
