"""Planted against recovered normalization: found where it is, and not found where it is not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import recover_burg2021
from drawn_pages import saved_page
from drawn_texts import texts_outside, texts_overlapping
from figures import burg2021_recovery
from made_up_cadena2019 import SETTINGS
from v1lib.files import read_csv, write_csv, write_npz
from v1lib.learned_normalization import LearnedNormalization
from v1lib.normalization_recovery import (
    by_difference,
    filter_likeness,
    matched_network,
    orientation_errors,
    planted_normalization,
    reader_likeness,
    recovered_matrix,
)
from v1lib.simulation.cadena2019 import settings_of, simulate

ROLES = {"subunit": "sub", "nonspecific": "non", "specific": "dn"}
OPTIONS = {"n_top": 2, "min_likeness": 0.6, "bin_width_deg": 22.5, "n_permutations": 200, "seed": 0}


@pytest.fixture(scope="module")
def truth():
    simulation = simulate(settings_of(SETTINGS))
    return simulation.population.as_arrays() | simulation.truth


@pytest.fixture(scope="module")
def planted(truth):
    return planted_normalization(truth, Path("truth.npz"))


def planted_order(n, seed=0):
    """Planted counterparts of a network's filters, without the last one, which is noise."""
    return np.append(np.random.default_rng(seed).permutation(n), 0)


def network(truth, *, weights=None, seed=0):
    """A network that has learned the planted filters, perhaps with other ``weights``.

    They are scaled, shifted and in another order; one is split into two, and one is noise.
    """
    rng = np.random.default_rng(seed)
    n = len(truth["filters"])
    source = np.append(rng.permutation(n), 0)
    scale = rng.uniform(0.2, 3, n + 1)
    kernels = np.zeros((n + 2, 13, 13))
    for k, (feature, top, left) in enumerate(
        zip(source, *rng.integers(0, 5, (2, n + 1)), strict=True)
    ):
        kernels[k, top : top + 9, left : left + 9] = scale[k] * truth["filters"][feature]
    kernels[-1] = rng.normal(size=(13, 13))
    weights = truth["weights"] if weights is None else weights
    # A filter `scale` times as strong has a pool that is scale^n times as strong.
    exponent = np.append(truth["exponent"][source], 1.5)
    constant = np.append(truth["semi_saturation"][source] * scale, 1.0)
    gain = np.append(scale ** exponent[:-1], 1.0)
    p = np.zeros((n + 2, n + 2))
    p[:-1, :-1] = weights[np.ix_(source, source)] / gain[:-1, None] * gain[:-1]
    # Each half of the split filter provides half, so that together they provide what is planted.
    halves = np.flatnonzero(source == 0)
    p[halves] /= 2
    return LearnedNormalization(
        rank=np.array([1]),
        seed=np.array([4]),
        kernels=kernels[None].astype("f4"),
        input_weights=p[None].astype("f4"),
        pooled_mean=(np.append(truth["pooled_mean"][source], 1.0) * gain)[None],
        exponent=exponent[None].astype("f4"),
        semi_saturation=constant[None].astype("f4"),
        readout_features=np.append(truth["readout"][source], rng.random((1, 16)), axis=0)[None],
        pool=np.ones((1, n + 2, 1, 1, 1), "f4"),
        dataset="tested",
        model="dn",
        source_kind="simulated",
    )


def matched(truth, planted, **changes):
    return matched_network(network(truth, **changes), 0, planted, min_likeness=0.6)


def test_filters_are_alike_wherever_they_lie_and_noise_is_not(truth, planted):
    kernels = network(truth).kernels[0].astype(float)
    likeness = filter_likeness(kernels, truth["filters"])
    n = len(truth["filters"])
    assert np.array_equal(likeness[:-1].argmax(axis=1), planted_order(n))
    assert (likeness[:-1].max(axis=1) > 0.999).all() and likeness[-1].max() < 0.6
    assert likeness.max() < 1 + 1e-6
    # The negative of a filter is another filter.
    assert filter_likeness(-kernels[:1], truth["filters"]).max() < 0.98
    assert np.array_equal(filter_likeness(0 * kernels[:1], truth["filters"]), np.zeros((1, n)))


def test_filters_of_one_shape_are_told_apart_by_their_readers(truth, planted):
    # Were the planted filters all of one shape, the neurons that read them would still differ.
    alike = replace(planted, filters=np.repeat(planted.filters[:1], len(planted.filters), axis=0))
    learned = network(truth)
    learned.kernels[0, :-1, :9, :9] = planted.filters[0]
    learned.kernels[0, :-1, 9:] = learned.kernels[0, :-1, :, 9:] = 0
    found = matched_network(learned, 0, alike, min_likeness=0.6)
    assert np.array_equal(found.index, planted_order(len(truth["filters"])))


