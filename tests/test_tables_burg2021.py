"""Tables of Burg 2021: performance, tests, searches, values beside published ones, claims."""

import importlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import made_up_searches as made
from tables import burg2021_claims as claims
from v1lib.claims import CLAIM_COLUMNS
from v1lib.class_performance import best_draws, fev_of_neurons, gap_error, summaries
from v1lib.comparison import MEASURED_COLUMNS
from v1lib.files import read_csv, write_csv, write_json
from v1lib.statistics import holm, paired_comparison

PUBLISHED = Path(__file__).resolve().parents[1] / "report" / "published_values.csv"
MODELS = [*made.ROLES.values(), *made.BASELINES.values()]
N_DRAWS, N_NEURONS, N_TOP = 12, 20, 10
GAP = [made.ROLES["subunit"], made.ROLES["cnn"]]
FAMILIES = {"classes": made.CLASSES, "pools": made.POOLS}
JUDGED = {
    "significance": 0.05,
    "inhibited_from": 0.1,
    "suppressed_from": 0.1,
    "few_neurons": 0.1,
    "bootstrap_seed": 0,
    "pools_trained_alike": True,
}
SETTINGS = {
    "pixels_per_degree": 35,
    "fig3.family_wise_alpha": 0.05,
    "fig5.similar_orientation_limit_deg": 45,
}


def step(name, **options):
    importlib.import_module(f"tables.{name}").main(**options)


