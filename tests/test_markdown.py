"""Tables as Markdown."""

import math

import pytest

from v1lib.markdown import cell, markdown_table, plus_minus, write_markdown


def test_a_table():
    text = markdown_table(("a", "b"), [[1, 0.123456], ["x|y\nz", math.nan]])
    assert text.splitlines() == [
        "| a | b |",
        "| --- | --- |",
        "| 1 | 0.1235 |",
        "| x\\|y z |  |",
    ]


def test_a_row_of_the_wrong_length_is_refused():
    with pytest.raises(ValueError, match="has 1 cells, the header 2"):
        markdown_table(("a", "b"), [["alone"]])


@pytest.mark.parametrize(
    ("value", "text"), [(6401.0, "6401"), (None, ""), (3, "3"), (1e-5, "1e-05"), ("", "")]
)
def test_values(value, text):
    assert cell(value) == text


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.4541, 0.0123, "0.454 ± 0.012"),
        (0.4541, 0.00042, "0.45410 ± 0.00042"),
        (0.4541, math.nan, "0.454"),
        (0.4541, 0.0, "0.454 ± 0.000"),
        (math.nan, 0.1, ""),
    ],
)
def test_errors_show_two_digits(value, error, text):
    assert plus_minus(value, error) == text


def test_a_page_of_simulated_data_says_so_at_its_head(tmp_path):
    write_markdown(tmp_path / "a.md", "Title", ["text"], source_kind="simulated")
    assert (tmp_path / "a.md").read_text() == "# Title\n\n**SIMULATED DATA**\n\ntext\n"
    write_markdown(tmp_path / "a.md", "Title", ["text"], source_kind="real")
    assert "SIMULATED" not in (tmp_path / "a.md").read_text()
