"""Downloads from a server on this machine that misbehaves in the ways real ones do."""

import hashlib
import http.server
import json
import logging
import re
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from download import main as download_step
from v1lib.downloads import Source, WrongFile, fetch
from v1lib.resume import Unreachable

SCRIPTS = Path(__file__).parents[1] / "scripts"
CONTENT = np.random.default_rng(1).bytes(700_001)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Behaviour:
    """What the server does; the lists are used up, one entry for each request."""

    content: bytes = CONTENT
    ranges: bool = True
    etag: str | None = '"first"'
    statuses: list[int] = field(default_factory=list)
    drop_after: list[int] = field(default_factory=list)
    announced: int | None = None
    tells_length: bool = True
    shift: int = 0
    asked: list[dict] = field(default_factory=list)
    while_sending: list = field(default_factory=list)

    def ranges_asked(self) -> list[str | None]:
        return [headers.get("Range") for headers in self.asked]


class Handler(http.server.BaseHTTPRequestHandler):
    behaviour: Behaviour

    def do_GET(self):
        behaviour = self.behaviour
        behaviour.asked.append(dict(self.headers))
        status = behaviour.statuses.pop(0) if behaviour.statuses else 200
        if status != 200:
            self.send_error(status)
            return
        total, start = len(behaviour.content), self._start()
        if start > 0 and start >= total:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{total}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            start -= behaviour.shift
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        if behaviour.etag:
            self.send_header("ETag", behaviour.etag)
        if behaviour.tells_length:
            self.send_header("Content-Length", str(behaviour.announced or total - start))
        self.end_headers()
        self._send(behaviour.content[start:])

    def _start(self):
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        same = self.headers.get("If-Range") in (None, self.behaviour.etag)
        return int(asked[1]) if asked and same and self.behaviour.ranges else 0

    def _send(self, body):
        behaviour = self.behaviour
        limit = behaviour.drop_after.pop(0) if behaviour.drop_after else len(body)
        self.wfile.write(body[: limit // 2])
        for look in behaviour.while_sending:
            look()
        self.wfile.write(body[limit // 2 : limit])
        self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def behaviour():
    return Behaviour()


@pytest.fixture
def url(behaviour):
    handler = type("Configured", (Handler,), {"behaviour": behaviour})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/raw.bin"
    server.shutdown()
    server.server_close()


@pytest.fixture
def target(tmp_path):
    return tmp_path / "data" / "raw.bin"


@pytest.fixture
def closed_url():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    return f"http://127.0.0.1:{port}/raw.bin"


def files_beside(target):
    return sorted(path.name for path in target.parent.iterdir()) if target.parent.exists() else []


def test_a_file_arrives_whole_and_checked(url, behaviour, target, caplog):
    caplog.set_level(logging.INFO)
    source = Source(url, size=len(CONTENT), checksums={"sha256": SHA256})
    assert fetch(source, target) == url
    assert target.read_bytes() == CONTENT
    assert behaviour.asked[0]["Accept-Encoding"] == "identity"
    assert files_beside(target) == ["raw.bin"]
    assert "700k/700k" in caplog.text  # progress


def test_nothing_stands_under_the_final_name_while_bytes_arrive(url, behaviour, target):
    seen = []
    behaviour.while_sending.append(lambda: seen.append(target.exists()))
    behaviour.drop_after = [400_000]
    fetch(Source(url), target, backoff=0)
    assert seen == [False, False]


def test_a_dropped_connection_is_resumed(url, behaviour, target):
    behaviour.drop_after = [400_000]
    fetch(Source(url), target, backoff=0)
    assert target.read_bytes() == CONTENT
    first, second = behaviour.ranges_asked()
    assert first is None
    assert 0 < int(re.fullmatch(r"bytes=(\d+)-", second)[1]) <= 400_000
    assert behaviour.asked[1]["If-Range"] == '"first"'


def test_many_interruptions_do_not_end_a_download_that_advances(url, behaviour, target):
    behaviour.drop_after = [100_000] * 10
    fetch(Source(url, checksums={"sha256": SHA256}), target, backoff=0)
    assert target.read_bytes() == CONTENT
    assert len(behaviour.asked) > 7


def test_the_next_call_continues_what_a_failed_one_left(url, behaviour, target):
    behaviour.drop_after, behaviour.statuses = [400_000], [200, 403]
    with pytest.raises(Unreachable, match="403"):
        fetch(Source(url), target, backoff=0)
    assert not target.exists()
    kept = (target.parent / "raw.bin.partial").stat().st_size
    assert 0 < kept <= 400_000
    fetch(Source(url), target)
    assert behaviour.ranges_asked() == [None, f"bytes={kept}-", f"bytes={kept}-"]
    assert target.read_bytes() == CONTENT
    assert files_beside(target) == ["raw.bin", "raw.bin.sha256"]


def test_a_server_that_ignores_ranges_starts_again(url, behaviour, target):
    behaviour.drop_after, behaviour.ranges = [400_000], False
    fetch(Source(url), target, backoff=0)
    assert behaviour.ranges_asked()[1] is not None
    assert target.read_bytes() == CONTENT


def test_another_range_than_asked_for_is_not_appended(url, behaviour, target):
    behaviour.drop_after, behaviour.shift = [400_000], 7
    fetch(Source(url), target, backoff=0)
    assert target.read_bytes() == CONTENT
    assert behaviour.ranges_asked()[2] is None


def test_a_server_that_tells_no_length(url, behaviour, target):
    """Only the expected size shows then that a file is cut short, or never ends."""
    behaviour.tells_length, behaviour.drop_after = False, [400_000]
    fetch(Source(url, size=len(CONTENT)), target, backoff=0)
    assert target.read_bytes() == CONTENT
    target.unlink()
    with pytest.raises(WrongFile, match="sends more than 700000 bytes"):
        fetch(Source(url, size=len(CONTENT) - 1, checksums={"md5": "0"}), target)
    assert files_beside(target) == ["raw.bin.sha256"]


def test_a_file_that_changed_meanwhile_is_taken_anew(url, behaviour, target):
    behaviour.drop_after, behaviour.statuses = [400_000], [200, 403]
    with pytest.raises(Unreachable):
        fetch(Source(url), target, backoff=0)
    behaviour.content, behaviour.etag = CONTENT[::-1], '"second"'
    fetch(Source(url), target)
    assert target.read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("checksums", [{}, {"sha256": SHA256}])
def test_without_a_version_tag_only_a_checked_file_is_continued(url, behaviour, target, checksums):
    behaviour.drop_after, behaviour.statuses, behaviour.etag = [400_000], [200, 403], None
    source = Source(url, checksums=checksums)
    with pytest.raises(Unreachable):
        fetch(source, target, backoff=0)
    fetch(source, target)
    assert (behaviour.ranges_asked()[-1] is not None) == bool(checksums)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("kept", [CONTENT, CONTENT + b"more"])
def test_a_part_as_long_as_the_file_or_longer(url, behaviour, target, kept):
    target.parent.mkdir()
    target.with_name("raw.bin.partial").write_bytes(kept)
    fetch(Source(url, checksums={"sha256": SHA256}), target, backoff=0)
    assert target.read_bytes() == CONTENT
    once_more = [] if kept == CONTENT else [None]
    assert behaviour.ranges_asked() == [f"bytes={len(kept)}-", *once_more]


def test_a_server_that_never_gets_further_is_given_up(url, behaviour, target):
    behaviour.drop_after, behaviour.ranges = [400_000] * 20, False
    with pytest.raises(Unreachable, match=r"broke off 5 times.*put the file"):
        fetch(Source(url), target, backoff=0)
    assert "raw.bin" not in files_beside(target)


def test_passing_server_errors_are_tried_again(url, behaviour, target):
    behaviour.statuses = [503, 502]
    fetch(Source(url), target, backoff=0)
    assert target.read_bytes() == CONTENT
    assert len(behaviour.asked) == 3


def test_a_lasting_server_error_names_address_and_status(url, behaviour, target):
    behaviour.statuses = [404]
    with pytest.raises(Unreachable, match=r"raw\.bin answers 404"):
        fetch(Source(url), target)
    assert files_beside(target) == []


@pytest.mark.parametrize("algorithm", ["sha256", "sha1", "md5"])
def test_a_wrong_checksum_removes_the_file(url, target, algorithm):
    found = hashlib.new(algorithm, CONTENT).hexdigest()
    fetch(Source(url, checksums={algorithm: found}), target)
    target.unlink()
    expected = "0" * len(found)
    with pytest.raises(WrongFile) as error:
        fetch(Source(url, checksums={algorithm: expected}), target)
    for part in (str(target), url, expected, found, algorithm):
        assert part in str(error.value)
    assert files_beside(target) == []


@pytest.mark.parametrize("size", [len(CONTENT) - 1, len(CONTENT) + 1])
def test_another_size_than_expected_is_refused(url, target, size):
    with pytest.raises(WrongFile, match=f"700001 bytes, expected {size}"):
        fetch(Source(url, size=size), target)
    assert files_beside(target) == []


def test_more_than_fits_the_disk_is_refused_before_it_is_sent(url, behaviour, target):
    behaviour.announced = 10**17
    with pytest.raises(OSError, match="more bytes, but only"):
        fetch(Source(url), target)
    assert not target.exists()


def test_without_network_the_message_names_the_mirror(closed_url, target, tmp_path):
    source = Source(closed_url, "set/raw.bin", len(CONTENT), {"sha256": SHA256})
    with pytest.raises(Unreachable) as error:
        fetch(source, target, mirrors=[tmp_path / "mirror"], backoff=0)
    wanted = (closed_url, str(tmp_path / "mirror" / "set" / "raw.bin"), str(target), SHA256)
    for part in wanted:
        assert part in str(error.value)


def test_a_file_that_only_the_user_can_supply(target, tmp_path):
    source = Source(None, "photographs.tar", how="ask the museum")
    with pytest.raises(Unreachable, match=r"not offered.*ask the museum.*photographs\.tar"):
        fetch(source, target, mirrors=[tmp_path])
    (tmp_path / "photographs.tar").write_bytes(b"mine")
    fetch(source, target, mirrors=[tmp_path])
    assert target.read_bytes() == b"mine"


def in_mirror(tmp_path, name, content):
    path = tmp_path / name / "set" / "raw.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


def test_an_intact_mirror_spares_the_server(url, behaviour, target, tmp_path):
    mirrored = in_mirror(tmp_path, "mirror", CONTENT)
    source = Source(url, "set/raw.bin", len(CONTENT), {"sha256": SHA256})
    assert fetch(source, target, mirrors=[tmp_path / "absent", tmp_path / "mirror"]) == str(
        mirrored
    )
    assert target.read_bytes() == CONTENT
    assert behaviour.asked == []


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT[:-1] + b"\0", b""])
def test_an_altered_mirror_is_reported_and_passed_over(url, target, tmp_path, caplog, content):
    altered = in_mirror(tmp_path, "mirror", content)
    assert content != CONTENT
    source = Source(url, "set/raw.bin", len(CONTENT), {"sha256": SHA256})
    assert fetch(source, target, mirrors=[tmp_path / "mirror"]) == url
    assert target.read_bytes() == CONTENT
    assert str(altered) in caplog.text
    assert files_beside(target) == ["raw.bin"]


def test_without_published_checksum_later_downloads_must_agree(url, behaviour, target, caplog):
    caplog.set_level(logging.INFO)
    fetch(Source(url), target)
    assert f"no checksum is published: sha256 {SHA256}" in caplog.text
    record = target.with_name("raw.bin.sha256")
    assert record.read_text() == f"{SHA256}  raw.bin\n"
    behaviour.content = CONTENT[::-1]
    with pytest.raises(WrongFile, match=f"expected {SHA256}.*remove .*raw.bin.sha256"):
        fetch(Source(url), target)
    assert target.read_bytes() == CONTENT  # the earlier one is left alone
    record.unlink()
    fetch(Source(url), target)
    assert target.read_bytes() == CONTENT[::-1]


def test_file_addresses(target, tmp_path):
    original = tmp_path / "with space.bin"
    original.write_bytes(CONTENT)
    source = Source(original.as_uri(), checksums={"sha256": SHA256})
    fetch(source, target)
    assert target.read_bytes() == CONTENT
    original.write_bytes(CONTENT[1:])
    target.unlink()
    with pytest.raises(WrongFile, match="sha256"):
        fetch(source, target)
    original.unlink()
    with pytest.raises(Unreachable, match="no such file"):
        fetch(source, target)
    assert files_beside(target) == []


def test_other_addresses_are_refused(target):
    with pytest.raises(ValueError, match="ftp://"):
        fetch(Source("ftp://example.org/raw.bin"), target)


def test_a_disk_that_fills_up_keeps_what_arrived(url, target):
    """The limit on the size of a file stands for the disk: both refuse a write half way."""
    code = (
        "import pathlib, resource, signal, sys\n"
        "from v1lib.downloads import Source, fetch\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
        "fetch(Source(sys.argv[1]), pathlib.Path(sys.argv[2]))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, url, str(target)],
        cwd=SCRIPTS,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1
    assert "larger than is allowed here; make room and run again" in run.stderr
    assert "raw.bin" not in files_beside(target)
    assert target.with_name("raw.bin.partial").stat().st_size == 300_000
    fetch(Source(url), target)
    assert target.read_bytes() == CONTENT


def test_the_step_says_what_it_fetched_under_which_terms(url, target, caplog):
    caplog.set_level(logging.INFO)
    entry = {"url": url, "size": len(CONTENT), "sha256": SHA256.upper(), "terms": "CC BY 4.0"}
    download_step(file=target, source={**entry, "kind": "official"}, mirrors=[])
    assert target.read_bytes() == CONTENT
    assert "CC BY 4.0" in caplog.text


def test_the_step_on_the_command_line(target, tmp_path):
    in_mirror(tmp_path, "mirror", CONTENT)
    options = {
        "--file": str(target),
        "--source": json.dumps({"mirror": "set/raw.bin", "sha256": SHA256}),
        "--mirrors": json.dumps([str(tmp_path / "mirror")]),
    }
    words = [word for pair in options.items() for word in pair]
    subprocess.run([sys.executable, str(SCRIPTS), "download", *words], check=True)
    assert target.read_bytes() == CONTENT
