"""Regressions on fixed features: planted neurons are found, noise is not, penalties are chosen."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Lasso, Ridge

from v1lib.correlation import correlation
from v1lib.filters import gabor_pair
from v1lib.models import build_model
from v1lib.recording import RecordingInfo
from v1lib.regression import features_of, fit_regression
from v1lib.splits import SPLIT_CODES, random_split

N_IMAGES, SIDE = 270, 17
BANK = {
    "n_orientations": 4,
    "wavelengths_px": [4, 7],
    "sigma_per_wavelength": 0.5,
    "centres_px": [4, 12, 3],
}
MODELS = {
    "pixels": ("kindel2019_regression.pixel_regression", {}),
    "amplitude": ("kindel2019_regression.gabor_regression", BANK | {"variant": "amplitude"}),
    "rectified": ("kindel2019_regression.gabor_regression", BANK | {"variant": "rectified"}),
}


def model_of(name, n_neurons=1, mean=0.0):
    info = RecordingInfo(
        stimulus_shape=(1, SIDE, SIDE),
        n_neurons=n_neurons,
        mean_response=np.full(n_neurons, mean, dtype=np.float32),
        background=116.0,
    )
    build, params = MODELS[name]
    return build_model(build, info, params)


@pytest.fixture(scope="module")
def stimuli():
    rng = np.random.default_rng(0)
    images = np.full((N_IMAGES, 1, SIDE, SIDE), 116, dtype=np.float32)
    images[:, :, 2:15, 2:15] += rng.normal(0, 40, (N_IMAGES, 1, 13, 13)).round()
    return images


@pytest.fixture(scope="module")
def split():
    permutation = np.random.default_rng(1).permutation(N_IMAGES)
    return random_split(permutation, train_fraction=2 / 3, validation_fraction=1 / 7)


def on_test_images(model, stimuli, responses, split):
    """Correlation of prediction and response, for each neuron."""
    with torch.no_grad():
        prediction = model(torch.tensor(stimuli)).numpy()
    test = split == SPLIT_CODES["test"]
    return correlation(prediction[test], responses[test])


def planted(stimuli, **gabor):
    pair = gabor_pair((SIDE, SIDE), centre_px=[8, 8], orientation_deg=45, **gabor)
    return (stimuli.reshape(N_IMAGES, -1) - 116) @ pair.reshape(2, -1).T


def test_a_planted_linear_neuron_is_found_in_the_pixels_and_noise_is_not(stimuli, split):
    rng = np.random.default_rng(2)
    linear = planted(stimuli, wavelength_px=7, sigma_px=3.5)[:, :1] / 40
    noise = rng.normal(3, 1, linear.shape)
    quality = {}
    for name, responses in (("noise", noise), ("linear", 3 + linear)):
        model = model_of("pixels")
        record = fit_regression(
            model,
            stimuli,
            responses,
            split,
            method="ridge",
            alphas=[1e2, 1e4, 1e6],
            selection="validation",
        )
        quality[name] = on_test_images(model, stimuli, responses, split)[0]
    assert quality["linear"] > 0.9
    assert abs(quality["noise"]) < 0.35  # two and a half standard errors of 52 images
    weights = np.zeros(SIDE * SIDE)
    weights[model.readout.units] = model.readout.weight[0].detach()
    filters = gabor_pair(
        (SIDE, SIDE), centre_px=[8, 8], orientation_deg=45, wavelength_px=7, sigma_px=3.5
    )
    inside = np.ptp(stimuli.reshape(N_IMAGES, -1), axis=0) > 0
    assert np.corrcoef(weights[inside], filters[0].ravel()[inside])[0, 1] > 0.9
    # What no image changes has no weight.
    assert record["n_features"] == record["n_used"] == 13 * 13 == inside.sum()


@pytest.mark.parametrize("method", ["ridge", "lasso"])
def test_an_energy_neuron_is_found_in_gabor_amplitudes_and_not_in_pixels(method, stimuli, split):
    pair = planted(stimuli, wavelength_px=7, sigma_px=3.5)
    responses = np.sqrt((pair**2).sum(axis=1, keepdims=True)) / 40
    quality = {}
    for name, alphas in (("amplitude", [1e3, 1e4, 1e5]), ("pixels", [1e4, 1e5, 1e6])):
        model = model_of(name)
        if method == "lasso":
            alphas = [0.1, 1.0, 5.0]
        fit_regression(
            model, stimuli, responses, split, method=method, alphas=alphas, selection="validation"
        )
        quality[name] = on_test_images(model, stimuli, responses, split)[0]
    assert quality["amplitude"] > 0.9
    # A constant prediction (nan) is as good as no prediction.
    assert not quality["pixels"] > 0.4


@pytest.mark.parametrize(
    ("method", "alpha", "reference"),
    [("ridge", 3e4, Ridge(3e4)), ("lasso", 2.0, Lasso(2.0, max_iter=10_000))],
)
def test_a_fixed_penalty_gives_what_scikit_learn_gives(method, alpha, reference, stimuli, split):
    rng = np.random.default_rng(3)
    responses = planted(stimuli, wavelength_px=7, sigma_px=3.5) / 20
    responses += rng.normal(2, 0.5, responses.shape)
    model = model_of("rectified", 2)
    fit_regression(
        model, stimuli, responses, split, method=method, alphas=[alpha], selection="fixed"
    )
    train = split == SPLIT_CODES["train"]
    features = features_of(model, stimuli).astype(np.float64)
    expected = reference.fit(features[train], responses[train]).predict(features)
    with torch.no_grad():
        prediction = model(torch.tensor(stimuli)).numpy()
    tolerance = 1e-5 if method == "ridge" else 0.02  # lasso stops at a duality gap
    assert np.abs(prediction - expected).max() < tolerance * np.abs(expected).max()


def test_lasso_of_many_more_features_than_images_is_exact(stimuli, split):
    rng = np.random.default_rng(6)
    common = rng.normal(0, 1, (N_IMAGES, 30))
    features = common @ rng.normal(0, 1, (30, 3000)) + rng.normal(0, 2, (N_IMAGES, 3000))
    responses = features[:, :2] + 3 * common[:, :2] + rng.normal(0, 1, (N_IMAGES, 2))
    features = features.astype(np.float32)
    train = split == SPLIT_CODES["train"]
    x, y = (values[train] - values[train].mean(axis=0) for values in (features, responses))

    def loss(weight, alpha):
        return ((y - x @ weight.T) ** 2).mean(axis=0) / 2 + alpha * np.abs(weight).sum(axis=1)

    model = model_of("pixels", 2)
    record = fit_regression(
        model,
        stimuli,
        responses,
        split,
        method="lasso",
        alphas=[0.5, 4.0],
        selection="validation",
        features=features,
    )
    assert record["alpha"] == 0.5 and record["n_features"] == 3000
    weight = np.zeros((2, 3000))
    weight[:, model.readout.units] = model.readout.weight.detach()
    reference = Lasso(0.5, fit_intercept=False, max_iter=10_000).fit(x, y).coef_
    assert loss(weight, 0.5) == pytest.approx(loss(reference, 0.5), rel=1e-3)


def test_a_lasso_that_does_not_converge_is_logged(stimuli, split, caplog, monkeypatch):
    monkeypatch.setattr("v1lib.regression.LASSO_ITERATIONS", 1)
    responses = planted(stimuli, wavelength_px=7, sigma_px=3.5) / 40
    fit_regression(
        model_of("rectified", 2),
        stimuli,
        responses,
        split,
        method="lasso",
        alphas=[0.1],
        selection="fixed",
    )
    assert "alpha 0.1 did not converge in 1 iterations for 2 of 2 neurons" in caplog.text


def test_the_penalty_is_that_of_the_smallest_validation_loss(stimuli, split):
    rng = np.random.default_rng(4)
    responses = planted(stimuli, wavelength_px=7, sigma_px=3.5)[:, :1] / 40
    responses = responses + rng.normal(0, 1.5, responses.shape)
    alphas = [1e2, 1e9, 1e5, 1e4]
    model = model_of("pixels")
    record = fit_regression(
        model, stimuli, responses, split, method="ridge", alphas=alphas, selection="validation"
    )
    losses = []
    for alpha in alphas:
        single = model_of("pixels")
        fit_regression(
            single, stimuli, responses, split, method="ridge", alphas=[alpha], selection="fixed"
        )
        validation = split == SPLIT_CODES["validation"]
        with torch.no_grad():
            residual = single(torch.tensor(stimuli)).numpy() - responses
        losses.append(np.mean(residual[validation] ** 2))
    assert record["alphas"] == alphas
    assert record["validation_losses"] == pytest.approx(losses, rel=1e-4)
    assert record["alpha"] == alphas[int(np.argmin(losses))] == 1e5


def test_of_equal_losses_the_first_penalty_is_taken(stimuli, split):
    constant = np.full((N_IMAGES, 1), 2.0)
    for alphas in ([1e3, 1e5], [1e5, 1e3]):
        record = fit_regression(
            model_of("pixels"),
            stimuli,
            constant,
            split,
            method="ridge",
            alphas=alphas,
            selection="validation",
        )
        assert record["validation_losses"] == [0, 0] and record["alpha"] == alphas[0]


def test_test_images_decide_nothing(stimuli, split):
    rng = np.random.default_rng(5)
    responses = planted(stimuli, wavelength_px=7, sigma_px=3.5) / 40
    changed = responses.copy()
    test = split == SPLIT_CODES["test"]
    changed[test] = rng.normal(50, 9, changed[test].shape)
    weights = []
    for values in (responses, changed):
        model = model_of("rectified", 2)
        fit_regression(
            model,
            stimuli,
            values,
            split,
            method="ridge",
            alphas=[1e3, 1e5],
            selection="validation",
        )
        weights.append(model.readout.weight.detach())
    assert torch.equal(*weights)


def test_a_fitted_model_is_stored_with_the_features_it_uses_only(stimuli, split, tmp_path):
    responses = planted(stimuli, wavelength_px=7, sigma_px=3.5)[:, :1] / 40
    model = model_of("rectified")
    record = fit_regression(
        model, stimuli, responses, split, method="lasso", alphas=[2.0], selection="fixed"
    )
    assert 0 < record["n_used"] < record["n_features"] / 3
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    restored = model_of("rectified")
    restored.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    assert set(restored.state_dict()) == {"readout.units", "readout.weight", "readout.bias"}
    assert restored.readout.weight.shape == (1, record["n_used"])
    with torch.no_grad():
        assert torch.equal(restored(torch.tensor(stimuli)), model(torch.tensor(stimuli)))


def test_before_the_fit_a_model_answers_with_the_mean_response(stimuli):
    for name in MODELS:
        output = model_of(name, 3, mean=0.7)(torch.tensor(stimuli[:4]))
        assert output.shape == (4, 3) and torch.allclose(output, torch.tensor(0.7))


def test_gabor_features_are_the_outputs_of_the_filters(stimuli):
    amplitude = features_of(model_of("amplitude"), stimuli)
    rectified = features_of(model_of("rectified"), stimuli)
    n_filters = 4 * 2 * 3 * 3
    assert amplitude.shape == (N_IMAGES, n_filters)
    assert rectified.shape == (N_IMAGES, 2 * n_filters) and (rectified >= 0).all()
    # Second wavelength, second orientation (45 degrees), middle of the 3 x 3 places.
    number = (1 * 4 + 1) * 9 + 4
    pair = planted(stimuli, wavelength_px=7, sigma_px=3.5)
    assert np.allclose(amplitude[:, number], np.hypot(*pair.T), atol=1e-2)
    assert np.allclose(rectified[:, number], np.maximum(pair[:, 0], 0), atol=1e-2)
    assert np.allclose(rectified[:, n_filters + number], np.maximum(pair[:, 1], 0), atol=1e-2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "elastic"}, "'elastic', allowed: ridge, lasso"),
        ({"selection": "test"}, "'test', allowed: validation, fixed"),
        ({"alphas": []}, "one or more positive"),
        ({"alphas": [1.0, -1.0]}, "one or more positive"),
        ({"selection": "fixed"}, "takes exactly one"),
        ({"split": np.ones(N_IMAGES, dtype=np.int8)}, "needs validation images"),
        ({"responses": np.full((N_IMAGES, 1), np.nan)}, "neuron 0 has no response to image"),
    ],
)
def test_wrong_arguments_are_named(change, message, stimuli, split):
    arguments = {
        "responses": np.ones((N_IMAGES, 1)),
        "split": split,
        "method": "ridge",
        "alphas": [1.0, 2.0],
        "selection": "validation",
    } | change
    with pytest.raises(ValueError, match=message):
        fit_regression(model_of("pixels"), stimuli, **arguments)


def test_unknown_variant_and_colour_images_are_refused():
    build, params = MODELS["amplitude"]
    info = RecordingInfo((1, SIDE, SIDE), 1, np.zeros(1, dtype=np.float32))
    with pytest.raises(ValueError, match="'phase', allowed: amplitude, rectified"):
        build_model(build, info, params | {"variant": "phase"})
    colour = RecordingInfo((3, SIDE, SIDE), 1, np.zeros(1, dtype=np.float32))
    with pytest.raises(ValueError, match="3 channels, expected 1"):
        build_model(build, colour, params)
