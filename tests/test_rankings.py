"""Ranking of the draws of a search, and the networks that a ranking names."""

import numpy as np
import pandas as pd
import pytest
import torch

import rank_draws
from v1lib.files import read_csv, write_csv, write_json
from v1lib.models import build_model
from v1lib.ranked import load_ranked, ranks_there_are
from v1lib.recording import RecordingInfo

MODEL = "kindel2019_ln"
R = {0: [0.2, 0.4, 0.3], 1: [0.6, np.nan, 0.9], 2: [0.5, 0.5, 0.5], 4: [0.5, 0.5, 0.5]}


def record(seed, status="ok"):
    return {
        "dataset": "toy",
        "source_kind": "simulated",
        "model": MODEL,
        "session": "all",
        "seed": seed,
        "status": status,
        "reason": "" if status == "ok" else "training loss is nan after step 7",
        "draw": {"smoothness": 10.0**-seed},
        "wall_seconds": 2.0,
        "best_step": 100,
    }


def scores(values):
    rows = [
        {"seed": seed, "neuron": neuron, "split": split, "metric": metric, "value": value}
        for seed, of_seed in values.items()
        for split, metric in (("validation", "trial_correlation"), ("test", "fev"))
        for neuron, value in enumerate(np.array(of_seed) * (1 if split == "validation" else 0.5))
    ]
    table = pd.DataFrame(rows)
    return table.assign(dataset="toy", model=MODEL, session="all", source_kind="simulated")


@pytest.fixture
def rank(tmp_path):
    """Rank draws in two blocks, and read both tables."""

    def ranked(values, records):
        write_csv(scores(values), tmp_path / "scores.csv")
        write_json(records[:2], tmp_path / "a.json")
        write_json(records[2:], tmp_path / "b.json")
        rank_draws.main(
            scores=tmp_path / "scores.csv",
            runs=[tmp_path / "b.json", tmp_path / "a.json"],
            ranking=tmp_path / "ranking.csv",
            draws=tmp_path / "draws.csv",
        )
        return read_csv(tmp_path / "ranking.csv"), read_csv(tmp_path / "draws.csv")

    return ranked


def records(failed=(3,)):
    return [record(seed, "failed" if seed in failed else "ok") for seed in range(5)]


def test_the_highest_mean_validation_correlation_is_rank_1(rank):
    ranking, draws = rank(R, records())
    # undefined counts 0: (0.6 + 0 + 0.9) / 3 = 0.5 ties with the others, the lower seed is first
    assert ranking["seed"].tolist() == [1, 2, 4, 0]
    assert ranking["rank"].tolist() == [1, 2, 3, 4]
    np.testing.assert_allclose(ranking["validation_correlation"], [0.5, 0.5, 0.5, 0.3])
    assert ranking["n_undefined"].tolist() == [1, 0, 0, 0]
    # the mean FEV is over the neurons that have one
    np.testing.assert_allclose(ranking["fev"], [0.375, 0.25, 0.25, 0.15])
    np.testing.assert_allclose(ranking["draw_smoothness"], [0.1, 0.01, 1e-4, 1])
    assert draws["seed"].tolist() == [0, 1, 2, 3, 4]


def test_neurons_without_fev_are_left_out_and_counted(rank, tmp_path):
    rank(R, records())
    table = read_csv(tmp_path / "scores.csv")
    gone = table["metric"].eq("fev") & table["seed"].eq(2) & table["neuron"].ge(1)
    write_csv(table.assign(value=table["value"].mask(gone)), tmp_path / "scores.csv")
    rank_draws.main(
        scores=tmp_path / "scores.csv",
        runs=[tmp_path / "a.json", tmp_path / "b.json"],
        ranking=tmp_path / "ranking.csv",
        draws=tmp_path / "draws.csv",
    )
    ranking = read_csv(tmp_path / "ranking.csv").set_index("seed")
    draws = read_csv(tmp_path / "draws.csv").set_index("seed")
    assert ranking["n_undefined_fev"].to_dict() == {1: 1, 2: 2, 4: 0, 0: 0}
    assert draws["n_undefined_fev"].isna().to_dict() == {0: 0, 1: 0, 2: 0, 3: 1, 4: 0}
    assert ranking.loc[2, "fev"] == pytest.approx(0.25)
    assert ranking.loc[2, "n_undefined"] == 0  # that of the correlations


