"""The V1 experiment on subjects whose units are known: cells by formula, small networks."""

from dataclasses import asdict

import numpy as np
import pytest

from measure_v1_properties import main as measure
from recover_v1_properties import main as recover
from score_v1_properties import main as score
from test_distribution_similarity import DISTRIBUTIONS
from v1lib.files import read_csv, write_npz
from v1lib.screen import GREY, Screen
from v1lib.simulation.grating_cells import CellSettings, drawn_cells
from v1lib.stimuli import orientation_distance
from v1lib.v1_experiment import calibrated, grating_tuning, measured
from v1lib.v1_receptive_fields import Fields, Subject, field_centres, field_map, receptive_fields
from v1lib.v1_stimuli import FIELD_POSITIONS_DEG, RADII_DEG, orientation_set, receptive_field_set

CELLS = CellSettings(
    n_near=40,
    n_far=10,
    near_deg=0.07,
    far_deg=[0.5, 1.5],
    frequency=[0.7, 1.8],
    cycles=[0.3, 0.5],
    share_complex=0.5,
    share_without_surround=0.3,
    surround=[0.5, 3.0],
    surround_ratio=[2.0, 4.0],
    baseline=0.05,
)
WHOLE = {"degrees": 8.0, "centre_deg": [0, 0]}
KNOWN = {
    "kind": "cells",
    "screen": WHOLE,
    "size_px": 64,
    "seed": 4,
    "dataset": "grating_cells",
    "cells": asdict(CELLS),
}


# ---- receptive fields --------------------------------------------------------------------------


def test_centres_of_planted_fields():
    y, x = np.meshgrid(FIELD_POSITIONS_DEG, FIELD_POSITIONS_DEG, indexing="ij")
    middles = np.array([[0.5, 0.5], [-1.0, 0.25], [0.1, -1.3]])
    distance = (y[..., None] - middles[:, 0]) ** 2 + (x[..., None] - middles[:, 1]) ** 2
    maps = np.exp(-distance / (2 * 0.3**2))
    np.testing.assert_allclose(field_centres(maps), middles, atol=0.02)


def test_weak_positions_do_not_pull_a_centre():
    maps = np.zeros((21, 21, 3))
    maps[12, 12], maps[12, 13] = 1.0, [0.5, 0.0, 0.0]
    maps[0, 0] = [0.0, 0.05, 0.051]
    centres = field_centres(maps)
    np.testing.assert_allclose(centres[0], [0.5, 0.5 + 0.25 / 3])
    np.testing.assert_allclose(centres[1], [0.5, 0.5])  # 5 % is not above 5 %
    assert (centres[2] < 0.4).all()


def test_a_unit_that_never_responds_has_no_field():
    fields = Fields(field_centres(np.zeros((21, 21, 2))), np.zeros(2, dtype=np.float32))
    assert np.isnan(fields.centre_deg).all()
    assert fields.near_stimuli().tolist() == []


def test_units_near_the_stimuli_are_chosen():
    centres = np.array([[0.5, 0.5], [0.5, 0.649], [0.4, 0.4], [0.36, 0.5], [np.nan, np.nan]])
    centres = np.append(centres, [[0.5, 0.651], [0.39, 0.39]], axis=0)
    fields = Fields(centres, np.zeros(7, dtype=np.float32))
    assert fields.near_stimuli().tolist() == [0, 1, 2, 3]
    one = Fields(centres[:1], np.zeros(1, dtype=np.float32))
    assert one.near_stimuli().tolist() == [0]


def test_the_map_is_the_largest_increase_over_the_empty_screen():
    screen = Screen(12, 2.0, (0.5, 0.5))
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((144, 5)).astype(np.float32)

    def respond(images):
        return 30 + (images.reshape(len(images), -1) - GREY) @ weights / 50

    subject = Subject(respond, screen)
    found = field_map(subject, subject.to_blank())
    responses = np.concatenate(list(subject.to_gratings(receptive_field_set())))
    increase = responses.reshape(21, 21, 8, 5).max(axis=2) - 30
    np.testing.assert_allclose(found, np.maximum(increase, 0), atol=1e-4)
    assert found[10, 10].min() > 0 and (found[0, 0] < 1e-4).all()  # beyond the screen


