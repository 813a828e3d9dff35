"""Archives of others: what is read, and what is refused before it does harm."""

import gzip
import io
import stat
import struct
import tarfile
import zipfile

import numpy as np
import pytest

from v1lib.archives import (
    DamagedArchive,
    Limits,
    UnsafeArchive,
    extract,
    open_files,
    open_zip,
    read_members,
)

NOISE = np.random.default_rng(0).bytes(40_000)
CONTENTS = {"data/01.mat": NOISE, "data/02.mat": b"second", "data/README": b"text"}
KINDS = ("tar", "tar.gz", "tar.bz2", "tar.xz", "zip")


def tar_entry(name, content=b"", kind=tarfile.REGTYPE, target=""):
    entry = tarfile.TarInfo(name)
    entry.size, entry.type, entry.linkname = len(content), kind, target
    return entry, content


def write_tar(path, entries):
    compression = path.suffix.lstrip(".")
    with tarfile.open(path, "w:" if compression == "tar" else f"w:{compression}") as tar:
        for entry, content in entries:
            tar.addfile(entry, io.BytesIO(content))
    return path


def write_zip(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for entry, content in members:
            opened.writestr(entry, content)
    return path


def write(path, contents=CONTENTS):
    if path.suffix == ".zip":
        return write_zip(path, contents.items())
    folder = tar_entry("data/", kind=tarfile.DIRTYPE)
    return write_tar(path, [folder, *(tar_entry(*item) for item in contents.items())])


@pytest.fixture(params=KINDS)
def archive(request, tmp_path):
    return write(tmp_path / f"archive.{request.param}")


def files_below(folder):
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def assert_refused(archive, error, match):
    """Neither way of reading gives anything, and nothing is left or changed."""
    folder = archive.parent / "target" / "folder"
    before = sorted(archive.parent.iterdir())
    with pytest.raises(error, match=match) as caught:
        read_members(archive)
    assert str(archive) in str(caught.value)
    with pytest.raises(error, match=match):
        extract(archive, folder)
    assert not list(folder.parent.iterdir())
    folder.parent.rmdir()
    assert sorted(archive.parent.iterdir()) == before


def test_members_are_read_by_pattern(archive):
    assert read_members(archive) == CONTENTS
    assert list(read_members(archive, "*.mat")) == ["data/01.mat", "data/02.mat"]
    assert read_members(archive, "data/02*") == {"data/02.mat": b"second"}


def test_members_are_extracted_by_pattern(archive, tmp_path):
    extract(archive, tmp_path / "new" / "all")
    assert files_below(tmp_path / "new") == {f"all/{name}": CONTENTS[name] for name in CONTENTS}
    extract(archive, tmp_path / "some", "*.mat")
    assert sorted(files_below(tmp_path / "some")) == ["data/01.mat", "data/02.mat"]


def test_a_folder_already_there_is_replaced(archive, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "old").touch()
    extract(archive, folder)
    assert files_below(folder) == CONTENTS
    assert sorted(path.name for path in tmp_path.iterdir()) == [archive.name, "folder"]


def test_files_of_a_zip_are_read_one_by_one(tmp_path):
    with open_zip(write(tmp_path / "a.zip")) as files:
        assert {name: read() for name, read in reversed(files.items())} == CONTENTS


def test_a_zip_is_checked_before_anything_of_it_is_read(tmp_path):
    hostile = write_zip(tmp_path / "a.zip", [("data/01.mat", b""), ("../outside", b"")])
    with pytest.raises(UnsafeArchive, match=r"a\.zip: member '\.\./outside'"), open_zip(hostile):
        raise AssertionError("not reached")
    truncated = write(tmp_path / "b.zip")
    truncated.write_bytes(truncated.read_bytes()[:-30])
    with pytest.raises(DamagedArchive, match=r"b\.zip is truncated"), open_zip(truncated):
        raise AssertionError("not reached")
    with pytest.raises(FileNotFoundError), open_zip(tmp_path / "none.zip"):
        raise AssertionError("not reached")
    altered = write(tmp_path / "c.zip")
    content = bytearray(altered.read_bytes())
    content[20_000] ^= 1
    altered.write_bytes(content)
    with pytest.raises(DamagedArchive, match=r"c\.zip is .*CRC"), open_zip(altered) as files:
        assert files["data/02.mat"]() == b"second"
        files["data/01.mat"]()


def test_files_of_any_archive_are_read_one_by_one(archive):
    with open_files(archive) as files:
        assert list(files) == list(CONTENTS)
        assert {name: read() for name, read in reversed(files.items())} == CONTENTS
    with open_files(io.BytesIO(archive.read_bytes()), name="inner") as files:
        assert files["data/02.mat"]() == b"second"


def test_files_of_a_folder_are_read_like_those_of_an_archive(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/2").write_bytes(b"second")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/1").write_bytes(b"first")
    (tmp_path / "folder/linked").symlink_to(tmp_path / "elsewhere")
    with open_files(tmp_path / "folder") as files:
        assert {name: read() for name, read in files.items()} == {
            "1": b"first",
            "linked/2": b"second",
        }


def test_damage_inside_an_archive_names_the_outer_one(archive):
    short = io.BytesIO(archive.read_bytes()[: archive.stat().st_size // 2])
    with (
        pytest.raises(DamagedArchive, match=r"outer\.tar: inner"),
        open_files(short, name="outer.tar: inner"),
    ):
        pass


def test_errors_of_the_reader_are_not_blamed_on_the_archive(archive):
    with pytest.raises(OSError, match="of my own") as raised, open_files(archive):
        raise OSError("of my own")
    assert not isinstance(raised.value, DamagedArchive)


def test_a_pattern_without_match_tells_what_there_is(archive, tmp_path):
    with pytest.raises(ValueError, match=r"no member '\*\.npy'.*data/01\.mat"):
        read_members(archive, "*.npy")
    with pytest.raises(ValueError, match=r"no member '\*\.npy'"):
        extract(archive, tmp_path / "folder", "*.npy")
    assert not (tmp_path / "folder").exists()


def test_an_archive_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.tar"):
        read_members(tmp_path / "none.tar")


OUTSIDE = ("../evil", "data/../../evil", "/tmp/evil", "..\\evil", "C:\\evil", "data/..")


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("kind", ["tar", "tar.gz", "zip"])
def test_paths_that_lead_outside_are_refused(tmp_path, name, kind):
    path = write(tmp_path / f"evil.{kind}", {"good": b"", name: b"evil"})
    assert_refused(path, UnsafeArchive, "outside its folder")


TAR_SPECIALS = {
    "symbolic link": (tarfile.SYMTYPE, "/etc/passwd"),
    "symbolic link inside": (tarfile.SYMTYPE, "good"),
    "hard link": (tarfile.LNKTYPE, "good"),
    "fifo": (tarfile.FIFOTYPE, ""),
    "device": (tarfile.CHRTYPE, ""),
    "block device": (tarfile.BLKTYPE, ""),
}


@pytest.mark.parametrize("case", TAR_SPECIALS)
def test_links_and_devices_in_tar_files_are_refused(tmp_path, case):
    kind, target = TAR_SPECIALS[case]
    entries = [tar_entry("good", b"good"), tar_entry("bad", b"", kind, target)]
    path = write_tar(tmp_path / "evil.tar", entries)
    assert_refused(path, UnsafeArchive, "member 'bad' is a link or a device")


def test_writing_through_a_link_is_refused(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    entries = [tar_entry("a", b"", tarfile.SYMTYPE, str(outside)), tar_entry("a/evil", b"evil")]
    assert_refused(write_tar(tmp_path / "evil.tar", entries), UnsafeArchive, "link")
    assert not list(outside.iterdir())


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_in_zip_files_are_refused(tmp_path, mode):
    entry = zipfile.ZipInfo("bad")
    entry.external_attr = (mode | 0o777) << 16
    path = write_zip(tmp_path / "evil.zip", [("good", b"good"), (entry, b"/etc/passwd")])
    assert_refused(path, UnsafeArchive, "member 'bad' is a link or a device")


def test_encrypted_zip_files_are_refused(tmp_path):
    path = write_zip(tmp_path / "secret.zip", [("secret", b"text")])
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.index(signature) + offset
        (flags,) = struct.unpack_from("<H", data, place)
        struct.pack_into("<H", data, place, flags | 1)
    path.write_bytes(data)
    assert_refused(path, UnsafeArchive, "'secret' is encrypted")


def test_an_unknown_compression_is_refused(tmp_path):
    path = write_zip(tmp_path / "odd.zip", [("odd", b"text")])
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        struct.pack_into("<H", data, data.index(signature) + offset, 98)
    path.write_bytes(data)
    assert_refused(path, DamagedArchive, "compression")


@pytest.mark.parametrize("kind", ["tar", "zip"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_occurs_twice_is_refused(tmp_path, kind):
    path = tmp_path / f"twice.{kind}"
    if kind == "tar":
        write_tar(path, [tar_entry("a", b"first"), tar_entry("./a", b"other")])
    else:
        write_zip(path, [("a", b"first"), ("a", b"other")])
    assert_refused(path, UnsafeArchive, "'a' occurs twice")


@pytest.mark.parametrize(
    ("limits", "match"),
    [
        (Limits(member_bytes=39_999), "member 'data/01.mat': 40000 bytes, allowed are 39999"),
        (Limits(total_bytes=40_009), "all members: 400.. bytes, allowed are 40009"),
        (Limits(members=2), "3 members, allowed are 2"),
    ],
)
def test_sizes_beyond_a_limit_are_refused(archive, tmp_path, limits, match):
    for read in (
        lambda: read_members(archive, limits=limits),
        lambda: extract(archive, tmp_path / "folder", limits=limits),
    ):
        with pytest.raises(UnsafeArchive, match=match):
            read()
    assert not (tmp_path / "folder").exists()


def test_sizes_up_to_the_limits_are_read(tmp_path):
    total = sum(map(len, CONTENTS.values()))
    limits = Limits(member_bytes=len(NOISE), total_bytes=total, members=4)
    for kind in KINDS:
        assert read_members(write(tmp_path / f"a.{kind}"), limits=limits) == CONTENTS


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_a_bomb_is_refused_whole(tmp_path, kind):
    """A small file that unpacks to a large one, even when that one is not asked for."""
    path = write(tmp_path / f"bomb.{kind}", {"small": b"1", "bomb": bytes(10_000_000)})
    assert path.stat().st_size < 50_000
    with pytest.raises(UnsafeArchive, match="member 'bomb': 10000000 bytes"):
        read_members(path, "small", limits=Limits(member_bytes=1_000_000))


def test_a_bomb_behind_the_end_mark_is_refused(tmp_path):
    path = tmp_path / "bomb.tar.gz"
    plain = write(tmp_path / "plain.tar").read_bytes()
    path.write_bytes(gzip.compress(plain + bytes(10_000_000)))
    assert read_members(path) == CONTENTS
    with pytest.raises(UnsafeArchive, match=r"behind the end mark: .* allowed are 9000000"):
        read_members(path, limits=Limits(total_bytes=9_000_000))


def test_a_negative_size_is_refused(tmp_path):
    entry = tarfile.TarInfo("negative")
    entry.size = -512
    path = tmp_path / "negative.tar"
    path.write_bytes(entry.tobuf(tarfile.GNU_FORMAT) + bytes(10 * tarfile.BLOCKSIZE))
    assert_refused(path, UnsafeArchive, "-512 bytes, allowed are")


def test_a_zip_member_larger_than_it_states_is_damaged(tmp_path):
    path = write_zip(tmp_path / "lie.zip", [("bomb", bytes(1_000_000))])
    data = path.read_bytes()
    assert data.count(struct.pack("<I", 1_000_000)) == 2
    path.write_bytes(data.replace(struct.pack("<I", 1_000_000), struct.pack("<I", 10)))
    assert_refused(path, DamagedArchive, "damaged")


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.1, 0.5, 0.7])
def test_truncated_archives_are_refused(archive, kept):
    data = archive.read_bytes()
    archive.write_bytes(data[: int(kept * len(data))])
    assert_refused(archive, DamagedArchive, "truncated, damaged or no archive")


@pytest.mark.parametrize("kind", ["tar.gz", "tar.bz2", "tar.xz", "zip"])
def test_an_archive_that_lacks_its_last_byte_is_refused(tmp_path, kind):
    path = write(tmp_path / f"cut.{kind}")
    path.write_bytes(path.read_bytes()[:-1])
    assert_refused(path, DamagedArchive, "truncated, damaged or no archive")


def test_a_tar_file_that_ends_after_a_member_is_refused(tmp_path):
    """Here a reader that only follows the members sees nothing wrong."""
    path = write_tar(tmp_path / "cut.tar", [tar_entry("a", b"1"), tar_entry("b", b"2")])
    path.write_bytes(path.read_bytes()[: 2 * tarfile.BLOCKSIZE])
    with tarfile.open(path) as tar:
        assert tar.getnames() == ["a"]
    assert_refused(path, DamagedArchive, "end mark")


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_altered_bytes_are_noticed_by_the_checksum(tmp_path, kind):
    path = write(tmp_path / f"altered.{kind}")
    data = bytearray(path.read_bytes())
    data[20_000] ^= 1  # inside the noise, which is stored as it is
    path.write_bytes(data)
    assert_refused(path, DamagedArchive, "damaged")


@pytest.mark.parametrize(
    "content", [b"<html>not found</html>", gzip.compress(b"no tar file")], ids=["html", "gzip"]
)
def test_other_files_are_no_archives(tmp_path, content):
    path = tmp_path / "archive.tar.gz"
    path.write_bytes(content)
    assert_refused(path, DamagedArchive, "no archive")
