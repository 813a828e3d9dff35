"""Planted against learned positions, maps and advantages, on results that are made up."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

import recover_lurz2021
from drawn_pages import saved_page
from drawn_texts import texts_outside, texts_overlapping
from figures import lurz2021_recovery as figure
from made_up_populations import population, scattered
from v1lib import plotting
from v1lib.files import read_csv, write_csv, write_npz
from v1lib.lurz2021_recovery import (
    fitted_map,
    map_error,
    planted_fields,
    recovered_positions,
    score_differences,
    shape_of,
)

SCANS = ("1-1-1-0", "2-1-1-0")
IMAGES = [50, 200, 500]
SCORED = {"direct": "direct", "transferred": "11s", "random": "random64"}
READOUTS = {
    "retinotopic": {"dataset": "simulated", "model": "cortex"},
    "free": {"dataset": "simulated", "model": "free"},
}
OPTIONS = {"score": "fraction_oracle", "downsampling": 1, "n_permutations": 200, "seed": 0}
SHIFT_PX = np.array([1.5, -0.5])


def turn(degrees, *, mirrored=False, stretch=(1.0, 1.0)):
    """A map [2, 2] that mirrors x, turns by so much and stretches columns and rows."""
    angle = np.deg2rad(degrees)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.diag(stretch) @ rotation @ np.diag([-1.0 if mirrored else 1.0, 1.0])


@pytest.fixture(scope="module")
def truth():
    """What is planted in two scans of 60 neurons, the second of which is mirrored."""
    rng = np.random.default_rng(0)
    arrays = {}
    for scan, degrees, mirrored in zip(SCANS, (20, -10), (False, True), strict=True):
        position = rng.uniform(-300, 300, (60, 3))
        linear = turn(degrees, mirrored=mirrored, stretch=(0.03, 0.012))
        arrays[f"{scan}/position_um"] = position
        arrays[f"{scan}/map_px_per_um"] = linear
        arrays[f"{scan}/gaze_px"] = np.array([0.7, -0.2])
        arrays[f"{scan}/field_px"] = position[:, :2] @ linear.T + [14, 8]
    return arrays


def positions_of(truth, model, learn, *, images=(50, 500)):
    """Readout positions of a model that learns ``learn(planted, cortex)`` in each scan."""
    tables = []
    for seed, n_images in enumerate(images):
        for scan in SCANS:
            cortex = truth[f"{scan}/position_um"][:, :2]
            planted = truth[f"{scan}/field_px"] + truth[f"{scan}/gaze_px"]
            columns = np.random.default_rng(seed).permutation(len(cortex))[:50]
            learned = learn(planted, cortex)[columns]
            rows = {"dataset": "simulated", "model": model, "seed": seed, "images": n_images}
            rows |= {"neurons": 50, "replicate": seed, "initialisation": 0, "session": scan}
            rows |= {"neuron": columns, "x_px": learned[:, 0], "y_px": learned[:, 1]}
            rows |= {"cortex_x_um": cortex[columns, 0], "cortex_y_um": cortex[columns, 1]}
            tables.append(pd.DataFrame(rows | {"source_kind": "simulated"}))
    return pd.concat(tables)


def scores_of(model, *levels, n_replicates=3):
    points = {(images, 50): level for images, level in zip(IMAGES, levels, strict=True)}
    return population(model, scattered(points, n_replicates=n_replicates))


@pytest.fixture(scope="module")
def written(truth, tmp_path_factory):
    """The table of the recovery, and the arguments it was made with."""
    folder = tmp_path_factory.mktemp("recovery")
    noise = np.random.default_rng(1).normal(size=(60, 2))
    tables = {
        "cortex.csv": positions_of(truth, "cortex", lambda planted, _: planted + SHIFT_PX),
        "free.csv": positions_of(truth, "free", lambda planted, _: planted.mean(0) + 5 * noise),
        "direct.csv": scores_of("direct", 0.1, 0.4, 0.8),
        "11s.csv": scores_of("11s", 0.3, 0.8, 0.9),
        "random.csv": scores_of("random64", 0.05, 0.2, 0.3),
    }
    for name, table in tables.items():
        write_csv(table, folder / name)
    write_npz(folder / "truth.npz", **truth)
    options = {
        "truth": folder / "truth.npz",
        "positions": [folder / "cortex.csv", folder / "free.csv"],
        "populations": [folder / "direct.csv", folder / "11s.csv", folder / "random.csv"],
        "recovery": folder / "recovery.csv",
        "readouts": READOUTS,
        "scored": SCORED,
        "options": OPTIONS,
    }
    recover_lurz2021.main(**options)
    return options


@pytest.fixture(scope="module")
def table(written):
    return read_csv(written["recovery"])


def rows_of(table, measure, **values):
    chosen = table[table["measure"] == measure]
    for column, value in values.items():
        chosen = chosen[chosen[column] == value]
    return chosen


def test_fields_are_moved_by_the_gaze_and_shrink_with_the_images(truth):
    origin = Path("truth.npz")
    same = planted_fields(truth, SCANS[0], downsampling=1, origin=origin)
    assert np.allclose(same.position_px, truth[f"{SCANS[0]}/field_px"] + [0.7, -0.2])
    half = planted_fields(truth, SCANS[0], downsampling=2, origin=origin)
    # Pixels 0 and 1, whose middle is 0.5, become pixel 0.
    assert np.allclose(half.position_px, (same.position_px - 0.5) / 2)
    assert np.allclose(half.map_px_per_um * 2, same.map_px_per_um)
    with pytest.raises(ValueError, match=r"truth.npz has no 9-9-9-0/field_px"):
        planted_fields(truth, "9-9-9-0", downsampling=1, origin=origin)


def test_a_common_shift_is_no_error_and_exchanged_neurons_are_one():
    rng = np.random.default_rng(0)
    planted = rng.uniform(0, 20, (80, 2))
    noise = rng.normal(scale=0.5, size=planted.shape)
    noise -= noise.mean(axis=0)
    found = recovered_positions(planted + noise + SHIFT_PX, planted, n_permutations=200, seed=0)
    assert np.allclose(found.offset_px, SHIFT_PX)
    assert found.error_px == pytest.approx(np.sqrt((noise**2).sum(axis=1).mean()))
    assert (found.correlation > 0.95).all() and np.abs(found.control_correlation).max() < 0.05
    # Independent positions: the variances of both axes of both add up.
    assert found.control_error_px == pytest.approx(np.sqrt(2 * planted.var(0).sum()), rel=0.05)
    assert found.p_error == pytest.approx(1 / 201) and (found.p_correlation < 0.01).all()


def test_exchanged_neurons_are_not_recovered():
    rng = np.random.default_rng(3)
    planted = rng.uniform(0, 20, (80, 2))
    found = recovered_positions(rng.permutation(planted), planted, n_permutations=200, seed=0)
    assert np.abs(found.correlation).max() < 0.25
    assert found.error_px == pytest.approx(found.control_error_px, rel=0.1)
    assert found.p_error > 0.05 and (found.p_correlation > 0.05).all()


def test_positions_that_do_not_differ_have_no_correlation():
    planted = np.random.default_rng(0).uniform(0, 20, (10, 2))
    found = recovered_positions(np.full((10, 2), 3.0), planted, n_permutations=20, seed=0)
    assert np.isnan(found.correlation).all() and np.isnan(found.p_correlation).all()
    assert found.error_px == pytest.approx(np.sqrt(planted.var(axis=0).sum()))
    assert found.p_error == 1
    with pytest.raises(ValueError, match="3 neurons or more"):
        recovered_positions(planted[:2], planted[:2], n_permutations=20, seed=0)


def test_a_map_is_fitted_whatever_its_offset():
    rng = np.random.default_rng(0)
    cortex = rng.uniform(-300, 300, (40, 2))
    linear = turn(33, mirrored=True, stretch=(0.03, 0.01))
    assert np.allclose(fitted_map(cortex @ linear.T + [5, -3], cortex + 1000), linear)
    with pytest.raises(ValueError, match="40 neurons on one line"):
        fitted_map(cortex, cortex[:, :1] * [1, 2])


@pytest.mark.parametrize("degrees", [0, 25, -170])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_map_is_told_by_mirror_rotation_and_scale(degrees, mirrored):
    shape = shape_of(turn(degrees, mirrored=mirrored, stretch=(0.04, 0.01)))
    assert shape.is_mirrored is mirrored
    assert shape.rotation_deg == pytest.approx(degrees, abs=1e-9)
    assert shape.scale_px_per_mm == pytest.approx(20)


def test_the_error_of_a_map_is_relative():
    planted = turn(10, stretch=(0.03, 0.01))
    assert map_error(planted, planted) == 0
    assert map_error(0 * planted, planted) == pytest.approx(1)
    assert map_error(1.2 * planted, planted) == pytest.approx(0.2)


def test_scores_are_compared_within_replicates():
    # Replicates differ by far more than models do.
    direct = pd.DataFrame({50: [0.1, 0.5, 0.9], 200: [0.2, 0.6, np.nan]}, index=[1, 2, 3])
    found = score_differences(direct + 0.05, direct, seed=0).set_index("images")
    assert found["difference"].tolist() == pytest.approx([0.05, 0.05])
    assert np.allclose(found[["low", "high"]], 0.05) and found["n"].tolist() == [3, 2]
    with_gap = score_differences(direct[[50]].loc[[2]], direct, seed=0)
    assert with_gap["n"].tolist() == [1] and with_gap[["low", "high"]].isna().all(axis=None)


def test_positions_and_maps_are_those_of_the_most_images(table):
    retinotopic = rows_of(table, "position_error", role="retinotopic")
    assert retinotopic["session"].tolist() == list(SCANS)
    assert (retinotopic["images"] == 500).all() and (retinotopic["n"] == 50).all()
    assert retinotopic["recovered"].max() < 1e-5 < 5 < retinotopic["control"].min()
    offsets = rows_of(table, "position_offset_x", role="retinotopic")["recovered"]
    assert np.allclose(offsets, SHIFT_PX[0])
    for axis in "xy":
        r = rows_of(table, f"position_correlation_{axis}").set_index("role")["recovered"]
        assert np.allclose(r["retinotopic"], 1) and (r["free"].abs() < 0.4).all()
    rotation = rows_of(table, "map_rotation", role="retinotopic")
    assert np.allclose(rotation["planted"], [20, -10])
    assert np.allclose(rotation["recovered"], [20, -10])
    mirrored = rows_of(table, "map_mirrored", role="retinotopic")
    assert mirrored["planted"].tolist() == mirrored["recovered"].tolist() == [0, 1]
    error = rows_of(table, "map_error").groupby("role")["recovered"].mean()
    assert error["retinotopic"] < 1e-5 and error["free"] > 0.5


def test_neurons_stand_beside_their_own_fields(table, truth):
    rows = rows_of(table, "position_y", role="retinotopic", session=SCANS[1])
    neurons = rows["item"].astype(int).to_numpy()
    expected = truth[f"{SCANS[1]}/field_px"][neurons, 1] - 0.2
    assert len(set(neurons)) == 50 and np.allclose(rows["planted"], expected)
    assert np.allclose(rows["recovered"] - rows["planted"], SHIFT_PX[1])


def test_transfer_gains_and_random_cores_do_not(table):
    found = rows_of(table, "score_difference").set_index(["role", "images"])
    for images, gain, loss in zip(IMAGES, (0.2, 0.4, 0.1), (-0.05, -0.2, -0.5), strict=True):
        transferred, random = found.loc[("transferred", images)], found.loc[("random", images)]
        assert transferred["recovered"] == pytest.approx(gain, abs=0.03)
        assert random["recovered"] == pytest.approx(loss, abs=0.03)
        assert transferred["low"] > 0 and transferred["low"] <= transferred["high"]
        assert random["high"] < transferred["low"] and transferred["n"] == 3
    efficiency = rows_of(table, "data_efficiency").set_index("item").loc["linear"]
    assert efficiency["recovered"] == pytest.approx(40, abs=5)  # 200 of 500 images


def test_what_does_not_belong_together_is_refused(written, tmp_path):
    elsewhere = READOUTS | {"free": {"dataset": "another", "model": "free"}}
    with pytest.raises(ValueError, match=r"no positions of .*another"):
        recover_lurz2021.main(**written | {"readouts": elsewhere, "recovery": tmp_path / "r.csv"})
    scored = SCORED | {"random": "random128"}
    with pytest.raises(ValueError, match="no scores of model 'random128'"):
        recover_lurz2021.main(**written | {"scored": scored, "recovery": tmp_path / "r.csv"})
    fewer = tmp_path / "truth.npz"
    names = ("field_px", "gaze_px", "map_px_per_um")
    write_npz(fewer, **{f"{s}/{n}": np.zeros((3, 2)) for s in SCANS for n in names})
    with pytest.raises(ValueError, match=r"truth.npz has no neuron"):
        recover_lurz2021.main(**written | {"truth": fewer, "recovery": tmp_path / "r.csv"})
    assert not (tmp_path / "r.csv").exists()


def test_the_figure_draws_what_its_table_says(written, table, tmp_path, monkeypatch):
    pages = []
    save = plotting.save_figure
    monkeypatch.setattr(
        plotting, "save_figure", lambda page, *a: (pages.append(page), save(page, *a))
    )
    figure.main(
        recovery=written["recovery"],
        figure=tmp_path / "r.png",
        pdf=tmp_path / "r.pdf",
        table=tmp_path / "r.csv",
        positions=["retinotopic", "free"],
        maps=["retinotopic", "free"],
    )
    (page,) = pages
    assert texts_outside(page) == [] and texts_overlapping(page) == []
    assert plotting.is_marked_simulated(page) and imread(tmp_path / "r.png").std() > 0.01
    assert (tmp_path / "r.pdf").read_bytes().startswith(b"%PDF")
    drawn = read_csv(tmp_path / "r.csv")
    for ax, role in zip(page.axes, READOUTS, strict=False):
        planted, learned = np.asarray(ax.collections[0].get_offsets()).T
        rows = rows_of(drawn, "position_x", role=role)
        assert set(rows["session"]) == {SCANS[0]} and len(rows) == len(planted) == 50
        assert np.allclose(planted, rows["planted"] - rows["planted"].mean())
        assert np.allclose(learned, rows["recovered"] - rows["recovered"].mean())
    lines = {line.get_label(): line.get_ydata() for line in page.axes[3].lines}
    gains = rows_of(drawn, "score_difference", role="transferred")["recovered"]
    assert np.allclose(lines["transferred core, n = 3"], gains)
    assert set(drawn["measure"]) >= {"map_rotation", "data_efficiency", "position_error"}


@pytest.mark.parametrize(("degrees", "edge"), [(150.0, 1), (-150.0, -1)])
def test_a_map_far_from_the_planted_ones_is_marked_at_the_edge(
    written, table, tmp_path, degrees, edge
):
    far = table.index[(table["measure"] == "map_rotation") & (table["role"] == "free")][0]
    table = table.assign(recovered=table["recovered"].where(table.index != far, degrees))
    near = (table["measure"] == "map_rotation") & (table.index != far)
    table.loc[near, "recovered"] = table.loc[near, "planted"]
    write_csv(table, tmp_path / "recovery.csv")
    page = saved_page(
        figure.main,
        recovery=tmp_path / "recovery.csv",
        figure=tmp_path / "r.png",
        pdf=tmp_path / "r.pdf",
        table=tmp_path / "r.csv",
        positions=["retinotopic", "free"],
        maps=["retinotopic", "free"],
    )
    ax = page.axes[2]
    assert ax.get_ylim() == (-40, 40)  # twice the largest planted rotation
    drawn = np.concatenate([dots.get_offsets() for dots in ax.collections])
    assert sorted(drawn[:, 1]) == pytest.approx(sorted([*table.loc[near, "planted"], 40 * edge]))
    assert "outside the axis: 1" in {text.get_text() for text in ax.get_legend().get_texts()}
    assert texts_outside(page) == [] and texts_overlapping(page) == []
    rotations = rows_of(read_csv(tmp_path / "r.csv"), "map_rotation")["recovered"]
    assert degrees in set(rotations)
