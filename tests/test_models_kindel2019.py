"""The networks of Kindel et al. 2019 against outputs and gradients of the original code."""

import numpy as np
import pytest
import torch

from v1lib.models import build_model
from v1lib.models.kindel2019 import cnn
from v1lib.recording import RecordingInfo

PAPER = {
    "conv1": {"filters": 16, "kernel": 3, "pool_kernel": 3, "pool_stride": 2},
    "conv2": {"filters": 32, "kernel": 3, "pool_kernel": 3, "pool_stride": 2},
    "num_conv_layers": 2,
    "hidden_units": 300,
    "hidden2_units": 1,
    "dropout_keep": 0.65,
    "output_nonlinearity": "relu",
}


def info(n_neurons, size=33):
    return RecordingInfo((1, size, size), n_neurons, np.zeros(n_neurons, dtype=np.float32))


def original_weights(case, prefix="param"):
    """Tensors of the original in our names and layouts (HWIO -> OIHW, features HWC -> CHW)."""
    weights, layer = {}, 0
    while f"{prefix}__conv{layer + 1}__W" in case:
        kernel = case[f"{prefix}__conv{layer + 1}__W"]
        weights[f"core.{layer}.weight"] = kernel.transpose(3, 2, 0, 1)
        weights[f"core.{layer}.bias"] = case[f"{prefix}__conv{layer + 1}__b"]
        channels, layer = kernel.shape[-1], layer + 1
    dense = case[f"{prefix}__dense1__W"].astype(np.float32)
    side = int((dense.shape[0] / channels) ** 0.5)
    dense = dense.reshape(side, side, channels, -1).transpose(3, 2, 0, 1)
    weights[f"core.{layer + 1}.weight"] = dense.reshape(dense.shape[0], -1)
    weights[f"core.{layer + 1}.bias"] = case[f"{prefix}__dense1__b"]
    weights["readout.weight"] = case[f"{prefix}__linear__W"].T
    weights["readout.bias"] = case[f"{prefix}__linear__b"]
    return {name: torch.tensor(np.ascontiguousarray(value)) for name, value in weights.items()}


def original_network(case, prefix="param", keep=1.0):
    n_layers = sum(f"{prefix}__conv{i}__W" in case for i in (1, 2))
    pools = zip(
        np.atleast_1d(case.get("pool_kernel", [3, 3])),
        np.atleast_1d(case.get("pool_stride", [2, 2])),
        strict=True,
    )
    layers = [
        {
            "filters": case[f"{prefix}__conv{i}__W"].shape[-1],
            "kernel": case[f"{prefix}__conv{i}__W"].shape[0],
            "pool_kernel": int(pool),
            "pool_stride": int(stride),
        }
        for i, (pool, stride) in zip((1, 2)[:n_layers], pools, strict=False)
    ]
    hidden, n_neurons = case[f"{prefix}__linear__W"].shape
    params = PAPER | {
        "conv1": layers[0],
        "conv2": layers[-1],
        "num_conv_layers": n_layers,
        "hidden_units": hidden,
        "dropout_keep": keep,
    }
    network = cnn(info(n_neurons), **params)
    network.load_state_dict(original_weights(case, prefix))
    return network


CASES = ["convnet_default_flags", "convnet_7x7", "convnet_one_conv_layer"]


