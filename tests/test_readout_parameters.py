"""Table C5 at the size of the paper, and what it says of other sizes."""

import resource
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import count_readout_parameters
from tables import lurz2021_readout_parameters
from v1lib.files import read_csv, write_csv
from v1lib.scans import ScanFacts

PUBLISHED = Path(__file__).resolve().parents[1] / "report/published_values.csv"
CORE = {"filters": 64, "layers": 4, "input_kernel": 15, "hidden_kernel": 13, "momentum": 0.9}
GAUSSIAN = {"kind": "gaussian", "covariance": "full", "init_sigma": 0.4}
READOUTS = {
    "fully_connected": {"kind": "fully_connected"},
    "factorised": {"kind": "factorised"},
    "gaussian_free": GAUSSIAN | {"init_range": 0.55},
    "gaussian_retinotopic": GAUSSIAN | {"retinotopy": {"init_scale": 0.2}},
}
MODEL = {
    "build": "lurz2021.convolutional",
    "params": {
        "core": CORE,
        "readout": READOUTS["gaussian_retinotopic"],
        "penalties": {"smoothness": 1.0, "readout": 1.0},
    },
}


def scan_of(n_neurons, name="1-1-1-0", size_px=(36, 64)):
    """What the step looks at of a scan, which needs no responses."""
    rng = np.random.default_rng(0)
    return SimpleNamespace(
        name=name,
        n_neurons=n_neurons,
        dataset="made_up",
        source_kind="simulated",
        neuron_position=rng.uniform(-300, 300, (n_neurons, 3)),
        stimuli=np.empty((0, 1, *size_px), dtype=np.float32),
        facts=ScanFacts(name, 10, 111.0, 60.0, "a.zip"),
    )


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Count for scans and make the table; the counts, the table and the page."""

    def run(*scans, model=MODEL, published=PUBLISHED):
        by_name = {scan.name: scan for scan in scans}
        monkeypatch.setattr("count_readout_parameters.open_scans", lambda folder: by_name)
        counts = tmp_path / "counts.csv"
        count_readout_parameters.main(
            recording=tmp_path, counts=counts, model=model, readouts=dict(sorted(READOUTS.items()))
        )
        files = {"table": tmp_path / "table.csv", "markdown": tmp_path / "table.md"}
        lurz2021_readout_parameters.main(counts=counts, published=published, **files)
        return read_csv(counts), read_csv(files["table"]), files["markdown"].read_text()

    return run


def test_the_table_of_the_paper(make):
    # reference sections 3.1 and 3.8
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    counts, table, page = make(scan_of(5335))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 300_000  # kB: one network of 375 million weights would take 1.5 million
    assert counts[["channels", "height", "width"]].drop_duplicates().to_numpy().tolist() == [
        [64, 22, 50]
    ]
    assert set(counts["core"]) == {71_936}
    found = table.set_index("readout")
    assert found["per_neuron"].to_dict() == {
        "fully_connected": 70_400,
        "factorised": 1_164,
        "gaussian_free": 71,
        "gaussian_retinotopic": 69,
    }
    assert found["population"].tolist() == [375_584_000, 5335 * 1164, 378_785, 368_121]
    assert found["per_neuron_with_bias"].tolist() == [70_401, 1_165, 71, 69]
    assert found["population_with_bias"].tolist() == [375_589_335, 6_215_275, 378_785, 368_121]
    assert found["shared"].tolist() == [0, 0, 0, 6]
    assert (found["published_per_neuron"] == found["per_neuron"]).all()
    assert found["is_comparable"].all()
    assert "**SIMULATED DATA**" in page and "71,936 parameters (71,936 published)" in page
    assert "| Gaussian, retinotopy | 69 | 69 | 69 | 368,121 | 368,121 | 6 |" in page
    assert "not meant to be equal" not in page


def test_several_scans_have_a_position_network_each(make):
    counts, table, _ = make(scan_of(7), scan_of(4, "1-1-2-0"))
    found = counts.set_index("readout")
    assert found.loc["gaussian_retinotopic", "shared"] == 12
    assert found.loc["gaussian_retinotopic", "population"] == 11 * 69 + 12
    assert set(table["n_neurons"]) == {11}


def test_other_feature_maps_are_not_compared(make, tmp_path):
    core = CORE | {"filters": 8, "layers": 2, "input_kernel": 5, "hidden_kernel": 3}
    model = MODEL | {"params": MODEL["params"] | {"core": core}}
    counts, table, page = make(scan_of(6, size_px=(20, 24)), model=model)
    assert counts[["channels", "height", "width"]].iloc[0].tolist() == [8, 16, 20]
    assert table["per_neuron"].tolist() == [8 * 16 * 20, 8 + 16 * 20, 15, 13]
    assert not table["is_comparable"].any()
    assert "The published numbers are those of feature map 64x22x50" in page
    nothing = pd.read_csv(PUBLISHED).iloc[:1]
    write_csv(nothing, tmp_path / "published.csv")
    _, table, page = make(scan_of(6), published=tmp_path / "published.csv")
    assert table["published_per_neuron"].isna().all() and not table["is_comparable"].any()
    assert "| gaussian retinotopic | 69 |  | 69 |" in page and "published)" not in page