@pytest.mark.parametrize(
    ("response", "message"),
    [(np.full((1, 2), np.nan), "not finite"), (np.zeros((3, 2)), r"gave \(3, 2\) for 1 images")],
)
def test_broken_subjects_are_noticed(response, message):
    with pytest.raises(ValueError, match=message):
        Subject(lambda images: response, Screen(8)).to_blank()


# ---- calibration -------------------------------------------------------------------------------


def test_calibration_gives_responsive_units_the_median_rates():
    rng = np.random.default_rng(0)
    blank = rng.uniform(0, 0.1, 30)
    dc = blank[:, None, None, None] + rng.uniform(0, 1, (30, 3, 4, 12))
    dc[0] = blank[0]  # does not respond, and must not count
    found = calibrated(np.repeat(dc[..., None], 8, axis=-1), blank)
    assert found.n_responsive == 29
    largest = dc[1:].reshape(29, -1).max(axis=1)
    assert np.median(found.rates(largest)) == pytest.approx(33.8)
    assert found.rates(np.median(blank[1:])) == pytest.approx(0.82)
    assert (found.rates(np.array([-10.0])) == 0).all()


def test_responsive_is_what_adds_a_fiftieth_of_the_largest_increase():
    blank = np.zeros(3)
    dc = np.multiply.outer([243.1, 5.01, 4.99], np.ones((1, 8)))
    assert calibrated(dc, blank).n_responsive == 2


def test_subjects_without_units_or_responses_have_no_properties():
    """No unit at the stimuli; units there of which none responds more to gratings than to grey."""
    screen = Screen(16, 2.0, (0.5, 0.5))
    found = measured(Subject(lambda images: np.zeros((len(images), 3)), screen))
    assert (len(found.units), found.tuning.properties) == (0, [])
    silent = grating_tuning(lambda gratings: np.zeros((2, *gratings.shape)), np.ones(2))
    assert (silent.calibration.n_responsive, silent.properties) == (0, [])
    assert np.isnan(silent.calibration.slope) and np.isnan(silent.baseline).all()


# ---- cells of known tuning ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def recovered(tmp_path_factory):
    """Measured, scored and compared by the three steps."""
    folder = tmp_path_factory.mktemp("cells")
    names = ("populations", "units", "properties", "scores", "recovery", "agreement")
    paths = {name: folder / f"{name}.csv" for name in names}
    measure(
        checkpoints=[],
        recording=[],
        textures=[],
        **{name: paths[name] for name in names[:3]},
        subject=KNOWN,
        device="cpu",
        threads=1,
        gpu=0,
    )
    score(
        properties=[paths["properties"]],
        populations=[paths["populations"]],
        distributions=DISTRIBUTIONS,
        measured=[],
        scores=paths["scores"],
        n_draws=200,
        seed=0,
    )
    recover(
        units=paths["units"],
        properties=paths["properties"],
        recovery=paths["recovery"],
        agreement=paths["agreement"],
        subject=KNOWN,
        options={"n_permutations": 200, "seed": 0},
    )
    return {name: read_csv(path) for name, path in paths.items()}


def test_cells_at_the_stimuli_are_found_and_no_others(recovered):
    row = recovered["populations"].iloc[0]
    assert (row["n_units"], row["n_with_field"], row["n_near"]) == (50, 50, 40)
    assert recovered["units"]["unit"].tolist() == list(range(40))
    np.testing.assert_allclose(recovered["units"]["baseline"], 0.82)


