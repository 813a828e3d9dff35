"""Join the claims of all papers and their verdicts into one table."""

import pandas as pd

from v1lib.claims import CLAIM_COLUMNS
from v1lib.files import read_csv, write_csv
from v1lib.steps import Inputs, Output


def main(*, claims: Inputs, collected: Output) -> None:
    """From one table of claims per paper to one for all; a claim that appears twice is an error."""
    table = pd.concat([read_csv(path, required=CLAIM_COLUMNS) for path in claims])
    twice = table[table.duplicated(["paper", "claim"])]
    if len(twice):
        first = twice[["paper", "claim"]].iloc[0]
        raise ValueError(
            f"claim {first['claim']} of {first['paper']} is in more than one of "
            f"{[str(path) for path in claims]}"
        )
    write_csv(table[list(CLAIM_COLUMNS)], collected)
