"""Cores in the layout of the published file of Lurz et al. 2021."""

import pytest
import torch

from published_cores import to_published
from v1lib.core_weights import load_core
from v1lib.cores import ConvolutionalCore, CoreSettings

CORE = {"filters": 64, "layers": 4, "input_kernel": 15, "hidden_kernel": 13, "momentum": 0.9}
SMALL = CORE | {"filters": 8, "layers": 2, "input_kernel": 5, "hidden_kernel": 3}


def core_of(settings):
    return ConvolutionalCore(1, CoreSettings(**settings))


def published_file(tmp_path, core=SMALL, prefix="core."):
    """A file in the published layout, with the names of reference section 2.8."""
    torch.manual_seed(5)
    filters, kernel = core["filters"], core["hidden_kernel"]
    stored = {
        "_input_weights_regularizer.laplace.filter": torch.zeros(1, 1, 3, 3),
        "features.layer0.conv.weight": torch.randn(
            filters, 1, core["input_kernel"], core["input_kernel"]
        ),
    }
    for layer in range(core["layers"]):
        name = f"features.layer{layer}."
        if layer:
            convolution = name + "ds_conv."
            stored[convolution + "in_depth_conv.weight"] = torch.randn(filters, filters, 1, 1)
            stored[convolution + "spatial_conv.weight"] = torch.randn(filters, 1, kernel, kernel)
            stored[convolution + "out_depth_conv.weight"] = torch.randn(filters, filters, 1, 1)
        for part in ("weight", "bias", "running_mean"):
            stored[f"{name}norm.{part}"] = torch.randn(filters)
        stored[name + "norm.running_var"] = torch.rand(filters) + 1
        stored[name + "norm.num_batches_tracked"] = torch.tensor(55451)
    stored = {prefix + key: value for key, value in stored.items()}
    if prefix:
        stored["readout.22564-2-12-0._features"] = torch.zeros(1, filters, 1, 7)
    path = tmp_path / "transfer_model.pth.tar"
    torch.save(stored, path)
    return path, stored


@pytest.mark.parametrize("prefix", ["core.", ""])
def test_the_published_core_is_read_by_name(tmp_path, prefix):
    path, stored = published_file(tmp_path, CORE, prefix)
    core = core_of(CORE)
    load_core(core, path)
    state = core.state_dict()
    expected = {
        "layers.0.conv.weight": "features.layer0.conv.weight",
        "layers.2.conv.in_depth.weight": "features.layer2.ds_conv.in_depth_conv.weight",
        "layers.1.conv.spatial.weight": "features.layer1.ds_conv.spatial_conv.weight",
        "layers.3.conv.out_depth.weight": "features.layer3.ds_conv.out_depth_conv.weight",
        "layers.3.norm.gain": "features.layer3.norm.weight",
        "layers.0.norm.bias": "features.layer0.norm.bias",
        "layers.2.norm.running_mean": "features.layer2.norm.running_mean",
        "layers.1.norm.running_var": "features.layer1.norm.running_var",
    }
    for ours, theirs in expected.items():
        assert torch.equal(state[ours], stored[prefix + theirs])
    again = {k: v for k, v in to_published(state).items() if k.startswith("core.")}
    kept = {k for k in stored if "layer" in k and not k.endswith("num_batches_tracked")}
    assert {k.removeprefix("core.") for k in again} == {k.removeprefix(prefix) for k in kept}
    for name, value in again.items():
        assert torch.equal(value, stored[prefix + name.removeprefix("core.")])


def test_files_that_hold_no_such_core_are_refused(tmp_path):
    core = core_of(SMALL)
    with pytest.raises(FileNotFoundError, match="absent"):
        load_core(core, tmp_path / "absent.pth")
    path, stored = published_file(tmp_path)
    load_core(core, path)
    with pytest.raises(ValueError, match=r"layers.* has shape .*, expected"):
        load_core(core_of(SMALL | {"hidden_kernel": 5}), path)
    with pytest.raises(ValueError, match=r"layers\.2.* is missing, expected shape"):
        load_core(core_of(SMALL | {"layers": 3}), path)
    with pytest.raises(ValueError, match=r"layers\.1.* is a weight that this core does not have"):
        load_core(core_of(SMALL | {"layers": 1}), path)
    torch.save(stored | {"core.features.layer0.skip.weight": torch.ones(1)}, path)
    with pytest.raises(ValueError, match=r"skip\.weight' belongs to no core"):
        load_core(core, path)
    torch.save({"readout.weight": torch.ones(1)}, path)
    with pytest.raises(ValueError, match="belongs to no core"):
        load_core(core, path)
    torch.save([1, 2], path)
    with pytest.raises(ValueError, match="holds a list"):
        load_core(core, path)
    path.write_bytes(b"no weights")
    with pytest.raises(ValueError, match="not a readable weight file"):
        load_core(core, path)
