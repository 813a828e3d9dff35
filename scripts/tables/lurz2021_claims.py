"""The claims of Lurz et al. 2021 as rows: effect, interval and verdict."""

from dataclasses import asdict

import pandas as pd

from v1lib.claims import CLAIM_COLUMNS
from v1lib.files import read_csv, write_csv
from v1lib.lurz2021_claims import (
    ON_COLLECTIONS,
    ON_EVALUATION,
    curves_of,
    fewer_parameters,
    with_enough,
)
from v1lib.lurz2021_transfer import transfer_runs
from v1lib.steps import Input, Inputs, Output

_PARAMETERS = ("readout", "per_neuron", "channels", "height", "width", "n_neurons", "source_kind")


def main(
    *,
    populations: Inputs,
    records: Inputs,
    parameters: Input,
    claims: Output,
    evaluations: list,
    collections: list,
    score: str,
    least_replicates: int,
    bootstrap_seed: int,
) -> None:
    """From scores of populations and counted parameters to the rows C1 to C6.

    ``evaluations`` and ``collections`` have an entry for each variant of the figures. Of an
    evaluation: name (added to those of its claims, "" for none), dataset, source_kind, models (by
    label of Fig 5), missing (reason by label) and unreduced (labels whose initialisations all
    count). Of a collection: the same with the labels of Fig 3, without unreduced, with transfer
    (model by readout and condition of Fig 4) and proxy (as in Fig 3). ``records`` are the run.json
    of the diff_core models, ``parameters`` the table of readouts. With fewer replicates than
    ``least_replicates`` a claim has an effect and no verdict.
    """
    runs = transfer_runs(populations, records, score)
    rows = [fewer_parameters(read_csv(parameters, required=_PARAMETERS))]
    for tested, entries in ((ON_EVALUATION, evaluations), (ON_COLLECTIONS, collections)):
        for found in (curves_of(runs, entry) for entry in entries):
            of_one = [claim(found, seed=bootstrap_seed) for claim in tested]
            rows += [with_enough(claim, least_replicates) for claim in of_one]
    table = pd.DataFrame([asdict(row) for row in rows], columns=list(CLAIM_COLUMNS))
    write_csv(table.sort_values("claim", kind="stable"), claims)