# Largest median of the differences between measured and planted values.
AGREEMENT = {
    "field_y": 0.01,
    "field_x": 0.01,
    "drawn_frequency": 0.08,
    "bandwidth": 0.5,
    "circular_variance": 0.01,
    "orthogonal_preferred_ratio": 0.006,
    "circular_variance_bandwidth_ratio": 0.0005,
    "orthogonal_preferred_ratio_circular_variance_difference": 0.01,
    "modulation_ratio": 0.01,
    "max_dc": 4.0,
    "peak_spatial_frequency": 0.05,
    "spatial_frequency_bandwidth": 2.0,
    "surround_suppression_index": 0.015,
}


@pytest.mark.parametrize("name", AGREEMENT)
def test_measured_properties_are_the_planted_ones(recovered, name):
    rows = recovered["recovery"].query("property == @name").dropna()
    assert len(rows) >= 35
    assert (rows["measured"] - rows["planted"]).abs().median() < AGREEMENT[name]
    assert rows["measured"].corr(rows["planted"]) > 0.88


@pytest.mark.parametrize("name", ["drawn_orientation", "preferred_orientation"])
def test_preferred_orientations_are_the_planted_ones(recovered, name):
    rows = recovered["recovery"].query("property == @name")
    assert len(rows) == 40
    assert orientation_distance(rows["measured"], rows["planted"]).max() < 2.5


@pytest.mark.parametrize("name", ["orientation_selective", "spatial_frequency_selective"])
def test_selective_cells_are_found_selective(recovered, name):
    rows = recovered["recovery"].query("property == @name")
    assert (rows["measured"] == rows["planted"]).mean() > 0.9


@pytest.mark.parametrize("name", ["grating_summation_field", "surround_diameter"])
def test_sizes_are_the_planted_ones_or_their_neighbours(recovered, name):
    rows = recovered["recovery"].query("property == @name")
    with_value = rows.dropna(subset=["planted", "measured"])
    assert len(with_value) >= 20
    steps = 2 * np.abs(np.log2(with_value["measured"] / with_value["planted"]))
    assert (steps < 1.5).all() and (steps < 0.5).mean() > 0.7
    # A cell has a size where it is suppressed, by the formula and by measurement.
    assert (rows["planted"].isna() == rows["measured"].isna()).mean() > 0.9


def test_simple_and_complex_cells_are_told_apart(recovered):
    cells = drawn_cells(np.random.default_rng(KNOWN["seed"]), CELLS)
    rows = recovered["recovery"].query("property == 'modulation_ratio'")
    is_complex = cells.is_complex[rows["unit"]]
    assert rows["measured"][is_complex].max() < 0.1
    assert rows["measured"][~is_complex].min() > 1.3


def test_the_scores_say_that_they_are_partial_and_simulated(recovered):
    scores = recovered["scores"]
    last = scores.iloc[-1]
    assert last["property"] == "v1_property_score_15of22"
    assert (last["n_properties"], last["of_properties"]) == (15, 22)
    assert 0 < last["score"] < 1
    assert set(scores["source_kind"]) == {"simulated"}
    singles = scores[scores["level"] == "property"]
    assert (singles["n_units"] == 40).all()
    sizes = singles.set_index("property")["n_values"]
    assert sizes["surround_diameter"] < sizes["surround_suppression_index"] == 40


def test_the_agreement_says_that_cells_away_are_left_out_and_how_near_the_others_come(recovered):
    cells, found = recovered["recovery"], recovered["agreement"].set_index("property")
    assert set(found["source_kind"]) == set(cells["source_kind"]) == {"simulated"}
    assert len(found) == 5 + 15 and found.index.tolist() == list(cells["property"].unique())
    places = cells[cells["property"] == "at_stimuli"]
    assert places["planted"].tolist() == places["measured"].tolist() == [1] * 40 + [0] * 10
    row = found.loc["at_stimuli"]
    assert (row["n_cells"], row["n"], row["error"]) == (50, 50, 0)
    assert row["control"] == pytest.approx(2 * 0.8 * 0.2, abs=0.03)
    # Of the cells away positions are planted, not measured.
    assert found.loc["field_x", ["n_cells", "n_planted", "n_measured", "n"]].tolist() == [
        *(50, 50, 40, 40),
    ]
    planted = cells.query("property == 'field_x'")["planted"]
    assert (planted[:40] - 0.5).abs().max() < 0.1 and (planted[40:50] - 0.5).abs().min() > 0.4
    near = found.loc[["field_y", "field_x", "drawn_orientation", "drawn_frequency", "bandwidth"]]
    assert (near["error"] < 0.35 * near["control"]).all()
    assert near["p"].tolist() == pytest.approx([1 / 201] * 5)


