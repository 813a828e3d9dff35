"""This workflow's results beside the published ones of one paper."""

import pandas as pd

from v1lib.comparison import RULE, compare, page_table
from v1lib.files import write_csv
from v1lib.markdown import write_markdown
from v1lib.steps import Input, Output


def main(*, published: Input, measured: Input, table: Output, markdown: Output, paper: str) -> None:
    """From the published values and the paper's own results to those that were run, and claims.

    The claims of the abstracts are listed in any case; other values that nothing was run for are
    counted only (``results/comparison.md`` lists them).
    """
    judged = compare(published, [measured])
    judged = judged[judged["paper"] == paper]
    listed = (judged["verdict"] != "not run") | judged["item"].str.startswith("claim")
    write_csv(judged[listed], table)
    parts = [RULE, page_table(judged[listed])] if listed.any() else [RULE]
    parts += _what_is_listed(judged[listed], judged[~listed])
    write_markdown(markdown, "Published values beside ours", parts)


def _what_is_listed(listed: pd.DataFrame, left_out: pd.DataFrame) -> list[str]:
    """Which values the page has, how many it leaves out, and why there is no result for those."""
    n_published = len(listed) + len(left_out)
    said = (
        "Listed are the published values that this run has a result for, and in any case those of "
        f"the paper's claims: {len(listed)} of {n_published}."
    )
    if left_out.empty:
        return [said]
    said += (
        f" For the other {len(left_out)} it has none to set beside them; `results/comparison.md` "
        "lists them, too:"
    )
    reasons = left_out["reason"].value_counts()
    return [said, "\n".join(f"- {reason}: {n}" for reason, n in reasons.items())]
