"""Values of Pogoncheff 2023 beside the published ones, and which networks may be compared."""

import numpy as np
import pytest
import torch

import made_up_v1_scores as made
from made_up_v1_tables import (
    PROFILE,
    PUBLISHED,
    PUBLISHED_SIZE,
    TRAINING,
    MadeUp,
    profile_of,
)
from tables import pogoncheff2023_parameters
from v1lib.augmentation import normalised
from v1lib.files import read_csv
from v1lib.pogoncheff2023_profile import NORMALISATION, differs_from_paper


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """All networks on real images, three seeds each."""
    return MadeUp(tmp_path_factory.mktemp("real"))


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """The same on simulated images."""
    return MadeUp(tmp_path_factory.mktemp("simulated"), kind="simulated")


def test_counts_settings_and_ceilings_are_always_compared(simulated):
    table, _ = simulated.measured(is_paper=False)
    verdict = table["verdict"]
    assert verdict["parameters.resnet50.total"] == "reproduced"
    assert verdict["parameters.tuned_norm.total"] == "reproduced"
    assert "196,608 of them constants" in table.loc["parameters.tuned_norm.total", "reason"]
    assert verdict["parameters.div_norm.trainable"] == "differs"
    assert verdict["parameters.local_rf.total"] == "not run"
    settings = verdict.filter(regex="^training\\.")
    assert settings.tolist() == ["reproduced"] * 11
    assert verdict["ceiling.bandwidth"] == "reproduced"  # 0.966 within 0.005 of 0.964
    assert verdict["v1_overall.resnet50"] == "not run"
    table, _ = simulated.measured(is_paper=False, n_draws=999)
    assert table.loc["ceiling.bandwidth", "verdict"] == "not comparable"


def test_settings_that_a_profile_reduces_are_not_judged(simulated):
    reduced = TRAINING | {"max_epochs": 12, "milestones": [8, 10]}
    other, _ = simulated.measured(is_paper=False, training=reduced)
    assert other.loc["training.epochs", "verdict"] == "not comparable"
    assert PROFILE in other.loc["training.lr_milestone_1_epoch", "reason"]
    assert other.loc["training.batch_size", "verdict"] == "reproduced"
    # Not the paper's training, on whatever data.
    on_its_data, _ = simulated.measured(is_paper=True, training=reduced)
    assert on_its_data.loc["training.epochs", "verdict"] == "not comparable"


def test_scores_of_networks_are_set_beside_the_paper_in_its_own_profile_only(real):
    model = made.SINGLE["ResNet-50"]
    predicted = made.written(real.folder, "p", [made.predictivity(model, [0.3, 0.3, 0.3])])
    table, _ = real.measured(is_paper=True, predictivities=predicted)
    row = table.loc["v1_overall.resnet50"]
    assert row["ours"] == pytest.approx(0.4) and row["verdict"] == "not comparable"
    assert "15 of 22 properties" in row["reason"]
    table, _ = real.measured(is_paper=False, predictivities=predicted)
    assert table.loc["v1_overall.resnet50", "verdict"] == "not run"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, ""),
        ({"source": "tiny_imagenet"}, "images of tiny_imagenet, not imagenet"),
        ({"size_px": 48}, "ResNet-50 is trained with input_size_px 48, published 64"),
        ({"max_epochs": 2}, "tuned is trained with epochs 2, published 100"),
        ({"batch_size": 64}, "tuned is trained with batch_size 64"),
        ({"learning_rate": 0.2}, "tuned is trained with initial_learning_rate 0.2"),
        ({"milestones": [60]}, "tuned is trained with lr_milestone_2_epoch none, published 80"),
        ({"milestones": [60, 80, 90]}, "lr_milestone_3_epoch 90, published none"),
        ({"width": 16}, "adversarial has blocks [3, 4, 6, 3], width 16, published"),
        ({"blocks": [3, 1, 1, 1]}, "adversarial has blocks [3, 1, 1, 1], width 64, published"),
    ],
)
def test_the_papers_profile_is_recognised_by_all_that_was_published(change, reason):
    """One network that differs is enough; adversarial training was not published."""
    known = read_csv(PUBLISHED).set_index("id")["value"]
    of_profile = {name: change[name] for name in ("source", "size_px") if name in change}
    size = {name: change[name] for name in PUBLISHED_SIZE if name in change}
    training = {name: change[name] for name in change if name in TRAINING}
    profile = profile_of(is_paper=True) | of_profile
    profile["sizes"] = profile["sizes"] | {"adversarial": PUBLISHED_SIZE | size}
    profile["trainings"] = {"ResNet-50": TRAINING, "tuned": TRAINING | training}
    found = differs_from_paper(profile, known)
    assert (found == "") == (reason == "") and reason in found
    with pytest.raises(ValueError, match="no published value has an id"):
        differs_from_paper(profile, known[:1])