def test_expected_responses_of_a_cell_by_hand():
    settings = CellSettings(**asdict(CELLS) | {"n_near": 2, "n_far": 0})
    cells = drawn_cells(np.random.default_rng(0), settings)
    grating = orientation_set()
    responses = cells.expected(grating) - cells.baseline[:, None, None, None, None]
    assert responses.shape == (2, *grating.shape)
    # An integral on a fine grid, for one stimulus of the first cell.
    c, s, f, o = 2, 1, 3, 4
    i = np.ravel_multi_index((c, s, f, o), grating.shape)
    step = np.linspace(-4, 4, 801)
    y, x = np.meshgrid(step, step, indexing="ij")
    disc = np.hypot(y, x) <= grating.radius_deg[i]

    def wave(frequency, orientation, phase):
        angle = np.deg2rad(orientation)
        return 2 * np.pi * frequency * (x * np.cos(angle) + y * np.sin(angle)) + phase

    contrast = disc * np.sin(
        wave(grating.frequency[i], grating.orientation_deg[i], np.deg2rad(grating.phase_deg[i]))
    )
    envelope = np.exp(-(x**2 + y**2) / (2 * cells.sigma_deg[0] ** 2))
    own = wave(cells.frequency[0], cells.orientation_deg[0], np.deg2rad(cells.phase_deg[0]))
    even, odd = (
        2 * (contrast * envelope * g(own)).sum() / envelope.sum() for g in (np.cos, np.sin)
    )
    drive = np.hypot(even, odd) if cells.is_complex[0] else max(even, 0)
    window = np.exp(-(x**2 + y**2) / (2 * cells.surround_sigma_deg[0] ** 2))
    pool = 2 * (contrast**2 * window).sum() / window.sum()
    expected = drive / (1 + cells.surround[0] * pool)
    assert responses[0, c, s, f, o] == pytest.approx(expected, abs=0.02)


def test_textures_complete_the_properties(tmp_path):
    """Cells shown textures: seven more properties, and a label that says so."""
    coarse = np.random.default_rng(0).integers(0, 256, (2, 15, 15, 10, 10), dtype=np.uint8)
    textures = coarse.repeat(32, axis=3).repeat(32, axis=4)
    write_npz(tmp_path / "textures.npz", textures=textures)
    few = KNOWN | {"cells": asdict(CELLS) | {"n_near": 4, "n_far": 0}, "size_px": 32}
    paths = {name: tmp_path / f"{name}.csv" for name in ("populations", "units", "properties")}
    measure(
        checkpoints=[],
        recording=[],
        textures=[tmp_path / "textures.npz"],
        **paths,
        subject=few,
        device="cpu",
        threads=1,
        gpu=0,
    )
    assert read_csv(paths["populations"])["n_textures"].tolist() == [450]
    found = set(read_csv(paths["properties"])["property"])
    assert len(found) == 22
    assert {"texture_modulation_index", "max_noise", "variance_ratio"} <= found


def test_receptive_fields_are_streamed_in_one_pass():
    seen = []

    def respond(images):
        seen.append(len(images))
        return np.zeros((len(images), 7))

    receptive_fields(Subject(respond, Screen(8, 1.0, (0.5, 0.5))))
    assert sum(seen) == 1 + 3528 and max(seen) <= 256


def test_radii_reach_beyond_the_screen():
    assert 2 * RADII_DEG[-1] > 8 > 2 * RADII_DEG[-2]
