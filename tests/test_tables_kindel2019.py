"""Tables of Kindel 2019: results per session and overall, values beside published ones, claims."""

import importlib
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import made_up_kindel2019 as made
from tables import kindel2019_claims as claims
from tables import kindel2019_measured as measured
from v1lib.claims import CLAIM_COLUMNS
from v1lib.comparison import MEASURED_COLUMNS
from v1lib.files import read_csv, write_csv, write_json, write_npz
from v1lib.model_comparison import compare_models
from v1lib.score_tables import neuron_means

CNN, LNLN, GABOR = "kindel2019_cnn", "kindel2019_lnln", "kindel2019_gabor_ridge"
MODELS = {CNN: 0.6, LNLN: 0.25, GABOR: 0.4}
PUBLISHED = Path(__file__).resolve().parents[1] / "report" / "published_values.csv"
ROLES = {"cnn": CNN, "lnln": LNLN, "gabor": GABOR, "lnln_search": f"{LNLN}_search", "vgg": []}
THRESHOLDS = {"high_correlation": 0.5, "active_rate_hz": 5.0, "near_ceiling": 0.9}


def step(name, **options):
    importlib.import_module(f"tables.{name}").main(**options)


@pytest.fixture(scope="module", params=["real", "simulated"])
def made_up(request, tmp_path_factory):
    """Folder with scores, runs, predictions and a recording of all ten sessions."""
    folder, kind, seeds = tmp_path_factory.mktemp("tables"), request.param, [0, 1, 2]
    scores = made.scores(made.CELLS, MODELS, seeds, source_kind=kind)
    write_csv(scores, folder / "scores.csv")
    step(
        "kindel2019_neurons",
        scores=[folder / "scores.csv"],
        neurons=folder / "neurons.csv",
        response_window_s=0.106,
        undefined_correlation="zero",
    )
    records = [
        record
        for model in MODELS
        for record in made.run_records(made.CELLS, seeds, model=model, source_kind=kind)
    ]
    points = {"hidden_units": [150, 250, 375, 500, 900, 1000]}
    search, draws = made.search(f"{LNLN}_search", points, 3, n_cells=37, source_kind=kind)
    write_csv(search, folder / "search.csv")
    for record in records:
        if record["model"] == GABOR:
            del record["best_step"]
    write_json(records, folder / "runs.json")
    write_json(draws, folder / "search.json")
    recording, predictions = made.recording_and_predictions(made.CELLS, seeds, source_kind=kind)
    recording.save(folder / "recording.npz")
    predictions.save(folder / "predictions.npz")
    step(
        "kindel2019_measured",
        neurons=folder / "neurons.csv",
        scores=[folder / "scores.csv", folder / "search.csv"],
        runs=[folder / "runs.json", folder / "search.json"],
        predictions=folder / "predictions.npz",
        recording=folder / "recording.npz",
        measured=folder / "measured.csv",
        roles=ROLES,
        sessions=[session for session in made.CELLS if session != "02"],
        active_rate_hz=5.0,
        near_ceiling=0.9,
    )
    return folder, kind


def beside(made_up, tmp_path, step_name="compare_with_paper"):
    folder, _ = made_up
    outputs = {"markdown": tmp_path / "page.md"}
    if step_name == "compare_with_paper":
        outputs |= {"measured": [folder / "measured.csv"], "comparison": tmp_path / "table.csv"}
    else:
        outputs |= {"measured": folder / "measured.csv", "table": tmp_path / "table.csv"}
        outputs |= {"paper": "kindel2019"}
    step(step_name, published=PUBLISHED, **outputs)
    return read_csv(tmp_path / "table.csv").set_index("id"), (tmp_path / "page.md").read_text()


def test_every_result_belongs_to_a_published_value(made_up):
    folder, kind = made_up
    table = read_csv(folder / "measured.csv", required=MEASURED_COLUMNS)
    assert set(table["id"]) <= set(read_csv(PUBLISHED)["id"])
    assert set(table["source_kind"]) == {kind}


def test_published_values_get_verdicts_from_real_data_only(made_up, tmp_path):
    table, page = beside(made_up, tmp_path)
    verdicts = table["verdict"].to_dict()
    assert len(table) == len(read_csv(PUBLISHED))
    if made_up[1] == "simulated":
        assert set(verdicts.values()) == {"not run"}
        assert table["ours"].isna().all()
        assert "not run: simulated data" in page
        return
    for fact in ("population.n_neurons", "data.cells_all", "data.cells_session08"):
        assert verdicts[f"kindel2019.{fact}"] == "reproduced"
    for fact in ("split.n_train", "split.n_early_stop", "split.n_evaluation", "cnn.steps"):
        assert verdicts[f"kindel2019.{fact}"] == "reproduced"
    # the made-up images are smaller than the real ones: a fact that must be seen to differ
    assert verdicts["kindel2019.data.image_side_px"] == "differs"
    assert verdicts["kindel2019.recorded_run.selected_step"] == "not run"


