"""Archives of others: tar (also compressed) and zip, read without trusting them.

Refused are members that would land outside the folder, links, devices, encrypted members, names
that occur twice, and sizes beyond a limit, before anything of the member is written or held. A
truncated archive is refused even where the members asked for precede the damage.
"""

from __future__ import annotations

import errno
import logging
import lzma
import os
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path, PurePosixPath

from v1lib.files import atomic_folder

log = logging.getLogger(__name__)

_CHUNK_BYTES = 2**20
_ZIP_ENCRYPTED = 0x1


class UnsafeArchive(ValueError):
    """An archive holds something that is not extracted."""


class DamagedArchive(ValueError):
    """An archive is truncated, altered, or no archive."""


@dataclass(frozen=True)
class Limits:
    """What an archive may unpack to.

    Attributes:
        member_bytes: size of one member.
        total_bytes: size of all members together.
        members: number of members.
    """

    member_bytes: int = 2**31
    total_bytes: int = 2**35
    members: int = 2_000_000


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class _Member:
    name: str
    size: int
    is_folder: bool
    read: Callable[[], bytes]
    extract: Callable[[Path], object]

    def matches(self, pattern: str) -> bool:
        return not self.is_folder and PurePosixPath(self.name).match(pattern)


def read_members(
    archive: Path | str, pattern: str = "*", *, limits: Limits = DEFAULT_LIMITS
) -> dict[str, bytes]:
    """The contents of the members whose names match, by name, sorted.

    Args:
        archive: a tar file (plain, gzip, bzip2, xz) or a zip file.
        pattern: as in ``PurePosixPath.match``: ``*.mat`` matches in any folder, ``data/*.mat`` in
            a folder ``data``.
        limits: sizes allowed.

    Raises:
        FileNotFoundError: no such archive.
        UnsafeArchive, DamagedArchive: see there; the message names archive and member.
        ValueError: no member matches.
    """
    contents, others = {}, []
    with _naming(archive):
        for member in _members(Path(archive), limits):
            if member.matches(pattern):
                contents[member.name] = member.read()
            else:
                others.append(member.name)
    if not contents:
        raise ValueError(f"{archive} has no member {pattern!r}; it has {sorted(others)[:10]}")
    return dict(sorted(contents.items()))


def extract(
    archive: Path | str,
    folder: Path | str,
    pattern: str = "*",
    *,
    limits: Limits = DEFAULT_LIMITS,
) -> None:
    """Extract the members whose names match into a folder, which appears when all are there.

    A folder that is already there is replaced.

    Args:
        archive: a tar file (plain, gzip, bzip2, xz) or a zip file.
        folder: made by this call; members keep their paths below it.
        pattern: as in ``read_members``.
        limits: sizes allowed.

    Raises:
        FileNotFoundError: no such archive.
        UnsafeArchive, DamagedArchive: see there; the message names archive and member.
        ValueError: no member matches.
        OSError: the disk is full.
    """
    with atomic_folder(folder) as new, _naming(archive):
        n_files = 0
        for member in _members(Path(archive), limits):
            if member.matches(pattern):
                member.extract(new)
                n_files += 1
        if not n_files:
            raise ValueError(f"{archive} has no member {pattern!r}")
    log.info("%s: %d files extracted to %s", archive, n_files, folder)


@contextmanager
def open_zip(
    archive: Path | str, *, limits: Limits = DEFAULT_LIMITS
) -> Iterator[dict[str, Callable[[], bytes]]]:
    """The files of a zip by name; each is read when its value is called, in any order.

    All names and sizes are checked on opening, a file's checksum when it is read.

    Raises:
        FileNotFoundError: no such archive.
        UnsafeArchive, DamagedArchive: see there; the message names archive and member.
    """
    with _naming(archive), zipfile.ZipFile(archive) as opened:
        members = _checked(_zip_entries(opened), limits)
        yield {member.name: member.read for member in members if not member.is_folder}


@contextmanager
def open_files(
    archive: Path | str | BytesIO, *, name: str = "", limits: Limits = DEFAULT_LIMITS
) -> Iterator[dict[str, Callable[[], bytes]]]:
    """The files of a tar, a zip or a folder by name, in the order that they stand there.

    Each is read when its value is called; in the order given, a compressed tar is read only once
    more. All names and sizes are checked on opening. In a folder, links are followed.

    Args:
        archive: a file or a folder, or the bytes of an archive that was found inside another.
        name: of the archive in messages; without it, that of the file.
        limits: sizes allowed; for folders none hold.

    Raises:
        FileNotFoundError: no such archive.
        UnsafeArchive, DamagedArchive: see there; the message names archive and member.
    """
    if not isinstance(archive, BytesIO) and Path(archive).is_dir():
        yield {path.relative_to(archive).as_posix(): path.read_bytes for path in _walk(archive)}
        return
    with ExitStack() as stack:
        with _naming(name or archive):
            files = {
                member.name: partial(_read, member, name or archive)
                for member in _checked(_entries(archive, stack, limits), limits)
                if not member.is_folder
            }
        yield files