def test_readers_are_alike_whatever_their_scale():
    found = reader_likeness(np.array([[0.0, 2, 0], [0, 0, 0]]), np.array([[0, 9, 0], [1, 0, 1]]))
    assert np.array_equal(found, [[1, 0], [0, 0]])


def test_a_network_with_the_planted_weights_is_recovered_exactly(truth, planted):
    found = matched(truth, planted).recovered()
    assert np.allclose(found, planted.inputs, rtol=1e-4)
    # Specific and nonspecific filters have a pool of so many times their constant, others none.
    strength = np.where(planted.feature_class == "none", 0, SETTINGS["features"]["strength"])
    assert np.allclose(found.sum(axis=0), strength, rtol=1e-4)
    matrix = recovered_matrix(matched(truth, planted), planted, n_permutations=200, seed=0)
    assert matrix.rho > 0.999 and matrix.p < 0.02 and abs(matrix.control_rho) < 0.3
    normalized = planted.feature_class != "none"
    assert matrix.n_pairs == len(normalized) * normalized.sum()
    assert np.allclose(np.nansum(matrix.recovered, axis=0)[normalized], 1)


def test_a_network_with_other_weights_is_not_recovered(truth, planted):
    n = len(truth["filters"])
    p_values, rhos = [], []
    for seed in range(12):
        weights = np.random.default_rng(seed).gamma(1.0, 1.0, (n, n))
        other = matched(truth, planted, weights=weights, seed=seed)
        matrix = recovered_matrix(other, planted, n_permutations=100, seed=seed)
        p_values.append(matrix.p)
        rhos.append(matrix.rho)
    # Mean activities alone give a little; the control knows it.
    assert np.median(p_values) > 0.1 and max(rhos) < 0.6


def test_filters_that_were_not_learned_leave_pairs_undefined(truth, planted):
    learned = network(truth)
    learned.kernels[0, 3] = 0
    lost = planted_order(len(truth["filters"]))[3]
    found = matched_network(learned, 0, planted, min_likeness=0.6).recovered()
    if lost == 0:  # its other half is still there
        assert not np.isnan(found).any()
    else:
        assert np.isnan(found[lost]).all() and np.isnan(found[:, lost]).all()
        assert np.isnan(found).sum() == 2 * len(found) - 1


def test_nothing_learned_gives_nothing(truth, planted):
    none = matched_network(network(truth), 0, planted, min_likeness=1.1)
    matrix = recovered_matrix(none, planted, n_permutations=10, seed=0)
    assert matrix.n_pairs == 0 and np.isnan([matrix.rho, matrix.p, matrix.control_rho]).all()


def test_shares_by_orientation_difference(planted):
    shares = np.full((len(planted.inputs),) * 2, 0.25)
    shares[0, 0] = np.nan
    for name in ("specific", "nonspecific"):
        mean, n_pairs = by_difference(shares, planted, name, bin_width_deg=22.5)
        oriented = ~np.isnan(planted.orientation_deg)
        normalized = (planted.feature_class == name) & oriented
        assert n_pairs.sum() == oriented.sum() * normalized.sum() - (name == "specific")
        assert np.allclose(mean[n_pairs > 0], 0.25)
    specific, _ = by_difference(planted.inputs, planted, "specific", bin_width_deg=45)
    assert specific[0] > 20 * specific[1]


def test_orientation_errors_and_their_control():
    planted = np.append(np.linspace(0, 170, 18), np.nan)
    errors, control, p = orientation_errors(planted + 175, planted, n_permutations=200, seed=0)
    assert np.allclose(errors[:-1], 5) and np.isnan(errors[-1])
    assert 30 < control < 60 and p < 0.02
    random = np.random.default_rng(1).uniform(0, 180, 19)
    assert orientation_errors(random, planted, n_permutations=200, seed=0)[2] > 0.05
    none = orientation_errors(random, np.full(19, np.nan), n_permutations=5, seed=0)
    assert np.isnan(none[1:]).all()


def test_a_truth_of_another_simulation_is_named(truth):
    other = {name: value for name, value in truth.items() if name != "pooled_mean"}
    with pytest.raises(ValueError, match=r"truth.npz: no array 'pooled_mean'"):
        planted_normalization(other, Path("truth.npz"))