@pytest.mark.parametrize("name", [*CASES, "published_network_session02"])
def test_cnn_output_equals_the_original(golden, name):
    case = golden(f"kindel2019/{name}.npz")
    network = original_network(case).eval()
    images = torch.tensor(case["images_uint8"], dtype=torch.float32)[:, None]
    np.testing.assert_allclose(network(images).detach(), case["output"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_cnn_gradients_equal_the_original(golden, name):
    case = golden(f"kindel2019/{name}.npz")
    network = original_network(case).train()
    images = torch.tensor(case["images_uint8"], dtype=torch.float32)[:, None]
    loss = torch.nn.functional.mse_loss(network(images), torch.tensor(case["activity"]))
    np.testing.assert_allclose(loss.item(), case["loss_mse_all"], rtol=1e-4, atol=1e-5)
    loss.backward()
    # Gradients that the case leaves out stand as zeros so that the names convert alike.
    known = {
        key: case.get(key.replace("param__", "grad_mse__"), np.full_like(case[key], np.nan))
        for key in case
        if key.startswith("param__")
    }
    expected = original_weights(known)
    for parameter, value in network.named_parameters():
        if torch.isnan(expected[parameter]).all():
            continue
        largest = expected[parameter].abs().max().item()
        np.testing.assert_allclose(
            value.grad, expected[parameter], rtol=0, atol=1e-4 * largest, err_msg=parameter
        )


def test_sgd_trace_equals_the_original(golden):
    case = golden("kindel2019/sgd_trace_convnet.npz")
    network = original_network(case, prefix="init").train()
    optimiser = torch.optim.SGD(network.parameters(), lr=float(case["learning_rate"]))
    losses = []
    for images, activity in zip(case["images"], case["activity"], strict=True):
        loss = torch.nn.functional.mse_loss(
            network(torch.tensor(images)[:, None]), torch.tensor(activity)
        )
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    np.testing.assert_allclose(losses, case["loss_mse_before_step"], rtol=1e-5)
    for name, value in original_weights(case, "final").items():
        np.testing.assert_allclose(
            network.state_dict()[name], value, rtol=1e-3, atol=1e-4, err_msg=name
        )
    final = network.eval()(torch.tensor(case["images"][0])[:, None]).detach()
    np.testing.assert_allclose(final, case["final_output_batch0"], rtol=1e-3, atol=1e-4)


def test_lnln_equals_the_original(golden):
    case = golden("kindel2019/lnln.npz")
    network = build_model("kindel2019.lnln", info(7), {"hidden_units": 30})
    names = ["dense1_kernel", "dense1_bias", "scale1", "offset1"]
    names += ["dense2_kernel", "dense2_bias", "scale2", "offset2"]
    state = network.state_dict()
    for key, name in zip(state, names, strict=True):
        value = torch.tensor(case[f"param__{name}"])
        state[key] = value.T if "kernel" in name else value
    network.load_state_dict(state)
    images = torch.tensor(case["images_uint8"], dtype=torch.float32)[:, None]
    output = network(images).detach()
    np.testing.assert_allclose(output, case["output"], rtol=1e-4, atol=1e-5)
    loss = torch.nn.functional.mse_loss(output, torch.tensor(case["activity"]))
    np.testing.assert_allclose(loss, case["loss_mse_all"], rtol=1e-4)


def test_initial_weights_have_the_statistics_of_the_original(golden):
    case = golden("kindel2019/published_network_session02.npz")
    original = original_weights(case)
    torch.manual_seed(0)
    ours = build_model("kindel2019.cnn", info(37), PAPER).state_dict()
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in original.items()}
    for name, value in original.items():
        if name.endswith("bias"):
            assert (ours[name] == 0).all()
            continue
        bound = ours[name].abs().max().item()
        assert bound == pytest.approx(value.abs().max().item(), rel=0.1)
        if value.numel() > 1000:
            assert ours[name].std().item() == pytest.approx(value.std().item(), rel=0.03)


def test_parameters_of_the_paper_and_of_the_first_version():
    def count(network):
        return sum(p.numel() for p in network.parameters())

    assert count(build_model("kindel2019.cnn", info(34), PAPER)) == 360_934
    kernels = {name: PAPER[name] | {"kernel": 7} for name in ("conv1", "conv2")}
    assert count(build_model("kindel2019.cnn", info(34), PAPER | kernels)) == 122_854


@pytest.mark.parametrize(("n_layers", "n_features"), [(1, 3600), (2, 1152), (3, 32)])
def test_number_of_layers(n_layers, n_features):
    network = build_model("kindel2019.cnn", info(5), PAPER | {"num_conv_layers": n_layers})
    assert network.core[-2].in_features == n_features


def test_dropout_keeps_hidden_units_only_in_training():
    torch.manual_seed(0)
    network = build_model("kindel2019.cnn", info(5), PAPER | {"dropout_keep": 0.25})
    images = torch.full((200, 1, 33, 33), 100.0)
    hidden = network.train().core(images)
    live = hidden[:, network.eval().core(images)[0] > 0]
    assert (live > 0).float().mean().item() == pytest.approx(0.25, abs=0.02)
    assert live[live > 0].mean() > 3 * network.eval().core(images)[0].mean()


def test_too_small_a_map_is_refused():
    kernels = {name: PAPER[name] | {"kernel": 7} for name in ("conv1", "conv2")}
    with pytest.raises(ValueError, match="convolution layer 3: a map of 3 px"):
        build_model("kindel2019.cnn", info(5), PAPER | kernels | {"num_conv_layers": 3})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_conv_layers": 4}, "num_conv_layers is 4"),
        ({"output_nonlinearity": "elu"}, "output_nonlinearity is 'elu'"),
        ({"dropout": 0.5}, "unexpected keyword argument 'dropout'"),
    ],
)
def test_values_that_are_not_allowed_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        build_model("kindel2019.cnn", info(5), PAPER | change)


def test_preferred_images_see_the_output_before_its_rectifier():
    network = build_model("kindel2019.cnn", info(5), PAPER).eval()
    images = torch.rand(20, 1, 33, 33) * 255
    assert (network(images) >= 0).all()
    assert (network.pre_output(images) < 0).any()
    free = build_model("kindel2019.cnn", info(5), PAPER | {"output_nonlinearity": "none"}).eval()
    free.load_state_dict(network.state_dict())
    torch.testing.assert_close(free(images), network.pre_output(images))
