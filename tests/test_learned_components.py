"""What components have learned: parameters as they take effect, before and after training."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import export_components
from made_up_classifiers import COMPONENTS, model_with, train, write_clean
from v1lib.center_surround import DifferenceOfGaussians
from v1lib.channel_normalization import TunedNormalization, UntunedNormalization
from v1lib.component_tables import COMPONENT_COLUMNS, bin_edges, histograms
from v1lib.files import read_csv
from v1lib.learned_components import of_center_surround, of_tuned, of_untuned
from v1lib.steps import parser_of

SURROUND = {"center_surround": COMPONENTS["center_surround"]}
MODELS = {  # what is learned: component -> blocks, parameters and their numbers
    "surround and tuned": (
        SURROUND | {"normalization": "tuned"},
        {
            "center_surround": ([0, 1], {"sigma_1": 4, "ratio": 4, "amplitude": 4}),
            "tuned": ([0, 1, 2], {"width": 16, "fwhm": 16}),
        },
    ),
    "untuned": (
        {"normalization": "untuned"},
        {"untuned": ([0, 1, 2], {"width": 512, "amplitude": 16, "bias": 1})},
    ),
}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return write_clean(tmp_path_factory.mktemp("images") / "set")


def export(images, folder, model, seeds=(0, 1)):
    checkpoint = train(images, folder, model, seeds)
    components = folder / "components.csv"
    export_components.main(
        images=images, checkpoints=[checkpoint], components=components, models={"model": model}
    )
    return read_csv(components, required=COMPONENT_COLUMNS), checkpoint


@pytest.mark.parametrize("name", MODELS)
def test_every_parameter_of_every_block_and_seed_is_there(images, tmp_path, name):
    components, expected = MODELS[name]
    table, _ = export(images, tmp_path, model_with({"max_epochs": 1}, **components))
    assert list(table) == list(COMPONENT_COLUMNS)
    sizes = table.groupby(["seed", "component", "block", "parameter"]).size().to_dict()
    assert sizes == {
        (seed, component, block, parameter): size
        for seed in (0, 1)
        for component, (blocks, parameters) in expected.items()
        for block in blocks
        for parameter, size in parameters.items()
    }
    assert set(table["source_kind"]) == {"simulated"} and set(table["model"]) == {"model"}
    assert (table["before"] != table["after"]).mean() > 0.9
    first, second = (table.loc[table["seed"] == seed, "before"].to_numpy() for seed in (0, 1))
    assert not np.isclose(first, second).any()


def test_models_share_a_job_also_where_one_has_no_components(images, tmp_path):
    models = {
        "plain": {},
        "normalized": {"normalization": "tuned"},
        "again": {"normalization": "tuned"},
    }
    entries = {name: model_with({"max_epochs": 1}, **own) for name, own in models.items()}
    checkpoints = [
        train(images, tmp_path / name, entry, (0,), name=name) for name, entry in entries.items()
    ]
    components = tmp_path / "components.csv"
    export_components.main(
        images=images, checkpoints=checkpoints, components=components, models=entries
    )
    table = read_csv(components, required=COMPONENT_COLUMNS)
    assert table["model"].unique().tolist() == ["normalized", "again"]
    alone, _ = export(images, tmp_path, entries["normalized"], seeds=(0,))
    own = table[table["model"] == "normalized"]
    assert (own.drop(columns="model") == alone.drop(columns="model")).all(axis=None)


@pytest.mark.parametrize("name", MODELS)
def test_values_before_training_are_those_that_it_began_with(images, tmp_path, name):
    """Where the learning rate is 0, they are also those that it ended with."""
    components, _ = MODELS[name]
    still = model_with({"max_epochs": 1, "learning_rate": 0.0}, **components)
    table, _ = export(images, tmp_path, still)
    assert (table["before"] == table["after"]).all()


def test_values_after_training_are_those_of_the_checkpoint(images, tmp_path):
    table, checkpoint = export(images, tmp_path, model_with(normalization="tuned"), seeds=(3,))
    (member,) = torch.load(checkpoint, weights_only=True)["members"]
    for block in range(3):
        rows = table[(table["block"] == block) & (table["parameter"] == "width")]
        assert rows["unit"].tolist() == list(range(16))
        width = member["state_dict"][f"layer1.{block}.normalization.width"]
        np.testing.assert_allclose(rows["after"], width.clamp(min=0.5), rtol=1e-7)
        assert rows["before"].between(2, 3).all()  # 16 channels / 8, and up to one more


def test_a_parameter_counts_as_it_takes_effect():
    layer = DifferenceOfGaussians(2)
    layer.center = nn.Parameter(torch.tensor([-3.0, 0.05, 0.5, 2.0]))
    layer.ratio = nn.Parameter(torch.tensor([0.2, 1.5, 1.0, 2.0]))
    layer.amplitude = nn.Parameter(torch.tensor([-1.0, 2.0, 0.0, -4.0]))
    found = {name: values.tolist() for name, values in of_center_surround(layer).items()}
    assert found["sigma_1"] == pytest.approx([0.1, 0.1, 0.5, 2.0])
    assert found["ratio"] == pytest.approx([1.0001, 1.5, 1.0001, 2.0])
    assert found["amplitude"] == [-1.0, 2.0, 0.0, -4.0]
    # The kernels do not see the difference either.
    kernels = layer.kernels()
    layer.center = nn.Parameter(torch.tensor(found["sigma_1"]))
    layer.ratio = nn.Parameter(torch.tensor(found["ratio"]))
    torch.testing.assert_close(kernels, layer.kernels())


def test_the_full_width_is_where_a_pool_has_half_its_height():
    layer = TunedNormalization(64)
    layer.width = nn.Parameter(torch.full((64,), 6.0))
    found = of_tuned(layer)
    pool = layer.pool_weights()[:, 32].detach().numpy()  # centred on channel 0 of the ring
    halves = np.interp(found["fwhm"][0].item() / 2, np.arange(32), pool[:32])
    assert halves == pytest.approx(pool[0] / 2, rel=2e-3)
    layer.width = nn.Parameter(torch.full((64,), 0.1))
    assert set(of_tuned(layer)["width"].tolist()) == {0.5}


def test_dense_pools_count_as_they_take_effect():
    layer = UntunedNormalization(2)
    layer.rho = nn.Parameter(torch.tensor([[1.0, -2.0], [0.1, 0.5]]))
    layer.sigma = nn.Parameter(torch.tensor([[3.0, 0.0], [1.0, -1.0]]))
    layer.amplitude = nn.Parameter(torch.tensor([[1.0, -3.0], [0.5, 0.5]]))
    layer.bias = nn.Parameter(torch.tensor([-1.5]))
    found = {name: values.tolist() for name, values in of_untuned(layer).items()}
    least = 0.1**0.5
    assert found["width"] == pytest.approx([1.0, 2.0, least, 0.5, 3.0, least, 1.0, 1.0])
    assert found["amplitude"] == [2.0, 0.5]
    assert found["bias"] == [1.5]


def test_a_model_without_components_of_its_own_is_refused(images, tmp_path):
    with pytest.raises(ValueError, match=r"models \['model'\] have no component"):
        export(images, tmp_path, model_with({"max_epochs": 1}), seeds=(0,))
    core = model_with(normalization="tuned") | {"core": {"dataset": "toy", "model": "other"}}
    with pytest.raises(ValueError, match=r"starts from the trained weights of .*other"):
        export_components.main(
            images=images, checkpoints=[], components=tmp_path / "a.csv", models={"m": core}
        )
    with pytest.raises(ValueError, match="no checkpoint was given"):
        export_components.main(
            images=images,
            checkpoints=[],
            components=tmp_path / "a.csv",
            models={"m": model_with(normalization="tuned")},
        )


def test_distributions_hold_every_value_once():
    rng = np.random.default_rng(0)
    values = pd.DataFrame({"before": rng.normal(size=400), "after": rng.normal(2, 3, 400)})
    values = values.assign(block=np.arange(400) % 2, seed=np.arange(400) // 200)
    values.loc[0, "after"] = 1e6
    edges = bin_edges(values, 12, tail=0.005)
    assert len(edges) == 13 and edges[-1] < 100 and (np.diff(edges) > 0).all()
    table = histograms(values, edges, ["block"])
    sums = table.groupby(["block", "when"])["share"].sum()
    assert sums.to_dict() == pytest.approx(dict.fromkeys(sums.index, 1.0)) and len(sums) == 4
    assert set(table["n"]) == {200} and set(table["n_seeds"]) == {2}
    own = values.loc[values["block"] == 1, "before"].to_numpy()
    drawn = table[(table["block"] == 1) & (table["when"] == "before")]
    inside = [((own >= low) & (own < high)).mean() for low, high in pairwise(edges)]
    np.testing.assert_allclose(drawn["share"][1:-1], inside[1:-1])


def test_values_that_all_agree_have_a_distribution():
    values = pd.DataFrame({"before": [1.5], "after": [1.5], "block": 0, "seed": 0})
    table = histograms(values, bin_edges(values, 4, tail=0.0), ["block"])
    assert table["share"].max() == 1 and table["share"].sum() == 2


def test_the_step_has_a_command_line():
    assert "--components" in parser_of(export_components.main, "export_components").format_help()