@pytest.fixture
def files(tmp_path, truth):
    """Results of three models: each class of neurons gains where it should."""
    rng = np.random.default_rng(0)
    write_npz(tmp_path / "truth.npz", **truth)
    learned = network(truth)
    learned.save(tmp_path / "normalization.npz")
    classes = truth["neuron_class"]
    base = {"dataset": "tested", "session": "all", "source_kind": "simulated"}
    gain = {"sub": {}, "non": {"nonspecific": 0.2, "specific": 0.1}}
    gain["dn"] = {"nonspecific": 0.2, "specific": 0.4}
    for model, gains in gain.items():
        ranking = [
            base
            | {"rank": rank, "model": model, "seed": seed}
            | {"validation_correlation": 0.3, "fev": 0.5}
            for rank, seed in ((1, 4), (2, 2), (3, 0))
        ]
        write_csv(pd.DataFrame(ranking), tmp_path / f"{model}_ranking.csv")
        scores = [
            base
            | {"model": model, "seed": seed, "neuron": neuron, "split": "test", "metric": "fev"}
            | {"value": (seed > 0) * (0.3 + gains.get(classes[neuron], 0) + rng.normal(0, 0.01))}
            for seed in (0, 2, 4)
            for neuron in range(len(classes))
        ]
        write_csv(pd.DataFrame(scores), tmp_path / f"{model}_scores.csv")
    stated = truth["neuron_orientation_deg"]
    gabors = pd.DataFrame({"rank": 1, "seed": 4, "neuron": np.arange(len(classes))})
    gabors["orientation_deg"] = np.nan_to_num(stated, nan=77.0) + 180 + rng.normal(0, 4, 16)
    write_csv(gabors.sample(frac=1, random_state=0), tmp_path / "gabors.csv")
    return tmp_path


def recover(files):
    recover_burg2021.main(
        truth=files / "truth.npz",
        scores=[files / f"{model}_scores.csv" for model in ROLES.values()],
        rankings=[files / f"{model}_ranking.csv" for model in ROLES.values()],
        normalization=files / "normalization.npz",
        optimal_gabors=files / "gabors.csv",
        recovery=files / "recovery.csv",
        roles=ROLES,
        options=OPTIONS,
    )
    return read_csv(files / "recovery.csv")


def test_the_step_finds_what_was_planted(files):
    table = recover(files)
    assert set(table["source_kind"]) == {"simulated"} and set(table["dataset"]) == {"tested"}
    means = table[table["measure"] == "fev_advantage_mean"].set_index(["group", "comparison"])
    mean = means["recovered"]
    # Draws of rank 3 would pull every mean to a third less.
    assert mean["specific", "specific - nonspecific"] == pytest.approx(30, abs=1.5)
    assert mean["specific", "specific - subunit"] == pytest.approx(40, abs=1.5)
    assert mean["nonspecific", "nonspecific - subunit"] == pytest.approx(20, abs=1.5)
    for control in (("none", "specific - subunit"), ("nonspecific", "specific - nonspecific")):
        assert means.loc[control, "low"] < 1 and abs(mean[control]) < 1.5
    assert means.loc[("specific", "specific - nonspecific"), "p"] < 0.01
    assert means["n"].groupby("group").first().to_dict() == SETTINGS["neurons"]["classes"]
    correlation = table[table["measure"] == "provider_correlation"].iloc[0]
    assert correlation["recovered"] > 0.99 and correlation["p"] < 0.02
    error = table[table["measure"] == "preferred_orientation_error"].iloc[0]
    assert error["recovered"] < 8 < 20 < error["control"] and error["p"] < 0.02
    bins = table[table["measure"] == "provider_share_by_difference"]
    assert np.allclose(bins["planted"], bins["recovered"], rtol=1e-3, equal_nan=True)


def test_the_figure_draws_the_table_and_says_that_it_is_simulated(files):
    recover(files)
    drawn = {name: files / f"figure.{name}" for name in ("png", "pdf", "csv")}
    page = saved_page(
        burg2021_recovery.main,
        recovery=files / "recovery.csv",
        figure=drawn["png"],
        pdf=drawn["pdf"],
        table=drawn["csv"],
    )
    assert b"SIMULATED DATA" in drawn["png"].read_bytes()
    measures = set(read_csv(drawn["csv"])["measure"])
    assert measures == set(read_csv(files / "recovery.csv")["measure"])
    assert texts_outside(page) == [] and texts_overlapping(page) == []
    for ax in page.axes:  # colours are explained in each panel, beside what is drawn
        assert ax.get_legend().get_window_extent().x0 >= ax.get_window_extent().x1


def test_results_of_another_population_are_refused(files):
    gabors = read_csv(files / "gabors.csv")
    write_csv(gabors[gabors["neuron"] < 15], files / "gabors.csv")
    with pytest.raises(ValueError, match=r"gabors.csv has 15 neurons, .*truth.npz has 16"):
        recover(files)
    assert not (files / "recovery.csv").exists()
