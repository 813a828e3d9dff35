"""Made-up results of all networks of Pogoncheff et al. 2023, and what its tables make of them."""

from pathlib import Path

import numpy as np
import pandas as pd

import made_up_v1_scores as made
from tables import compare_with_paper, pogoncheff2023_claims, pogoncheff2023_measured
from v1lib.claims import CLAIM_COLUMNS
from v1lib.files import read_csv, write_csv
from v1lib.pogoncheff2023_tables import FAMILIES

PUBLISHED = Path(__file__).resolve().parents[1] / "report" / "published_values.csv"
DISTRIBUTIONS = PUBLISHED.with_name("v1_property_distributions.csv")
PROFILE = "small networks, few classes"
NORMAL = made.SINGLE | made.COMPOSITES
TWINS = {
    f"{label}, adversarial": models["adversarial"] for label, models in made.ADVERSARIAL.items()
}
LEVELS = dict(
    zip(
        NORMAL,
        (0.50, 0.53, 0.51, 0.54, 0.49, 0.55, 0.60, 0.70, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6),
        strict=True,
    )
)
PUBLISHED_SIZE = {"blocks": [3, 4, 6, 3], "width": 64}
TRAINING = {
    **{"max_epochs": 100, "batch_size": 128, "learning_rate": 0.1, "milestones": [60, 80]},
    **{"milestone_factor": 0.1, "optimiser_settings": {"momentum": 0.9, "weight_decay": 1e-5}},
}


def profile_of(*, is_paper, training=TRAINING, **more):
    """The paper's data, sizes and training, or all but the data."""
    paper = {
        **{"name": PROFILE, "source": "imagenet" if is_paper else "pictures", "size_px": 64},
        **{"published_size": PUBLISHED_SIZE, "sizes": dict.fromkeys(NORMAL, PUBLISHED_SIZE)},
        "trainings": dict.fromkeys(NORMAL, training),
    }
    return paper | more


def in_order(entries):
    return [list(pair) for pair in entries.items()]


class MadeUp:
    """Results of all networks with known means, in a folder.

    ``changed``: scores of a seed, by label, in place of those that follow from the means.
    """

    def __init__(self, folder, *, kind="real", scatter=(-0.01, 0.0, 0.01), changed=None, **more):
        self.folder, self.kind = folder, kind
        levels = LEVELS | {"ResNet-50, adversarial": 0.52, "composite A, adversarial": 0.76}
        self.models = NORMAL | TWINS
        seeds = {
            self.models[label]: [level + s for s in scatter] for label, level in levels.items()
        }
        for label, values in (changed or {}).items():
            seeds[self.models[label]] = values
        about = {"kind": kind}
        self.scores = made.written(
            folder, "s", [made.scores(model, v, **about, **more) for model, v in seeds.items()]
        )
        falls = dict.fromkeys(FAMILIES, 0.2)
        clean = {
            model: [0.5 + 0.1 * v for v in np.nan_to_num(values)] for model, values in seeds.items()
        }
        self.accuracies = made.written(
            folder, "a", [made.accuracies(m, v, falls=falls, **about) for m, v in clean.items()]
        )
        curves = {m: [[0.05, 0.2, value] for value in values] for m, values in clean.items()}
        self.histories = made.written(
            folder, "h", [made.history(m, v, **about) for m, v in curves.items()]
        )

    def page(self, module, **options):
        """The table and the page of a step."""
        files = {"table": self.folder / "t.csv", "markdown": self.folder / "t.md"}
        module.main(**files, **{"profile": PROFILE} | options)
        return read_csv(files["table"]), files["markdown"].read_text()

    def claims(self, *, labels=None, is_paper=False):
        path = self.folder / "claims.csv"
        kept = {k: v for k, v in self.models.items() if labels is None or k in labels}
        pogoncheff2023_claims.main(
            scores=self.scores,
            predictivities=[],
            accuracies=self.accuracies,
            claims=path,
            models=in_order(kept),
            networks={label: made.NETWORKS[label] for label in kept if label in NORMAL},
            adversarially_trained={"composite A": "composite A, adversarial"}
            if "composite A, adversarial" in kept
            else {},
            evaluated=kept,
            published=PUBLISHED,
            profile=profile_of(is_paper=is_paper),
            least_units=10,
        )
        return read_csv(path, required=CLAIM_COLUMNS).set_index("claim")

    def measured(self, *, is_paper, training=TRAINING, alexnet=(), predictivities=(), n_draws=1000):
        path = self.folder / "measured.csv"
        counts = self.folder / "counts.csv"
        rows = [
            {"model": "pogoncheff2023_resnet50", "n_trainable": 25_557_032, "n_constant": 0},
            {
                "model": "pogoncheff2023_tuned_norm",
                "n_trainable": 25_557_800,
                "n_constant": 196_608,
            },
            {"model": "pogoncheff2023_div_norm", "n_trainable": 26_736_684, "n_constant": 0},
            {"model": "pogoncheff2023_other", "n_trainable": 1, "n_constant": 0},
        ]
        table = pd.DataFrame(rows).assign(n_classes=1000, size_px=64)
        table["n_total"] = table["n_trainable"] + table["n_constant"]
        write_csv(table, counts)
        pogoncheff2023_measured.main(
            scores=self.scores,
            predictivities=list(predictivities),
            alexnet=list(alexnet),
            counts=counts,
            published=PUBLISHED,
            measured=path,
            settings={"training": training, "size_px": 64, "n_draws": n_draws},
            distributions=DISTRIBUTIONS,
            profile=profile_of(is_paper=is_paper, training=training),
        )
        comparison = self.folder / "comparison.csv"
        compare_with_paper.main(
            published=PUBLISHED,
            measured=[path],
            comparison=comparison,
            markdown=self.folder / "comparison.md",
        )
        table = read_csv(comparison).set_index("id")
        table.index = table.index.str.removeprefix("pogoncheff2023.")
        return table, counts
