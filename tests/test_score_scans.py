"""Scores of networks on scans: per neuron, of the population, and how much is held in memory."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest

import score_scans
from made_up_scans import SPLIT, blocks_in, network_of, parts_of, record_of, scans_in
from v1lib.files import read_csv
from v1lib.growing_table import growing_csv
from v1lib.metrics import METRICS, Evaluation, evaluate
from v1lib.oracle import fraction_oracle
from v1lib.population_scores import INGREDIENTS, POPULATION_COLUMNS, population_scores
from v1lib.scan_scores import ScanScorer, mean_over_images, measured
from v1lib.score_files import SCORE_COLUMNS, read_scores

OPTIONS = {"fano": 1.0, "explainable_share": 0.15}
WANTED = {"test": ["correlation_to_trials", "oracle_correlation"], "validation": ["loss"]}
FIRST, SECOND = "1-1-1-0", "1-1-2-0"


@pytest.fixture
def scans(tmp_path):
    return scans_in(tmp_path / "set")


@pytest.fixture
def score(tmp_path, monkeypatch):
    """Score the blocks given; where the tables of neurons and of the population are."""

    def scored(*blocks, metrics=WANTED, options=OPTIONS):
        files = {name: tmp_path / f"{name}.csv" for name in ("scores", "population")}
        score_scans.main(
            recording=tmp_path / "set",
            **blocks_in(tmp_path, monkeypatch, *blocks),
            **files,
            metrics=metrics,
            options=options,
            threads=1,
        )
        return files

    return scored


@pytest.fixture
def run(score):
    """Score the blocks given and read both tables."""

    def read(*blocks, **settings) -> tuple[pd.DataFrame, pd.DataFrame]:
        files = score(*blocks, **settings)
        population = read_csv(files["population"], required=POPULATION_COLUMNS)
        assert list(population.columns) == list(POPULATION_COLUMNS)
        return read_scores([files["scores"]]), population

    return read


def by_hand(scan, network, split):
    """All metrics of a network on a split, from arrays that are built trial by trial."""
    part = network.parts[scan.name]
    images = np.flatnonzero(SPLIT == split)
    trials = [np.flatnonzero(scan.image_index == image) for image in images]
    repeats = np.full((max(map(len, trials)), len(images), len(part.neuron_index)), np.nan)
    for number, rows in enumerate(trials):
        for repeat, row in enumerate(rows):
            repeats[repeat, number] = scan.responses[row, part.neuron_index]
    means = {
        image: scan.responses[scan.image_index == image].mean(0) for image in range(len(SPLIT))
    }
    training = [means[image] for image in np.flatnonzero(part.split == 1)]
    evaluation = Evaluation(
        prediction=network.respond(scan.stimuli[images], scan.name),
        response=np.nanmean(repeats, axis=0),
        training_mean=np.mean(training, axis=0)[part.neuron_index],
        mean_response=np.mean(list(means.values()), axis=0)[part.neuron_index],
        n_averaged=np.array([len(rows) for rows in trials]),
        repeats=repeats,
    )
    return evaluate(evaluation, list(METRICS))


def test_repeats_are_ragged_and_trials_that_were_lost_missing(scans):
    scan = scans[FIRST]
    images, neurons = np.flatnonzero(SPLIT == "test")[::-1], np.array([4, 0])
    found = measured(scan, images, neurons)
    assert found.n_trials.sum() == 4 * 5 - 1 and found.repeats.shape == (4, 5, 2)
    for number, image in enumerate(images):
        rows = np.flatnonzero(scan.image_index == image)
        expected = scan.responses[rows][:, neurons]
        assert np.array_equal(found.repeats[: len(rows), number], expected)
        assert np.isnan(found.repeats[len(rows) :, number]).all()


@pytest.mark.parametrize("at_once", [1024, 2])
def test_every_metric_is_that_of_the_trials_and_neurons_of_the_network(scans, at_once, monkeypatch):
    monkeypatch.setattr("v1lib.scan_scores.NEURONS_AT_ONCE", at_once)
    network = network_of(scans, {FIRST: [6, 1, 3], SECOND: [0, 4]}, n_training=12)
    metrics = {split: list(METRICS) for split in ("validation", "test")}
    for name in (FIRST, SECOND):
        values = ScanScorer(scans[name], metrics).values(network)
        for split in metrics:
            expected = by_hand(scans[name], network, split)
            for metric, value in values[split].items():
                np.testing.assert_allclose(value, expected[metric], rtol=1e-5, err_msg=metric)


def test_means_over_images_do_not_count_repeats(scans, monkeypatch):
    monkeypatch.setattr("v1lib.scan_scores.ROWS_AT_A_TIME", 7)
    scan, images = scans[FIRST], np.array([25, 3, 30])
    each = [scan.responses[scan.image_index == image].mean(0) for image in images]
    np.testing.assert_allclose(mean_over_images(scan, images), np.mean(each, 0), rtol=1e-6)


def test_the_oracle_is_computed_once_for_each_scan(scans, monkeypatch):
    calls = []
    oracle = METRICS["oracle_correlation"]
    monkeypatch.setitem(METRICS, "oracle_correlation", lambda e: calls.append(1) or oracle(e))
    scorer = ScanScorer(scans[FIRST], INGREDIENTS)
    found = [scorer.values(network_of(scans, seed=seed))["test"] for seed in range(3)]
    assert len(calls) == 1
    for name, changes in (("oracle_correlation", False), ("correlation_to_trials", True)):
        assert np.array_equal(found[0][name], found[1][name]) != changes


def test_tables_have_every_run_once(run, scans):
    subset = {FIRST: [6, 1], SECOND: [0, 4]}
    draw = {"images": 12, "neurons": 2, "replicate": 1, "initialisation": 0}
    scores, population = run(
        [(network_of(scans), record_of(0))],
        [(network_of(scans, subset, seed=3, n_training=12), record_of(3, draw=draw, penalty=0.5))],
    )
    assert list(scores.columns) == list(SCORE_COLUMNS)
    assert len(scores) == 3 * (12 + 4)
    assert set(map(tuple, scores[["split", "metric"]].drop_duplicates().to_numpy())) == {
        ("test", "correlation_to_trials"),
        ("test", "oracle_correlation"),
        ("validation", "loss"),
    }
    neurons = scores[scores["seed"] == 3].groupby("session")["neuron"].unique().map(sorted)
    assert neurons.to_dict() == {name: sorted(columns) for name, columns in subset.items()}
    assert set(scores["source_kind"]) == {"simulated"} and set(scores["dataset"]) == {"made_up"}
    facts = population.drop(columns=["split", "metric", "value", "n_neurons"]).drop_duplicates()
    assert facts.set_index("seed").to_dict("index") == {
        0: {"dataset": "made_up", "model": "linear", "images": 20, "neurons": 6.0, "n_scans": 2}
        | {"replicate": 0, "initialisation": 0, "penalty": 2.5, "source_kind": "simulated"},
        3: {"dataset": "made_up", "model": "linear", "images": 12, "neurons": 2.0, "n_scans": 2}
        | {"replicate": 1, "initialisation": 0, "penalty": 0.5, "source_kind": "simulated"},
    }
    assert population.groupby("seed").size().tolist() == [7, 7]


def test_a_model_without_a_grid_is_initialised_by_its_seed(run, scans):
    blocks = [[(network_of(scans, seed=seed), record_of(seed))] for seed in (0, 1)]
    _, population = run(*blocks)
    drawn = population[["seed", "replicate", "initialisation"]].drop_duplicates().to_numpy()
    assert drawn.tolist() == [[0, 0, 0], [1, 0, 1]]


def test_the_population_pools_the_neurons_of_all_scans(run, scans):
    network = network_of(scans)
    _, population = run([(network, record_of(0))])
    value = population.set_index(["split", "metric"])["value"]
    each = [by_hand(scan, network, "test") for scan in scans.values()]
    test = {name: np.concatenate([values[name] for values in each]) for name in METRICS}
    r = test["correlation_to_trials"]
    assert value["test", "fraction_oracle"] == pytest.approx(
        fraction_oracle(r, test["oracle_correlation"]), rel=1e-5
    )
    assert value["test", "fraction_oracle_corrected"] == pytest.approx(
        fraction_oracle(r, test["corrected_oracle"]), rel=1e-5
    )
    for name in ("correlation_to_trials", "correlation_to_average", "oracle_correlation"):
        assert value["test", name] == pytest.approx(test[name].mean(), rel=1e-5)
    counted = test["explainable_share"] > 0.15
    assert 0 < counted.sum() < 12
    assert value["test", "fev"] == pytest.approx(test["fev"][counted].mean(), rel=1e-5)
    n_neurons = population.set_index(["split", "metric"])["n_neurons"]
    assert n_neurons["test", "fev"] == counted.sum() and n_neurons["test", "fraction_oracle"] == 12
    each = [by_hand(scan, network, "validation") for scan in scans.values()]
    r = np.concatenate([values["correlation_to_trials"] for values in each])
    assert value["validation", "correlation_to_trials"] == pytest.approx(r.mean(), rel=1e-5)


def test_scores_of_a_population_by_hand():
    test = {
        "correlation_to_trials": np.array([0.2, 0.4, 0.0]),
        "correlation_to_average": np.array([0.3, 0.6, np.nan]),
        "oracle_correlation": np.array([0.4, 0.5, 0.0]),
        "corrected_oracle": np.array([0.5, 1.0, np.nan]),
        "fev": np.array([0.5, -3.0, np.nan]),
        "explainable_share": np.array([0.3, 0.1, np.nan]),
    }
    validation = {"correlation_to_trials": np.array([0.1, 0.2, 0.6])}
    found = population_scores({"test": test, "validation": validation}, explainable_share=0.15)
    values = {(score.split, score.metric): (score.value, score.n_neurons) for score in found}
    assert values["test", "fraction_oracle"] == (pytest.approx(0.28 / 0.41), 3)
    assert values["test", "fraction_oracle_corrected"] == (pytest.approx(0.5 / 1.25), 2)
    assert values["test", "correlation_to_average"] == (pytest.approx(0.45), 2)
    assert values["test", "fev"] == (0.5, 1)
    assert values["validation", "correlation_to_trials"] == (pytest.approx(0.3), 3)
    none = test | {"explainable_share": np.zeros(3)}
    [fev] = [
        score
        for score in population_scores(
            {"test": none, "validation": validation}, explainable_share=0.15
        )
        if score.metric == "fev"
    ]
    assert np.isnan(fev.value) and fev.n_neurons == 0


def test_runs_that_failed_have_no_rows(run, scans, caplog):
    broken = network_of(scans, seed=1)
    broken.module.readouts[SECOND].bias[1] = float("inf")
    failed = record_of(2, status="failed", reason="loss is NaN")
    scores, population = run(
        [(network_of(scans), record_of(0)), (broken, record_of(1)), (None, failed)]
    )
    assert set(scores["seed"]) == set(population["seed"]) == {0}
    assert "seed 1, scan 1-1-2-0: predictions that are not finite" in caplog.text
    assert "seed 2 failed (loss is NaN)" in caplog.text


def test_what_does_not_fit_is_named_and_leaves_nothing(run, scans, tmp_path):
    whole, record = network_of(scans), record_of(0)
    failed = record_of(0, status="failed", reason="loss is NaN")
    other = network_of(scans, {"1-1-2-0": [1]})
    other.parts["9-9-9-9"] = other.parts.pop("1-1-2-0")
    beyond = network_of(scans, {FIRST: [7]})
    for blocks, message in (
        ([[(None, failed)]], "every run failed of model linear"),
        ([[(whole, record)], [(None, failed | {"model": "other"})]], "failed of model other"),
        ([[(None, record)]], r"checkpoint0\.pt has no network of seed 0"),
        ([[(other, record)]], "seed 0: predicts scan 9-9-9-9"),
        ([[(beyond, record)]], "scan 1-1-1-0 had other images or neurons"),
    ):
        with pytest.raises(ValueError, match=message):
            run(*blocks)
    with pytest.raises(ValueError, match="split 'tset'"):
        run([(whole, record)], metrics={"tset": ["loss"]})
    with pytest.raises(ValueError, match="unknown metric 'r2'"):
        run([(whole, record)], metrics={"test": ["r2"]})
    with pytest.raises(ValueError, match=r"options are \['fano'\]"):
        run([(whole, record)], options={"fano": 1.0})
    assert not list(tmp_path.glob("*.csv"))


def test_without_repeats_the_scan_is_named(tmp_path, monkeypatch, run):
    monkeypatch.setattr("made_up_scans.N_REPEATS", np.ones(len(SPLIT), dtype=int))
    scans = scans_in(tmp_path / "set", lost=0)
    with pytest.raises(ValueError, match=r"scan 1-1-1-0, test images: an oracle needs single"):
        run([(network_of(scans), record_of(0))])


class Blind:
    """Predicts without PyTorch, whose memory is not counted."""

    def __init__(self, scans, seed):
        neurons = {name: np.arange(scan.n_neurons) for name, scan in scans.items()}
        self.seed, self.parts = seed, parts_of(scans, neurons, 20)

    def respond(self, images, scan):
        n_neurons = len(self.parts[scan].neuron_index)
        return np.random.default_rng(self.seed).random((len(images), n_neurons), dtype=np.float32)


def test_memory_does_not_grow_with_the_number_of_networks_and_little_with_neurons(tmp_path, score):
    peaks = {}
    for n_neurons, n_networks in ((2000, 1), (2000, 5), (4000, 1)):
        scans = scans_in(tmp_path / "set", (n_neurons,))
        blocks = [[(Blind(scans, seed), record_of(seed))] for seed in range(n_networks)]
        tracemalloc.start()
        try:
            score(*blocks, metrics={"test": ["fev"]})
            peaks[n_neurons, n_networks] = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    trials = 4 * 5 * 2000 * 4  # bytes of the single test trials of 2000 neurons
    assert peaks[2000, 5] < 1.1 * peaks[2000, 1]
    assert peaks[4000, 1] - peaks[2000, 1] < 10 * trials


def test_a_growing_table_is_the_one_written_at_once(tmp_path):
    table = pd.DataFrame({"a": [1, 2, 3], "b": [0.1234567891, np.nan, 1e-9], "c": list("xyz")})
    with growing_csv(tmp_path / "t.csv", ["c", "b"]) as add:
        add(table[:2])
        add(table[2:])
    assert (tmp_path / "t.csv").read_bytes() == b"c,b\nx,0.12345679\ny,\nz,1e-09\n"
    with pytest.raises(KeyError), growing_csv(tmp_path / "u.csv", ["d"]) as add:
        add(table)
    assert not (tmp_path / "u.csv").exists()
