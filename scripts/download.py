"""Bring an official file to its place."""

import logging

from v1lib.downloads import Source, fetch
from v1lib.steps import Output

log = logging.getLogger(__name__)


def main(*, file: Output, source: dict, mirrors: list) -> None:
    """Copy a file from a mirror folder, or download it, and check size and checksum.

    Args:
        file: where the file goes.
        source: its entry in the configuration: url, or without one how to get the file, and where
            known size, sha256, sha1 or md5, mirror (path inside a mirror folder), terms, citation.
        mirrors: folders to look into before the address.

    Raises:
        WrongFile, OSError: see ``v1lib.downloads.fetch``.
    """
    fetch(Source.of(source), file, mirrors=mirrors)
    for key in ("terms", "citation"):
        if source.get(key):
            log.info("%s: %s", key, source[key])
