"""Tables as Markdown, for people; the CSV beside each holds all digits."""

import math
from collections.abc import Sequence
from pathlib import Path

from v1lib.files import atomic


def write_markdown(path: Path, title: str, parts: Sequence[str], *, source_kind: str = "") -> None:
    """Write a page of paragraphs and tables.

    Args:
        path: file to write.
        title: heading.
        parts: paragraphs, or tables of ``markdown_table``.
        source_kind: "simulated" puts a plain line about it below the heading.
    """
    warning = ["**SIMULATED DATA**"] if source_kind == "simulated" else []
    with atomic(path) as part:
        part.write_text("\n\n".join([f"# {title}", *warning, *parts]) + "\n", encoding="utf-8")


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; numbers and text as ``cell`` shows them.

    Raises:
        ValueError: a row is not as long as the header.
    """
    lines = [header, ["---"] * len(header), *rows]
    if wrong := [row for row in rows if len(row) != len(header)]:
        raise ValueError(f"row {wrong[0]!r} has {len(wrong[0])} cells, the header {len(header)}")
    return "\n".join("| " + " | ".join(map(cell, line)) + " |" for line in lines)


def cell(value: object) -> str:
    """A value in a table: four significant digits, nothing for NaN and None."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() and abs(value) < 1e9 else f"{value:.4g}"
    return str(value).replace("|", "\\|").replace("\n", " ")


def plus_minus(value: float, error: float) -> str:
    """``0.454 ± 0.012``: three digits, more for a small error; nothing without a value."""
    if math.isnan(value):
        return ""
    if math.isnan(error):
        return f"{value:.3f}"
    digits = max(3, 1 - math.floor(math.log10(error))) if error > 0 else 3
    return f"{value:.{digits}f} ± {error:.{digits}f}"
