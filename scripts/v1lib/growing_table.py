"""A table that is written piece by piece, for more rows than should be in memory at once."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from v1lib.files import FLOAT_FORMAT, atomic


@contextmanager
def growing_csv(path: Path, columns: Sequence[str]) -> Iterator[Callable[[pd.DataFrame], None]]:
    """Write a table as ``v1lib.files.write_csv`` does, whole or not at all, but in pieces.

    Args:
        path: the file.
        columns: of the table, in this order.

    Yields:
        A function that adds the rows of a table; of its columns those named are written.

    Raises:
        KeyError: a piece lacks a column.
        OSError: see ``v1lib.files.atomic``.
    """
    with atomic(path) as part, part.open("w", encoding="utf-8", newline="") as handle:
        form = {"index": False, "float_format": FLOAT_FORMAT, "lineterminator": "\n"}
        pd.DataFrame(columns=list(columns)).to_csv(handle, **form)

        def add(rows: pd.DataFrame) -> None:
            rows[list(columns)].to_csv(handle, header=False, **form)

        yield add