def _walk(folder: Path | str) -> list[Path]:
    found = os.walk(folder, followlinks=True)
    return sorted(Path(place) / name for place, _, names in found for name in names)


def _read(member: _Member, archive: Path | str) -> bytes:
    with _naming(archive):
        return member.read()


def _entries(archive: Path | str | BytesIO, stack: ExitStack, limits: Limits) -> Iterator[_Member]:
    if not isinstance(archive, BytesIO) and not Path(archive).is_file():
        raise FileNotFoundError(errno.ENOENT, "no such archive", str(archive))
    if zipfile.is_zipfile(archive):
        return _zip_entries(stack.enter_context(zipfile.ZipFile(archive)))
    if isinstance(archive, BytesIO):
        archive.seek(0)
        return _tar_entries(stack.enter_context(tarfile.open(fileobj=archive)), limits)
    return _tar_entries(stack.enter_context(tarfile.open(archive)), limits)


def _members(archive: Path, limits: Limits) -> Iterator[_Member]:
    """The members of an archive, each checked before it is given out."""
    with ExitStack() as stack:
        yield from _checked(_entries(archive, stack, limits), limits)


def _checked(members: Iterable[_Member], limits: Limits) -> Iterator[_Member]:
    seen, total = set(), 0
    for number, member in enumerate(members, 1):
        total += member.size
        _check_name(member.name)
        _check_limit(f"member {member.name!r}", "bytes", member.size, limits.member_bytes)
        _check_limit("all members", "bytes", total, limits.total_bytes)
        _check_limit("the archive", "members", number, limits.members)
        if not member.is_folder:
            if member.name in seen:
                raise UnsafeArchive(f"member {member.name!r} occurs twice")
            seen.add(member.name)
        yield member


def _check_name(name: str) -> None:
    # A backslash separates folders on some systems, so it counts as a separator everywhere.
    parts = re.split(r"[\\/]", name)
    if parts[0] == "" or ".." in parts or ":" in parts[0] or "\0" in name:
        raise UnsafeArchive(f"member {name!r} would be written outside its folder")


def _check_limit(what: str, unit: str, value: int, limit: int) -> None:
    if not 0 <= value <= limit:
        raise UnsafeArchive(f"{what}: {value} {unit}, allowed are {limit}")


@contextmanager
def _naming(archive: Path | str) -> Iterator[None]:
    """Errors of the libraries as errors that name the archive."""
    broken = (
        *(tarfile.TarError, zipfile.BadZipFile, NotImplementedError),
        *(EOFError, zlib.error, lzma.LZMAError),
    )
    try:
        yield
    except (UnsafeArchive, tarfile.FilterError) as error:
        raise UnsafeArchive(f"{archive}: {error}") from error
    except broken as error:
        raise _damaged(archive, error) from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise _damaged(archive, error) from error  # so gzip and bzip2 report damage


def _damaged(archive: Path | str, error: Exception) -> DamagedArchive:
    return DamagedArchive(
        f"{archive} is truncated, damaged or no archive ({error}); remove it and get it again"
    )


def _tar_entries(tar: tarfile.TarFile, limits: Limits) -> Iterator[_Member]:
    for entry in tar:
        if not (entry.isfile() or entry.isdir()):
            raise UnsafeArchive(f"member {entry.name!r} is a link or a device")
        yield _Member(
            name=_normal(entry.name),
            size=entry.size,
            is_folder=entry.isdir(),
            read=lambda entry=entry: tar.extractfile(entry).read(),
            extract=lambda folder, entry=entry: tar.extract(entry, folder, filter="data"),
        )
    _read_to_the_end(tar, limits)


def _read_to_the_end(tar: tarfile.TarFile, limits: Limits) -> None:
    """Check the end mark of a tar file, and by reading on the checksum of its compression.

    ``tarfile`` takes a file that ends after a member for a complete one.
    """
    tar.fileobj.seek(tar.offset)
    if tar.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("the end mark is missing")
    behind = 0
    while chunk := tar.fileobj.read(_CHUNK_BYTES):
        behind += len(chunk)
        _check_limit("behind the end mark", "bytes", behind, limits.total_bytes)


def _zip_entries(opened: zipfile.ZipFile) -> Iterator[_Member]:
    for entry in opened.infolist():
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise UnsafeArchive(f"member {entry.filename!r} is a link or a device")
        if entry.flag_bits & _ZIP_ENCRYPTED:
            raise UnsafeArchive(f"member {entry.filename!r} is encrypted")
        yield _Member(
            name=_normal(entry.filename),
            size=entry.file_size,
            is_folder=entry.is_dir(),
            read=lambda entry=entry: opened.read(entry),
            extract=lambda folder, entry=entry: opened.extract(entry, folder),
        )


def _normal(name: str) -> str:
    """``./data//a.mat`` as ``data/a.mat``; ``..`` and a leading ``/`` are kept, to be refused."""
    return str(PurePosixPath(name))