def test_the_surrogate_is_never_called_a_reproduction_of_cc_norm(made_up, tmp_path):
    table, _ = beside(made_up, tmp_path)
    rows = table.filter(regex="claim.*(cc_norm|limit)", axis=0)
    assert len(rows) == 3
    if made_up[1] == "real":
        assert set(rows["verdict"]) == {"not comparable"}
        assert rows["reason"].str.contains("Poisson surrogate").all()
        assert rows["difference"].notna().all()


def test_kt3_lists_what_was_run_and_the_claims(made_up, tmp_path):
    table, page = beside(made_up, tmp_path, "published_of_paper")
    claimed = table["item"].str.startswith("claim")
    assert claimed.sum() == 4
    assert (table.loc[~claimed, "verdict"] != "not run").all()
    said, _, reasons = page.rpartition("`results/comparison.md` lists them, too:\n")
    n_published = (read_csv(PUBLISHED)["paper"] == "kindel2019").sum()
    assert f"the paper's claims: {len(table)} of {n_published}. For the other" in said
    counts = re.findall(r"^- (.+): (\d+)$", reasons, flags=re.MULTILINE)
    assert sum(int(n) for _, n in counts) == n_published - len(table)
    assert ("simulated data" in dict(counts)) == (made_up[1] == "simulated")


def test_kt1_has_a_row_per_model_and_session(made_up, tmp_path):
    folder, kind = made_up
    step(
        "kindel2019_kt1_sessions",
        neurons=folder / "neurons.csv",
        runs=[folder / "runs.json"],
        table=tmp_path / "a.csv",
        markdown=tmp_path / "a.md",
        models=list(MODELS),
        sessions=list(made.CELLS),
    )
    table = read_csv(tmp_path / "a.csv")
    assert len(table) == 30
    assert table.groupby("model")["n_neurons"].sum().unique() == [392]
    has_step = table.dropna(subset=["selected_step"])["model"].unique()
    assert sorted(has_step) == [CNN, LNLN]
    page = (tmp_path / "a.md").read_text()
    assert ("SIMULATED DATA" in page) == (kind == "simulated")
    assert page.count("\n| 08 | 66 |") == 3


def test_kt2_sums_up_populations_and_activity(made_up, tmp_path):
    folder, _ = made_up
    step(
        "kindel2019_kt2_overall",
        neurons=folder / "neurons.csv",
        table=tmp_path / "a.csv",
        markdown=tmp_path / "a.md",
        models=[CNN],
        populations={"nine": [s for s in made.CELLS if s != "02"], "ten": list(made.CELLS)},
        active_rate_hz=5.0,
        response_window_s=0.106,
    )
    n = read_csv(tmp_path / "a.csv").set_index(["population", "activity"])["n_neurons"]
    assert (n["nine", "all"], n["ten", "all"]) == (355, 392)
    assert n["ten", "above 5 Hz"] + n["ten", "up to 5 Hz"] == 392


def test_splits_of_different_sizes_are_an_error():
    split = np.full((2, 1, 10), 1)
    split[:, :, :4] = [[[2, 2, 3, 3]], [[2, 3, 3, 3]]]
    with pytest.raises(ValueError, match=r"validation images: \[1, 2\]"):
        list(measured.split_sizes(split, "real"))


def cells(correlation, rate=10.0, surrogate=None, kind="real"):
    surrogate = correlation if surrogate is None else surrogate
    columns = {"correlation": correlation, "cc_norm_surrogate": surrogate, "mean_rate_hz": rate}
    return pd.DataFrame(columns | {"source_kind": kind})


def around(mean, n=60, sd=0.1):
    return mean + sd * np.random.default_rng(0).standard_normal(n)


@pytest.mark.parametrize(
    ("mean", "verdict"), [(0.6, "supported"), (0.4, "contradicted"), (0.49, "undecided")]
)
def test_c1_needs_a_mean_above_the_limit(mean, verdict):
    claim = claims.all_neurons(cells(around(mean)), THRESHOLDS, 0)
    assert claim.verdict == verdict
    assert claim.low < claim.effect < claim.high


@pytest.mark.parametrize(
    ("shift", "verdict"), [(0.2, "supported"), (-0.2, "contradicted"), (0.0, "undecided")]
)
def test_c2_compares_active_neurons_with_the_others(shift, verdict):
    rate = np.where(np.arange(60) % 2, 3.0, 8.0)
    claim = claims.active_neurons(cells(around(0.4) + shift * (rate > 5), rate), THRESHOLDS, 0)
    assert claim.verdict == verdict
    assert (claim.p < 0.01) == (shift != 0)


@pytest.mark.parametrize(("others", "verdict"), [(0.6, "supported"), (0.3, "contradicted")])
def test_c3_needs_both_groups_to_be_predicted_well(others, verdict):
    selective = np.arange(60) % 2
    value = np.where(selective, around(0.65), around(others))
    points = pd.DataFrame({"value": value, "selective": selective, "source_kind": "simulated"})
    claim = claims.orientation_groups(points.assign(quantity="cc_norm_surrogate"), THRESHOLDS, 0)
    assert (claim.verdict, claim.source_kind) == (verdict, "simulated")