def test_the_normalisation_that_is_compared_is_that_of_the_images():
    pixels = torch.tensor([0, 51, 255], dtype=torch.uint8).expand(1, 1, 3, 3).movedim(-1, -2)
    mean, std = NORMALISATION["normalisation_mean"], NORMALISATION["normalisation_std"]
    expected = (np.array([0, 51, 255]) / 255 - mean) / std
    for channel in normalised(pixels)[0]:
        np.testing.assert_allclose(channel[0], expected, atol=1e-6)


def test_summaries_of_neurons_follow_from_their_counts(real):
    table, _ = real.measured(is_paper=False)
    own = table.filter(like="ringach2002.", axis=0)
    assert len(own) == 7
    missing = own.loc["ringach2002.median_spontaneous_rate_spikes_per_s"]
    assert missing["verdict"] == "not run" and "no distribution of spontaneous" in missing["reason"]
    own = own.drop(missing.name)
    assert set(own["verdict"]) == {"reproduced"}
    share = own.loc["ringach2002.fraction_orientation_selective", "ours"]
    assert share == pytest.approx(298 / 304)
    # 117 of 298 neurons below the bin from 21.2 to 26.5 degrees, 68 in it.
    bandwidth = own.loc["ringach2002.median_orientation_half_bandwidth_deg"]
    step = 90 / 17
    assert bandwidth["ours"] == pytest.approx((4 + (149 - 117) / 68) * step)
    assert bandwidth["spread"] == pytest.approx(step / 2)
    assert bandwidth["n_ours"] == 298


def test_alexnet_is_compared_where_it_was_scored(real):
    whole = made.scores("alexnet", [0.86], properties=made.IN_FULL)
    partial = made.scores("alexnet", [0.86])
    scored, _ = real.measured(is_paper=False, alexnet=made.written(real.folder, "x", [whole]))
    some, _ = real.measured(is_paper=False, alexnet=made.written(real.folder, "y", [partial]))
    for table in (scored, some):
        # 0.86 * 0.964 = 0.829, published 0.844 with a tolerance of 0.01
        assert table.loc["alexnet.raw.bandwidth", "verdict"] == "differs"
    assert scored.loc["alexnet.group.spatial_frequency", "verdict"] == "reproduced"  # 0.8573
    assert scored.loc["alexnet.v1_property_score", "verdict"] == "differs"  # 0.6992
    assert some.loc["alexnet.group.spatial_frequency", "verdict"] == "reproduced"
    assert some.loc["alexnet.group.response_magnitude", "verdict"] == "not run"
    assert some.loc["alexnet.v1_property_score", "verdict"] == "not run"
    short, _ = real.measured(
        is_paper=False, alexnet=made.written(real.folder, "x", [whole]), n_draws=999
    )
    judged = short.filter(regex="^alexnet\\.(raw\\.bandwidth|group\\.|v1_property)", axis=0)
    assert len(judged) == 9 and set(judged["verdict"]) == {"not comparable"}
    assert set(judged["reason"]) == {"999 bootstrap samples, published with 1000"}


def test_parameters_stand_beside_the_published_ones(real):
    _, counts = real.measured(is_paper=False)
    table, page = real.folder / "n.csv", real.folder / "n.md"
    models = [["tuned", "pogoncheff2023_tuned_norm"], ["other", "pogoncheff2023_other"]]
    pogoncheff2023_parameters.main(
        counts=counts, published=PUBLISHED, table=table, markdown=page, models=models
    )
    text = page.read_text()
    assert "| tuned | 25,557,800 | 25,557,800 | 196,608 | 25,754,408 | 25,754,408 |" in text
    assert "| other | 1 |  | 0 | 1 |  |" in text
    assert read_csv(table)["published_total"].tolist()[0] == 25_754_408
