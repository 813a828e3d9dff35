"""The claims of Pogoncheff et al. 2023 as rows: effect, interval and verdict."""

from dataclasses import asdict

import pandas as pd

from v1lib.claims import CLAIM_COLUMNS
from v1lib.files import read_csv, write_csv
from v1lib.pogoncheff2023_claims import (
    Networks,
    adversarial,
    composites,
    mechanisms,
    parameters_examined,
    robust,
    strongest,
)
from v1lib.pogoncheff2023_grid import roles_of
from v1lib.pogoncheff2023_profile import differs_from_paper
from v1lib.pogoncheff2023_tables import PROPERTIES, alignments, read_accuracies, robustness
from v1lib.steps import Input, Inputs, Output

_REDUCED = (
    "profile {profile}: not the published training ({differs}), so not about the published numbers"
)


def main(
    *,
    scores: Inputs,
    predictivities: Inputs,
    accuracies: Inputs,
    published: Input,
    claims: Output,
    models: list,
    networks: dict,
    adversarially_trained: dict,
    evaluated: dict,
    profile: dict,
    least_units: int,
) -> None:
    """From scores of V1 properties, predictivities and accuracies to the rows C1 to C6.

    ``models``: [label, model] of every network whose V1 alignment was measured; ``networks``: by
    label, the settings of those that are trained normally, which say what role each plays;
    ``adversarially_trained``: by the label of a network, that of its adversarially trained twin;
    ``evaluated``: by label, the model that was shown corrupted images; ``profile``: its name and
    what ``v1lib.pogoncheff2023_profile.differs_from_paper`` asks for; ``least_units``: of every run
    of a network at the stimuli, or claims about it are not tested. ``predictivities``: none without
    recordings.
    """
    values, by_label = alignments(scores, predictivities), dict(models)
    known = read_csv(published, required=["id", "value"]).set_index("id")["value"]
    limits = _limits(values, profile["name"], differs_from_paper(profile, known))
    roles = roles_of({label: networks[label] for label in by_label if label in networks})
    tested = Networks(values, by_label, roles, limits, least_units)
    rows = [
        *mechanisms(tested),
        composites(tested),
        parameters_examined(tested.kind),
        robust(tested, robustness(read_accuracies(accuracies)), evaluated),
        adversarial(tested, adversarially_trained.get(roles.full, "")),
        strongest(tested),
    ]
    write_csv(pd.DataFrame([asdict(row) for row in rows], columns=list(CLAIM_COLUMNS)), claims)


def _limits(values: pd.DataFrame, profile: str, differs: str) -> str:
    """What holds for all tests; ``differs``: in what the profile is not the paper's."""
    limits = [_REDUCED.format(profile=profile, differs=differs)] if differs else []
    row = values[values["quantity"] == PROPERTIES].iloc[0]
    if row["n_parts"] != row["of_parts"]:
        limits.append(f"{row['n_parts']:.0f} of {row['of_parts']:.0f} properties")
    return "; ".join(limits)