@pytest.mark.parametrize(("best", "verdict"), [(0.3, "supported"), (0.7, "contradicted")])
def test_c4_is_decided_by_the_strongest_benchmark(best, verdict):
    scores = made.scores({"01": 60}, {CNN: 0.5, LNLN: 0.2, GABOR: best}, [0, 1])
    neurons = neuron_means(scores, response_window_s=0.106, undefined_correlation="zero")
    claim = claims.against_benchmarks(neurons, [CNN, LNLN, GABOR], ["01"], 0)
    assert claim.verdict == verdict
    assert f"minus {GABOR}" in claim.statistic


def test_the_p_of_c4_belongs_to_its_effect():
    scores = made.scores({"01": 60}, {CNN: 0.5, LNLN: 0.499, GABOR: 0.8}, [0, 1])
    neurons = neuron_means(scores, response_window_s=0.106, undefined_correlation="zero")
    claim = claims.against_benchmarks(neurons, [CNN, LNLN, GABOR], ["01"], 0)
    compared = compare_models(
        neurons, [LNLN, GABOR], reference=CNN, sessions=["01"], bootstrap_seed=0
    ).set_index("model")
    assert compared.loc[LNLN, "p_holm"] > 10 * compared.loc[GABOR, "p_holm"]
    assert claim.effect == -compared.loc[GABOR, "mean_difference"]
    assert claim.p == compared.loc[GABOR, "p_holm"]


def test_c4_without_benchmarks_is_not_tested():
    neurons = cells(around(0.5)).assign(model=CNN)
    claim = claims.against_benchmarks(neurons, [CNN], ["01"], 0)
    assert (claim.verdict, claim.n) == ("not tested", 0)


def test_correlations_left_undefined_do_not_spoil_c2():
    values = around(0.4)
    values[3] = np.nan
    rate = np.where(np.arange(60) % 2, 3.0, 8.0)
    claim = claims.active_neurons(cells(values, rate), THRESHOLDS, 0)
    assert np.isfinite([claim.effect, claim.low, claim.high, claim.p]).all()


@pytest.mark.parametrize("kind", ["real", "simulated"])
@pytest.mark.parametrize(("near", "n"), [(15, 100), (40, 100), (0, 24)])
def test_c5_gives_the_share_near_the_limit_and_does_not_judge_it(near, n, kind):
    values = np.where(np.arange(n) < near, 0.95, 0.5)
    claim = claims.near_the_limit(cells(values, kind=kind), THRESHOLDS, 0.15)
    assert (claim.verdict, claim.source_kind) == ("not tested", kind)
    assert np.isnan(claim.p)
    assert claim.effect == pytest.approx(near / n)
    assert claim.low <= claim.effect < claim.high < 0.51
    assert "plausibility check only" in claim.note
    assert ("simulated neurons are not set against" in claim.note) == (kind == "simulated")


def test_c6_is_reported_but_not_judged():
    claim = claims.preferred(made.preferred_images(5), 0)
    assert claim.verdict == "not tested"
    assert claim.effect == pytest.approx(0.65)


def test_all_claims_are_written_and_collected(made_up, tmp_path):
    folder, kind = made_up
    neurons = read_csv(folder / "neurons.csv")
    points = neurons[neurons["model"] == CNN].rename(columns={"cc_norm_surrogate": "value"})
    points = points.assign(quantity="cc_norm_surrogate", selective=points["neuron"] % 2)
    write_csv(points.dropna(subset=["value"]), tmp_path / "k11.csv")
    write_npz(tmp_path / "images.npz", **made.preferred_images(4, source_kind=kind))
    step(
        "kindel2019_claims",
        neurons=folder / "neurons.csv",
        orientation=tmp_path / "k11.csv",
        preferred_images=tmp_path / "images.npz",
        published=PUBLISHED,
        claims=tmp_path / "claims.csv",
        model=CNN,
        benchmarks=[LNLN, GABOR],
        sessions=[session for session in made.CELLS if session != "02"],
        thresholds=THRESHOLDS,
        bootstrap_seed=0,
    )
    step("collect_claims", claims=[tmp_path / "claims.csv"], collected=tmp_path / "all.csv")
    table = read_csv(tmp_path / "all.csv", required=CLAIM_COLUMNS)
    assert table["claim"].tolist() == ["C1", "C2", "C3", "C4", "C5", "C6"]
    assert set(table["source_kind"]) == {kind}
    assert set(table["verdict"]) <= {"supported", "contradicted", "undecided", "not tested"}
    with pytest.raises(ValueError, match="claim C1 of kindel2019"):
        step("collect_claims", claims=[tmp_path / "claims.csv"] * 2, collected=tmp_path / "b.csv")