class MadeUp:
    """Searches of all models in a folder, and what the tables make of them."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.folder, self.kind = folder, kind
        for model in MODELS:
            table = made.draws(
                model, N_DRAWS, source_kind=kind, n_failed=2 if "cnn3" in model else 0
            )
            write_csv(table, folder / f"{model}.draws.csv")
            write_csv(made.ranking(table), folder / f"{model}.ranking.csv")
            write_csv(made.scores(table, N_NEURONS), folder / f"{model}.scores.csv")
        write_csv(made.statistics(source_kind=kind), folder / "statistics.csv")
        write_json(made.run_records(source_kind=kind), folder / "runs.json")
        made.recording(N_NEURONS, source_kind=kind).save(folder / "recording.npz")
        step(
            "burg2021_tests",
            scores=self.files(made.ROLES.values(), "scores"),
            rankings=self.files(made.ROLES.values(), "ranking"),
            table=folder / "tests.csv",
            markdown=folder / "tests.md",
            families=FAMILIES,
            steps={"classes": [], "pools": [*zip(made.POOLS, (800, 50, 50, 50), strict=True)]},
            significance=0.05,
        )

    def files(self, models, what):
        return [self.folder / f"{model}.{what}.csv" for model in models]


@pytest.fixture(scope="module", params=["real", "simulated"])
def made_up(request, tmp_path_factory):
    return MadeUp(tmp_path_factory.mktemp(request.param), request.param)


def fev_of(made_up, model):
    return 100 * read_csv(made_up.folder / f"{model}.ranking.csv")["fev"][:N_TOP]


def test_fev_per_model_on_both_scales(made_up, tmp_path):
    step(
        "burg2021_fev_per_model",
        rankings=made_up.files(MODELS, "ranking"),
        table=tmp_path / "a.csv",
        markdown=tmp_path / "a.md",
        models=MODELS,
        gap=GAP,
        n_top=N_TOP,
    )
    table = read_csv(tmp_path / "a.csv").set_index("model")
    assert table.index.tolist() == MODELS
    specific = made.ROLES["specific"]
    fev = fev_of(made_up, specific)
    row = table.loc[specific]
    assert row["mean"] == pytest.approx(fev.mean())
    assert row["sem"] == pytest.approx(fev.std(ddof=1) / np.sqrt(10))
    assert row["max"] == pytest.approx(fev.max()) and row["best"] == pytest.approx(fev.iloc[0])
    half = 2.262157 * row["sem"]  # Student's t with 9 degrees of freedom
    assert [row["low"], row["high"]] == pytest.approx([fev.mean() - half, fev.mean() + half])
    low, high = (fev_of(made_up, model).mean() for model in GAP)
    assert row["gap_mean"] == pytest.approx(100 * (fev.mean() - low) / (high - low))
    assert row["gap_sem"] == pytest.approx(100 * row["sem"] / (high - low))
    assert row[["n_models", "n_draws"]].tolist() == [10, 12]
    assert table.loc[GAP[1], "n_draws"] == 10  # two failed
    page = (tmp_path / "a.md").read_text()
    assert ("SIMULATED DATA" in page) == (made_up.kind == "simulated")
    assert "| Specific DN | 10 | 12 |" in page


def test_without_a_gap_nothing_is_given_in_percent_of_it(made_up, tmp_path):
    step(
        "burg2021_fev_per_model",
        rankings=made_up.files(MODELS, "ranking"),
        table=tmp_path / "a.csv",
        markdown=tmp_path / "a.md",
        models=MODELS,
        gap=GAP[::-1],
        n_top=N_TOP,
    )
    table = read_csv(tmp_path / "a.csv")
    assert table["mean"].notna().all() and table.filter(like="gap_").isna().all(axis=None)
    page = (tmp_path / "a.md").read_text()
    assert "There is no gap: the mean of Subunit is not above that of CNN, 3 layers." in page
    roles = made.ROLES | {"subunit": made.ROLES["cnn"], "cnn": made.ROLES["subunit"]}
    draws = best_draws(made_up.files(made.CLASSES, "ranking"), made.CLASSES, n_top=N_TOP)
    claim = claims.share_of_gap(draws, roles, made_up.kind, 0)
    assert claim.note.startswith("no gap") and claim.verdict == "contradicted"


def test_fewer_draws_than_wanted_are_used_and_counted(tmp_path):
    table = made.ranking(made.draws(MODELS[0], 3, source_kind="simulated"))
    write_csv(table, tmp_path / "a.csv")
    draws = best_draws([tmp_path / "a.csv"], MODELS[:1], n_top=10)
    assert len(draws) == 3
    found = summaries(draws, gap=(GAP[0], GAP[1])).iloc[0]
    assert found["n_models"] == 3 and np.isnan(found["gap_mean"])
    with pytest.raises(ValueError, match=r"no ranking of model 'burg2021_cnn3'.*a\.csv"):
        best_draws([tmp_path / "a.csv"], [GAP[1]], n_top=10)


def test_without_models_there_are_no_draws(made_up):
    of_baselines = made_up.files(made.BASELINES.values(), "ranking")
    some = best_draws(of_baselines, BASELINES, n_top=1)
    for rankings in ([], of_baselines):
        none = best_draws(rankings, [], n_top=1)
        assert none.empty and set(none) <= set(some)
        assert {"model", "seed", "rank", "fev_percent", "n_draws", "source_kind"} <= set(none)
    with pytest.raises(ValueError, match=r"no ranking of model 'burg2021_lnp' in \[\]"):
        best_draws([], BASELINES, n_top=1)


def test_tests_compare_the_best_draws_over_neurons(made_up):
    table = read_csv(made_up.folder / "tests.csv")
    assert table.groupby("family").size().to_dict() == {"classes": 6, "pools": 6}
    assert set(table["n_neurons"]) == {N_NEURONS}
    first, second = made.CLASSES[:2]
    values = []
    for model in (first, second):
        best = read_csv(made_up.folder / f"{model}.ranking.csv").set_index("rank").loc[1, "seed"]
        scores = read_csv(made_up.folder / f"{model}.scores.csv")
        values.append(100 * scores[scores["seed"] == best].set_index("neuron")["value"])
    row = table.iloc[0]
    assert (row["first"], row["second"]) == (first, second)
    assert row["p"] == pytest.approx(paired_comparison(*values).p)
    classes = table[table["family"] == "classes"]
    np.testing.assert_allclose(classes["p_holm"], holm(classes["p"]), rtol=1e-6)
    assert classes["significant"].tolist() == (classes["p_holm"] < 0.05).astype(int).tolist()


def test_tests_say_which_models_were_trained_for_different_times(made_up):
    _, classes, pools = (made_up.folder / "tests.md").read_text().split("## ")
    said = "trained for different times (steps at most: Specific DN 800; DN, 3×3 pool 50; DN, 5×5"
    assert said in pools and "trained" not in classes


def test_models_with_other_neurons_are_not_compared(made_up, tmp_path):
    specific, cnn = made.ROLES["specific"], made.ROLES["cnn"]
    scores = read_csv(made_up.folder / f"{cnn}.scores.csv")
    write_csv(scores[scores["neuron"] > 0], tmp_path / "scores.csv")
    files = [made_up.folder / f"{specific}.scores.csv", tmp_path / "scores.csv"]
    rankings = made_up.files([specific, cnn], "ranking")
    with pytest.raises(ValueError, match="'burg2021_cnn3' has other neurons"):
        fev_of_neurons(files, rankings, [specific, cnn])


def test_search_summary_counts_draws_and_shows_where_the_best_lie(made_up, tmp_path):
    step(
        "burg2021_search_summary",
        draws=made_up.files(MODELS, "draws"),
        table=tmp_path / "a.csv",
        markdown=tmp_path / "a.md",
        planned=dict.fromkeys(MODELS, 15),
        n_top=5,
    )
    table = read_csv(tmp_path / "a.csv")
    cnn = table[table["model"] == made.ROLES["cnn"]]
    assert cnn["drawn"].tolist() == list(made.DRAWN)
    counts = cnn[["n_planned", "n_done", "n_failed"]].drop_duplicates().to_numpy().tolist()
    assert counts == [[15, 12, 2]]
    draws = read_csv(made_up.folder / f"{made.ROLES['cnn']}.draws.csv").dropna(subset=["rank"])
    row = cnn.set_index("drawn").loc["readout"]
    assert row["best_value"] == pytest.approx(draws["draw_readout"].iloc[0])
    assert row["top_median"] == pytest.approx(draws["draw_readout"][:5].median())
    assert row["all_high"] == pytest.approx(draws["draw_readout"].max())
    baseline = table[table["model"] == made.BASELINES["lnp"]]  # nothing is drawn for it
    assert len(baseline) == 1 and baseline["drawn"].isna().all()
    page = (tmp_path / "a.md").read_text()
    assert "failed draws: 2 x loss is nan." in page
    assert "| CNN, 3 layers | 15 | 12 | 2 |" in page


@pytest.fixture(scope="module")
def measured(made_up):
    pools = [{"role": "pool5", "model": made.ROLES["pool5"], "extent_deg": 37 / 35}]
    step(
        "burg2021_measured",
        rankings=made_up.files(made.CLASSES, "ranking"),
        baseline_rankings=made_up.files(made.BASELINES.values(), "ranking"),
        tests=made_up.folder / "tests.csv",
        normalization=made_up.folder / "statistics.csv",
        runs=[made_up.folder / "runs.json"],
        recording=made_up.folder / "recording.npz",
        measured=made_up.folder / "measured.csv",
        roles={role: made.ROLES[role] for role in ("subunit", "nonspecific", "specific", "cnn")},
        baselines=made.BASELINES,
        planned={"classes": 1000, "pools": 12},
        pools=pools,
        settings=SETTINGS,
        criterion="original",
        n_top=N_TOP,
    )
    return read_csv(made_up.folder / "measured.csv", required=MEASURED_COLUMNS)


def test_every_result_belongs_to_a_published_value(measured, made_up):
    assert set(measured["id"]) <= set(read_csv(PUBLISHED)["id"])
    assert set(measured["source_kind"]) == {made_up.kind}


def test_published_values_get_verdicts_from_real_data_only(measured, made_up, tmp_path):
    step(
        "published_of_paper",
        published=PUBLISHED,
        measured=made_up.folder / "measured.csv",
        table=tmp_path / "a.csv",
        markdown=tmp_path / "a.md",
        paper="burg2021",
    )
    table = read_csv(tmp_path / "a.csv")
    if made_up.kind == "simulated":
        page = (tmp_path / "a.md").read_text()
        assert table.empty and "| --- |" not in page
        n_published = (read_csv(PUBLISHED)["paper"] == "burg2021").sum()
        assert f"claims: 0 of {n_published}. For the other {n_published} it has none" in page
        return
    verdicts = table.set_index(table["id"].str.removeprefix("burg2021."))["verdict"].to_dict()
    for name in (
        *("fig1.n_filters", "fig1.filter_size_deg", "fig1.input_size_deg", "fig7.pool_deg_pool5"),
        *("fig3.n_models_averaged", "fig3.family_wise_alpha", "search.draws_classes"),
        *("fig5.similar_orientation_limit_deg", "data.n_repeats_max"),
    ):
        assert verdicts[name] == "reproduced", name
    assert verdicts["data.n_images"] == verdicts["search.draws_pools"] == "differs"
    # ten best of twelve draws are not ten best of a thousand
    for name in ("gap_percent_specific", "gap_percent_subunit"):
        assert verdicts[f"fig3.{name}"] == "not comparable"


def test_counts_of_the_recording(measured):
    values = measured.set_index("id")["value"]
    expected = {
        "n_images": 40,
        "n_photographs": 8,
        "n_neurons_with_all_images": N_NEURONS - 1,
        "n_train_samples": 4 * 26,
        "n_test_images": 8,
    }
    for name, value in expected.items():
        assert values[f"burg2021.data.{name}"] == value, name


def test_the_error_of_the_gap_is_that_of_repeated_searches():
    rng = np.random.default_rng(0)
    models, means = ["a", "b", "c"], np.array([45.0, 47.5, 50.0])
    errors = np.array([0.1, 0.2, 0.3])
    samples = rng.normal(means, errors, (20000, 3))
    gap = 100 * (samples[:, 1] - samples[:, 0]) / (samples[:, 2] - samples[:, 0])
    table = pd.DataFrame({"mean": means, "sem": errors}, index=models)
    assert gap_error(table, *models) == pytest.approx(gap.std(), rel=0.05)


def all_claims(made_up, folder, **changed):
    named = [*made.ROLES.values(), *made.BASELINES.values()]
    options = {
        "rankings": made_up.files(named, "ranking"),
        "scores": made_up.files([made.ROLES["specific"], made.ROLES["cnn"], *BASELINES], "scores"),
        "tests": made_up.folder / "tests.csv",
        "statistics": [made_up.folder / "statistics.csv"],
        "roles": made.ROLES,
        "baselines": BASELINES,
        "criterion": "original",
        "n_top": N_TOP,
        "judged": JUDGED,
    }
    claims.main(**options | changed, claims=folder / "claims.csv")
    table = read_csv(folder / "claims.csv", required=CLAIM_COLUMNS)
    return table.set_index("claim")


BASELINES = list(made.BASELINES.values())


def test_claims_have_a_row_each_with_a_verdict(made_up, tmp_path):
    table = all_claims(made_up, tmp_path)
    assert table.index.tolist() == [f"C{number}" for number in range(1, 11)]
    assert set(table["source_kind"]) == {made_up.kind}
    verdicts = table["verdict"].to_dict()
    expected = dict.fromkeys(("C1", "C3", "C4", "C5", "C6", "C7"), "supported")
    # the made-up centre weight of the largest pool may be 1; two claims state no test
    expected |= {"C8": "undecided", "C9": "not tested", "C10": "not tested"}
    assert {claim: verdicts[claim] for claim in expected} == expected
    assert table.loc["C7", "effect"] == pytest.approx(
        fev_of(made_up, made.POOLS[0]).mean() - fev_of(made_up, made.POOLS[3]).mean()
    )
    assert (table["low"].dropna() <= table["effect"][table["low"].notna()]).all()


def test_pools_that_were_trained_for_different_times_decide_nothing(made_up, tmp_path):
    table = all_claims(made_up, tmp_path, judged=JUDGED | {"pools_trained_alike": False})
    for claim in ("C7", "C8"):
        assert table.loc[claim, "verdict"] == "not tested"
        assert "different times" in table.loc[claim, "note"]
    assert "different times" not in table.loc["C4", "note"]


def test_claims_fail_where_the_data_say_so(made_up, tmp_path):
    """Negative control: models in the reverse order, another criterion, no neuron spared."""
    roles = made.ROLES | {"specific": made.ROLES["subunit"], "subunit": made.ROLES["specific"]}
    strict = JUDGED | {"few_neurons": 0.01, "significance": 1e-9}
    scores = made_up.files([made.ROLES["subunit"], made.ROLES["cnn"], *BASELINES], "scores")
    statistics = made.statistics(source_kind=made_up.kind)
    other = statistics["criterion"] == "original"
    weak = statistics["statistic"] == "similar_over_dissimilar"
    statistics.loc[other & weak, "low"] = 0.8
    write_csv(statistics, tmp_path / "statistics.csv")
    table = all_claims(
        made_up,
        tmp_path,
        roles=roles,
        scores=scores,
        judged=strict,
        statistics=[tmp_path / "statistics.csv"],
    )
    verdicts = table["verdict"].to_dict()
    assert verdicts["C1"] == verdicts["C6"] == "contradicted"
    assert verdicts["C2"] == verdicts["C4"] == "undecided"
    assert verdicts["C7"] == "contradicted"  # the smallest pool beats the exchanged model


def test_claims_without_baselines_or_with_single_draws_are_not_tested(made_up, tmp_path):
    table = all_claims(made_up, tmp_path, baselines=[], n_top=1)
    for claim in ("C1", "C3", "C7"):
        assert table.loc[claim, "verdict"] == "not tested"


def test_a_missing_statistic_is_named(made_up, tmp_path):
    rows = made.statistics(source_kind=made_up.kind)
    write_csv(rows[rows["statistic"] != "suppression_index"], tmp_path / "a.csv")
    with pytest.raises(ValueError, match="0 rows of statistic 'suppression_index' of 'specific'"):
        all_claims(made_up, tmp_path, statistics=[tmp_path / "a.csv"])