def test_failed_draws_are_listed_but_have_no_rank(rank, caplog):
    ranking, draws = rank(R, records())
    assert 3 not in set(ranking["seed"])
    failed = draws.set_index("seed").loc[3]
    assert failed["status"] == "failed" and "nan after step 7" in failed["reason"]
    assert np.isnan(failed["rank"]) and failed["draw_smoothness"] == pytest.approx(1e-3)
    assert "1 draws without a rank (failed)" in caplog.text


def test_runs_published_without_weights_have_no_rank_and_did_not_fail(rank, caplog):
    told = [*records()[:3], record(3, "no weights"), record(4)]
    ranking, draws = rank(R, told)
    assert ranking["seed"].tolist() == [1, 2, 4, 0]
    assert draws.set_index("seed").loc[3, "status"] == "no weights"
    assert "1 draws without a rank (no weights)" in caplog.text
    assert "failed" not in caplog.text


def test_test_images_never_decide_the_rank(rank):
    ranking, _ = rank({0: [0.1, 0.1, 0.1], 1: [0.2, 0.2, 0.2]}, records(failed=(2, 3, 4)))
    assert ranking["seed"].tolist() == [1, 0]


def test_what_cannot_be_ranked_is_an_error(rank):
    with pytest.raises(ValueError, match=r"no scores of seed 3"):
        rank(R, records(failed=()))
    with pytest.raises(ValueError, match=r"every draw failed.*training loss is nan"):
        rank(R, records(failed=range(5)))
    sessions = records()
    sessions[0]["session"] = "02"
    with pytest.raises(ValueError, match="2 sessions"):
        rank(R, sessions)


def checkpoint(path, seeds):
    """Networks whose output tells their seed: seed (seed + 1) for every image."""
    members = [
        {
            "session": "all",
            "seed": seed,
            "build": "kindel2019.ln",
            "params": {},
            "draw": {},
            "parts": [
                {"name": "all", "neuron_index": [0], "split": [1], "match_id": None},
            ],
            "status": "ok",
            "state_dict": None if seed == 3 else network_state(seed),
        }
        for seed in seeds
    ]
    content = {"stimulus_shape": [1, 2, 2], "background": 0.0, "classes": None, "members": members}
    about = {"dataset": "toy", "model": "toy", "source_kind": "simulated"}
    torch.save(content | about, path)
    return path


def network_state(seed):
    info = RecordingInfo((1, 2, 2), 1, np.ones(1, dtype=np.float32))
    module = build_model("kindel2019.ln", info, {})
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(float(seed) if parameter.ndim == 1 else 0.0)
    return module.state_dict()


def test_ranked_networks_come_in_order(rank, tmp_path):
    rank(R, records())
    ranking = tmp_path / "ranking.csv"
    paths = [checkpoint(tmp_path / "a.pt", [0, 1, 2]), checkpoint(tmp_path / "b.pt", [3, 4])]
    assert ranks_there_are(ranking, 1, 10) == [1, 2, 3, 4]
    assert ranks_there_are(ranking, 2, 3) == [2, 3]
    assert ranks_there_are(ranking, 11, 20) == []
    networks = load_ranked(paths, ranking, [3, 1])
    assert [rank for rank, _ in networks] == [3, 1]
    assert [network.seed for _, network in networks] == [4, 1]
    image = np.zeros((1, 1, 2, 2), dtype=np.float32)
    assert [network.respond(image).item() for _, network in networks] == [20, 2]
    with pytest.raises(ValueError, match=r"ranking\.csv: no draw of rank 5, the search has 4"):
        load_ranked(paths, ranking, [1, 5])
    with pytest.raises(ValueError, match=r"rank 3 of .*seed 4.*a\.pt"):
        load_ranked(paths[:1], ranking, [1, 3])
