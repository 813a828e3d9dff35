"""Tables of Pogoncheff 2023: pages, and claims with their verdicts."""

import math

import numpy as np
import pytest

import made_up_v1_scores as made
from made_up_v1_tables import NORMAL, PROFILE, MadeUp, in_order
from tables import (
    pogoncheff2023_p1_single,
    pogoncheff2023_p2_composites,
    pogoncheff2023_p3_adversarial,
    pogoncheff2023_p4_robustness,
    pogoncheff2023_p7_accuracy,
)
from v1lib.files import read_csv, write_csv


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """All networks on real images, three seeds each."""
    return MadeUp(tmp_path_factory.mktemp("real"))


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """The same on simulated images."""
    return MadeUp(tmp_path_factory.mktemp("simulated"), kind="simulated")


def line_of(page, label):
    """Cells of the first line of a page's table that begins with a label."""
    line = next(line for line in page.splitlines() if line.startswith(f"| {label} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_p1_names_the_profile_and_how_many_properties_there_are(real, simulated):
    options = {"predictivities": [], "models": in_order(made.SINGLE)}
    table, page = real.page(pogoncheff2023_p1_single, scores=real.scores, **options)
    assert page.startswith(f"# V1 alignment of single components [{PROFILE}]\n")
    assert "property score (15 of 22)" in page and "V1 overall |" not in page
    assert "response selectivity (1 of 4)" in page and "texture modulation" not in page
    assert "SIMULATED" not in page
    assert line_of(page, "local receptive fields")[:3] == [
        *("local receptive fields", "3", "0.540 ± 0.006"),
    ]
    assert set(table["profile"]) == {PROFILE} and set(table["source_kind"]) == {"real"}
    assert list(dict.fromkeys(table["label"])) == list(made.SINGLE)
    _, page = simulated.page(pogoncheff2023_p1_single, scores=simulated.scores, **options)
    assert "**SIMULATED DATA**" in page


def test_p2_has_a_tick_for_each_component_and_what_each_adds(real):
    files = {"scores": real.scores, "predictivities": []}
    more = {"models": in_order(NORMAL), "networks": made.NETWORKS}
    effects = real.folder / "effects.csv"
    table, page = real.page(pogoncheff2023_p2_composites, **files, **more, effects_table=effects)
    assert line_of(page, "composite C")[:7] == [
        *("composite C", "yes (2 blocks)", "yes", "", "yes", "3", "0.600 ± 0.006"),
    ]
    a = table[(table["label"] == "composite A") & (table["quantity"] == "properties")]
    assert a[["normalization", "magnification"]].to_numpy().tolist() == [["tuned", "yes"]]
    added = read_csv(effects)
    properties = added[added["quantity"] == "properties"].set_index(["with_label", "without_label"])
    assert len(properties) == 20
    row = properties.loc[("composite A", "composite B")]
    assert row["difference"] == pytest.approx(0.1) and row["low"] < 0.1 < row["high"]
    # equal scatter: pooled variance 1e-4, 4 degrees of freedom
    assert row["high"] == pytest.approx(0.1 + 2.776445 * math.sqrt(2e-4 / 3))
    assert "| center-surround | composite A | composite B | +0.100 | +0.077 to +0.123 |" in page


def test_p3_sets_adversarial_beside_normal_training(real):
    trainings = [
        [label, models["normal"], models["adversarial"]]
        for label, models in made.ADVERSARIAL.items()
    ]
    files = {"scores": real.scores, "predictivities": [], "histories": real.histories}
    table, page = real.page(pogoncheff2023_p3_adversarial, **files, models=trainings)
    assert list(dict.fromkeys(table["label"])) == [
        *("ResNet-50, normal", "ResNet-50, adversarial"),
        *("composite A, normal", "composite A, adversarial"),
    ]
    assert line_of(page, "composite A, adversarial")[-1] == "0.576 ± 0.001"
    assert "| composite A | property score (15 of 22) | +0.060 | +0.037 to +0.083 | 3, 3 |" in page
    assert "| composite A | accuracy | +0.006 |" in page


def test_p4_says_whether_corruptions_were_generated(real):
    options = {"accuracies": real.accuracies, "models": in_order(NORMAL), "how": "Trained here."}
    options["n_classes"] = {"pictures": 8}
    table, page = real.page(pogoncheff2023_p4_robustness, **options)
    assert "**generated**" in page and "Trained here." in page
    assert "**Chance level**: 0.125 (8 classes, pictures)." in page
    assert table["generated"].all()
    left = sum(0.8**s for s in range(1, 6)) / 5
    fog = table[(table["label"] == "ResNet-50") & (table["quantity"] == "fog")]
    assert fog["mean"].item() == pytest.approx(0.55 * left)
    assert line_of(page, "ResNet-50")[2:5] == [
        "0.550 ± 0.001",
        f"{0.55 * left:.3f} ± 0.000",
        "0.538 ± 0.000",
    ]
    published = [read_csv(path).assign(generated=False) for path in real.accuracies]
    files = made.written(real.folder, "published", published)
    table, page = real.page(pogoncheff2023_p4_robustness, **options | {"accuracies": files})
    assert "**generated**" not in page and not table["generated"].any()


def test_p7_has_the_best_and_the_last_epoch_and_what_was_learned(real):
    tuned = made.history("tuned", [[0.1, 0.4, 0.3]], dataset="other_pictures")
    histories = [*real.histories, *made.written(real.folder, "tuned", [tuned])]
    models = [*in_order(made.SINGLE), ["ResNet-50, fine-tuned", "tuned"]]
    options = {"models": models, "n_classes": {"pictures": 8, "other_pictures": 5}}
    table, page = real.page(pogoncheff2023_p7_accuracy, histories=histories, **options)
    assert "0.125 (8 classes, pictures), 0.200 (5 classes, other_pictures)" in page
    assert line_of(page, "ResNet-50") == [
        *("ResNet-50", "pictures", "3", "2"),
        *("0.050 ± 0.000", "0.550 ± 0.001", "2.0", "0.550 ± 0.001"),
    ]
    line = line_of(page, "ResNet-50, fine-tuned")
    assert line[1:4] == ["other_pictures", "1", "2"]
    assert [cell[:5] for cell in line[4:]] == ["0.100", "0.400", "1.0", "0.300"]
    assert set(table["quantity"]) == {"before", "best", "last", "best_epoch", "epochs"}


def test_claims_follow_from_the_means(real):
    found = real.claims(is_paper=True)
    expected = {  # label that has the claimed mechanism: effect
        "C1 (center-surround)": 0.03,
        "C1 (local RF)": 0.04,
        "C1 (normalization)": 0.05,
        "C1 (cortical magnification)": 0.10,
        "C1 (all four)": 0.20,
        "C1": 0.03,
        "C2": 0.10,
        "C5": 0.06,
        "C6": 0.05,
    }
    assert found.loc[list(expected), "effect"].tolist() == pytest.approx(list(expected.values()))
    assert set(found.loc[list(expected), "verdict"]) == {"supported"}
    assert found.loc[["C3", "C4"], "verdict"].tolist() == ["not tested"] * 2
    assert found.loc["C4", "n"] == 16 and found.loc["C4", "effect"] == pytest.approx(1.0)
    assert np.isnan(found.loc["C4", "p"])
    assert found["statistic"].str.contains("property score \\(15 of 22\\)").sum() == 10
    assert "not the published training" not in " ".join(found["note"].dropna())


def test_the_verdict_is_undecided_or_contradicted_where_seeds_say_so(tmp_path):
    uncertain = MadeUp(tmp_path, scatter=(-0.03, 0.0, 0.03)).claims()
    verdicts = uncertain["verdict"]
    assert verdicts["C1 (center-surround)"] == verdicts["C1"] == "undecided"
    assert verdicts["C1 (cortical magnification)"] == "supported"
    assert uncertain["note"].dropna().str.contains(PROFILE).sum() == 10
    swapped = MadeUp(tmp_path / "swapped")
    swapped.models |= {
        "composite A": made.SINGLE["cortical magnification"],
        "cortical magnification": made.COMPOSITES["composite A"],
    }
    assert swapped.claims().loc["C2", "verdict"] == "contradicted"


def test_without_seeds_or_networks_a_claim_is_not_tested(real, tmp_path):
    single = MadeUp(tmp_path, scatter=(0.0,)).claims()
    assert set(single["verdict"]) == {"not tested"}
    assert single.loc["C2", "effect"] == pytest.approx(0.1)
    assert single.loc["C2", "note"].count("fewer than two seeds") == 1
    some = real.claims(labels=["ResNet-50", "center-surround", "cortical magnification"])
    assert some.loc["C1 (center-surround)", "verdict"] == "supported"
    assert some.loc[["C1", "C1 (local RF)", "C2", "C5"], "verdict"].tolist() == ["not tested"] * 4
    assert "was not trained" in some.loc["C2", "note"]
    assert some.loc["C6", "verdict"] == "supported"
    assert "not trained: local RF, normalization" in some.loc["C6", "note"]


UNMEASURED = {
    "cortical magnification": [0.61, math.nan, 0.59],
    "local receptive fields": [math.nan] * 3,
}


@pytest.fixture(scope="module")
def unmeasured(tmp_path_factory):
    """One network has no units in one of its seeds, another one in none."""
    return MadeUp(tmp_path_factory.mktemp("unmeasured"), changed=UNMEASURED)


def test_a_claim_that_needs_a_network_without_units_is_not_tested(unmeasured):
    found = unmeasured.claims()
    needs = ["C1", "C1 (local RF)", "C1 (cortical magnification)", "C2", "C6"]
    assert set(found.loc[needs, "verdict"]) == {"not tested"}
    row = found.loc["C1 (cortical magnification)"]
    assert row["effect"] == pytest.approx(0.1) and row["n"] == 2  # of seeds that have a score
    assert "0 to 102 units at the stimuli, fewer than 10 are too few to test it" in row["note"]
    assert "1 of 6 runs have no score" in row["note"]
    assert np.isnan(found.loc["C1 (local RF)", "effect"])
    assert found.loc["C1 (center-surround)", "verdict"] == "supported"
    assert "100 to 102 units at the stimuli;" in found.loc["C1 (center-surround)", "note"]
    assert found.loc["C4", "n"] == 15


def test_a_claim_about_networks_with_few_units_is_not_tested(tmp_path):
    few = MadeUp(tmp_path, n_units_of=[60, 9, 30]).claims()
    assert set(few["verdict"]) == {"not tested"}
    assert "9 to 60 units at the stimuli, fewer than 10 are too few" in few.loc["C5", "note"]
    enough = MadeUp(tmp_path / "enough", n_units_of=[60, 10, 30]).claims()
    assert enough.loc["C5", "verdict"] == "supported"
    assert "10 to 60 units at the stimuli;" in enough.loc["C5", "note"]


def test_tables_say_what_was_not_measured(unmeasured):
    files = {"scores": unmeasured.scores, "predictivities": []}
    table, page = unmeasured.page(pogoncheff2023_p1_single, **files, models=in_order(made.SINGLE))
    local = line_of(page, "local receptive fields")
    assert local[1:3] == ["0 to 3", "not measured"] and local[-1] == "0"
    assert line_of(page, "cortical magnification")[1:3] == ["2 to 3", "0.600 ± 0.010"]
    assert "**Without a score**: local receptive fields (3 of 3), cortical magnification" in page
    assert "cortical magnification (1 of 3)" in page
    rows = table[(table["label"] == "cortical magnification")].set_index("quantity")
    assert rows.loc["properties", "n_seeds"] == 2 and rows.loc["units", "n_seeds"] == 3
    more = {"models": in_order(NORMAL), "networks": made.NETWORKS}
    effects = unmeasured.folder / "effects.csv"
    _, page = unmeasured.page(pogoncheff2023_p2_composites, **files, **more, effects_table=effects)
    assert "| local RF | local receptive fields | ResNet-50 | not measured |  | 0, 3 |" in page
    trainings = [["local", *(2 * [made.SINGLE["local receptive fields"]])]]
    files["histories"] = unmeasured.histories
    _, page = unmeasured.page(pogoncheff2023_p3_adversarial, **files, models=trainings)
    assert "| local | property score (15 of 22) | not measured |  | 0, 0 |" in page


def test_tables_say_which_scores_are_zero_for_want_of_values(tmp_path):
    tables = MadeUp(tmp_path)
    changed = read_csv(tables.scores[0])
    single = changed["level"] == "property"
    changed.loc[single, ["score", "raw", "n_values"]] = 0
    write_csv(changed, tables.scores[0])
    options = {"scores": tables.scores, "predictivities": [], "models": in_order(made.SINGLE)}
    _, page = tables.page(pogoncheff2023_p1_single, **options)
    assert "for want of values**" in page and "ResNet-50 (1 per seed)." in page
    assert "**Without a score**" not in page
