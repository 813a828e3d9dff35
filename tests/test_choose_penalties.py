"""The penalty of a search that predicts the validation trials best, for each point of its grid."""

import itertools

import pandas as pd
import pytest

from choose_penalties import main as choose_penalties
from made_up_scans import record_of
from v1lib.files import read_csv, read_json, write_csv, write_json
from v1lib.penalties import with_penalty
from v1lib.population_scores import POPULATION_COLUMNS

PENALTIES = [0.1, 1.0, 10.0]
R = {50: [0.1, 0.2, 0.4], None: [0.3, 0.6, 0.5]}  # validation correlation by penalty


@pytest.fixture
def choose(tmp_path):
    """Choose from records and scores; the entries and the candidates."""

    def run(records, scores):
        model = records[0]["model"]
        population = pd.DataFrame([{"model": model} | score for score in scores])
        population = population.reindex(columns=list(POPULATION_COLUMNS))
        write_csv(population, tmp_path / "population.csv")
        halves = records[::2], records[1::2]
        runs = [tmp_path / "a.json", tmp_path / "b.json"]
        for half, path in zip(halves, runs, strict=True):
            write_json(half, path)
        files = {"chosen": tmp_path / "chosen.json", "candidates": tmp_path / "chosen.csv"}
        choose_penalties(population=tmp_path / "population.csv", runs=runs, **files)
        return read_json(files["chosen"]), read_csv(files["candidates"])

    return run


def searched(n_replicates=2):
    """Records and validation scores of a search over images and penalties, and scores beside."""
    records, scores = [], []
    points = itertools.product(range(n_replicates), range(3), R)
    for seed, (replicate, number, images) in enumerate(points):
        draw = {"images": images, "penalty": PENALTIES[number]}
        draw |= {"replicate": replicate, "initialisation": 0}
        records.append(record_of(seed, draw=draw, penalty=PENALTIES[number]))
        value = R[images][number] + 0.01 * replicate
        row = {"seed": seed, "split": "validation", "metric": "correlation_to_trials"}
        scores += [row | {"value": value}, row | {"split": "test", "value": 1 - value}]
        scores.append(row | {"metric": "fev", "value": 1 - value})
    return records, scores


def test_the_best_on_the_validation_trials_is_chosen_for_each_point(choose, caplog):
    records, scores = searched()
    others = [score | {"model": "other", "value": 1 - score["value"]} for score in scores]
    chosen, candidates = choose(records, others + scores)
    assert chosen == [{"images": 50, "penalty": 10.0}, {"images": None, "penalty": 1.0}]
    assert list(candidates.columns) == [
        *("dataset", "model", "images", "penalty", "validation_correlation"),
        *("n_runs", "n_failed", "is_chosen", "at_edge", "source_kind"),
    ]
    assert candidates["validation_correlation"].tolist() == pytest.approx(
        [0.105, 0.205, 0.405, 0.305, 0.605, 0.505]
    )
    assert candidates["is_chosen"].tolist() == [False, False, True, False, True, False]
    assert candidates["at_edge"].tolist() == [False, False, True, False, False, False]
    assert (candidates["n_runs"] == 2).all() and (candidates["n_failed"] == 0).all()
    assert set(candidates["source_kind"]) == {"simulated"}
    [warning] = caplog.messages
    assert warning.startswith("{'images': 50}: the best penalty, 10, is at the edge of the grid")


def test_what_was_chosen_is_what_a_model_takes(choose):
    chosen, _ = choose(*searched())
    params = {"penalties": {"smoothness": 1.0, "readout": 7.0}}
    draw = {"images": None, "neurons": 3, "replicate": 4, "initialisation": 0}
    assert with_penalty(params, draw, chosen)["penalties"] == {"smoothness": 1.0, "readout": 1.0}


def test_runs_that_failed_do_not_count(choose, caplog):
    records, scores = searched()
    lost = [r["seed"] for r in records if r["draw"]["images"] == 50 and r["draw"]["penalty"] == 10]
    kept = [row for row in scores if row["seed"] not in lost]
    chosen, candidates = choose(records, kept)
    assert chosen[0] == {"images": 50, "penalty": 1.0}
    assert candidates["n_failed"].tolist() == [0, 0, 2, 0, 0, 0]
    assert (
        candidates["validation_correlation"].isna().tolist() == [False, False, True] + [False] * 3
    )
    assert "{'images': 50}: some penalties have fewer runs that ended well" in caplog.text
    assert "edge" not in caplog.text
    with pytest.raises(ValueError, match=r"every run of the search failed at \{'images': 50\}"):
        choose(records, [row for row in scores if row["seed"] % 2])


def test_of_equal_ones_the_smallest_and_a_single_one_is_no_edge(choose, caplog):
    records, scores = searched(n_replicates=1)
    equal = [row | {"value": 0.5} for row in scores]
    chosen, candidates = choose(records, equal)
    assert [entry["penalty"] for entry in chosen] == [0.1, 0.1]
    assert candidates["at_edge"].sum() == 2
    caplog.clear()
    alone = [record for record in records if record["draw"]["penalty"] == 1.0]
    chosen, candidates = choose(alone, scores)
    assert [entry["penalty"] for entry in chosen] == [1.0, 1.0]
    assert not candidates["at_edge"].any() and not caplog.text


def test_a_grid_without_penalties_is_refused(choose):
    records, scores = searched()
    for record in records:
        record["draw"].pop("penalty")
    with pytest.raises(ValueError, match=r"seed 0 drew \['images'\].*needs an axis named penalty"):
        choose(records, scores)
