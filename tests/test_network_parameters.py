"""Parameters of networks, counted as they are built at a size of one's choice."""

from pathlib import Path

import pytest

from configured_models import pogoncheff_networks
from count_network_parameters import main
from v1lib.files import read_csv

NETWORKS = pogoncheff_networks()
PUBLISHED = Path(__file__).resolve().parents[1] / "report" / "published_values.csv"


def counted(folder, names, *, n_classes, **size):
    path = folder / "counts.csv"
    small = {"blocks": [3, 1, 1, 1], "width": 8, "frozen": True}
    models = {
        name: {"build": "pogoncheff2023.resnet", "params": NETWORKS[name] | small} for name in names
    }
    shape = [3, 64, 64]
    main(counts=path, models=models, size=size, n_classes=n_classes, stimulus_shape=shape)
    return read_csv(path).set_index("model")


def test_numbers_at_the_published_size_are_the_published_ones(tmp_path):
    names = ["center_surround", "composite_a"]
    table = counted(tmp_path, names, n_classes=1000, blocks=[3, 4, 6, 3], width=64)
    known = read_csv(PUBLISHED).set_index("id")["value"]
    for name in names:
        for what in ("trainable", "total"):
            published = known[f"pogoncheff2023.parameters.{name}.{what}"]
            assert table.loc[name, f"n_{what}"] == published
    # three layers with a 5 x 5 table and 16 biases each
    assert table.loc["center_surround", "n_constant"] == 3 * (25 + 16)


@pytest.mark.parametrize(
    ("name", "added", "constant"),
    [
        ("cortical_magnification", 0, 0),
        ("tuned_norm", 3 * 32, 3 * 32**2),  # widths of 4 x 8 channels in three blocks
        ("div_norm", 3 * (6 * 32**2 + 1), 0),
        # 8 x 8 filters of 3 x 3 at 16 x 16 places in place of one filter for all
        ("local_rf", 8 * 8 * 9 * (16**2 - 1), 0),
        ("center_surround", 3 * 3 * 2**2, 3 * (25 + 2)),  # two of eight channels
    ],
)
def test_components_add_what_they_consist_of(tmp_path, name, added, constant):
    table = counted(tmp_path, ["resnet50", name], n_classes=10, width=8)
    assert table.loc[name, "n_trainable"] - table.loc["resnet50", "n_trainable"] == added
    assert table.loc[name, "n_constant"] == constant
    assert table.loc[name, "n_total"] == table.loc[name, "n_trainable"] + constant
    assert set(table["n_classes"]) == {10} and set(table["size_px"]) == {64}
