"""Set every published value beside ours."""

import logging

from v1lib.comparison import RULE, compare, page_table
from v1lib.files import write_csv
from v1lib.markdown import write_markdown
from v1lib.steps import Input, Inputs, Output

log = logging.getLogger(__name__)


def main(
    *,
    published: Input,
    measured: Inputs,
    comparison: Output,
    markdown: Output,
) -> None:
    """From the published values and the results of all papers to a verdict for each value.

    The page states the rule. Results on simulated data never enter.
    """
    judged = compare(published, measured)
    counts = judged["verdict"].value_counts()
    log.info("%s", ", ".join(f"{verdict}: {n}" for verdict, n in counts.items()))
    write_csv(judged, comparison)
    parts = [RULE]
    for paper, rows in judged.groupby("paper", sort=False):
        found = ", ".join(f"{n} {name}" for name, n in rows["verdict"].value_counts().items())
        parts += [f"## {paper}", f"{len(rows)} published values: {found}."]
        parts.append(page_table(rows))
    write_markdown(markdown, "Published values and ours", parts)
