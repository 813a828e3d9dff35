"""Tables of Lurz 2021: claims with their verdicts, and our values beside the published ones."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import made_up_populations as made
from made_up_scans import scans_in
from tables import collect_claims, compare_with_paper, lurz2021_claims, lurz2021_measured
from v1lib.claims import CLAIM_COLUMNS
from v1lib.files import read_csv, write_csv, write_json
from v1lib.lurz2021_published import published_curve, published_points

PUBLISHED = Path(__file__).resolve().parents[1] / "report" / "published_values.csv"
PROXY = "one scan in the place of four matched ones"
MATCHED, SINGLE = "lurz2020_4", "lurz2020_1"
RATIOS = {  # of the published curves, reference section 1.1
    "C1": 100 * (0.884 / 0.824 - 1),
    "C2": 100 * (0.838 / 0.748 - 1),
    "C3": 100 * (0.838 / 0.632 - 1),
    "C4": 100 * (1000 + 1500 * (0.748 - 0.680) / (0.784 - 0.680)) / 4472,
}
OFFSETS = np.array([-0.004, -0.002, 0.0, 0.002, 0.004])


def around(mean):
    """Five replicates with exactly this mean."""
    return (mean + OFFSETS)[:, None]


def published_models(figure, models):
    """Scores around the published curves, by model; points that are hidden there are missing."""
    points = published_points(PUBLISHED, figure).fillna({"neurons": 5335})
    for label, model in models.items():
        rows = points[points["curve"] == published_curve(label)]
        yield (
            model,
            {
                (int(row.total_images), int(row.neurons)): around(row.value)
                for row in rows.itertuples()
            },
        )


class MadeUp:
    """Populations with the published means, in a folder, and the tables made of them."""

    def __init__(self, folder, kind, *, factor=1.0):
        self.folder, self.kind, self.factor = folder, kind, factor
        self.files, self.records = [], []
        for model, scores in published_models("fig5", made.FIG5):
            self.add(model, scores, n_scans=1)
        for n_scans in (4, 1):
            for model, scores in published_models("fig3", made.FIG3):
                of_scan = {(n // 4, neurons): value for (n, neurons), value in scores.items()}
                self.add(model, of_scan, n_scans=n_scans)
            for readout, figure in (("factorised", "fig4a"), ("gaussian", "fig4b")):
                for model, scores in published_models(figure, made.FIG4[readout]):
                    self.add_transfer(model, scores, n_scans)
        scans_in(folder / "scans", (7,))
        self.parameters = folder / "parameters.csv"
        write_csv(parameters(kind), self.parameters)

    def add(self, model, scores, *, n_scans):
        scaled = {point: self.factor * values for point, values in scores.items()}
        table = made.population(model, scaled, n_scans=n_scans, kind=self.kind)
        table["dataset"] = SINGLE if n_scans == 1 else MATCHED
        self.files.append(self.folder / f"{len(self.files)}.csv")
        write_csv(table, self.files[-1])
        return table

    def add_transfer(self, model, scores, n_scans):
        """diff_core has all images, and a record of those of its core."""
        of_scan = {(n // 4, 1000): values for (n, _), values in scores.items()}
        if "diff_core" not in model:
            self.add(model, of_scan, n_scans=n_scans)
            return
        values = [list(value) for of_one in of_scan.values() for value in of_one]
        table = self.add(model, {(4399, 1000): np.array(values)}, n_scans=n_scans)
        images = [n for n, _ in of_scan for _ in OFFSETS]
        table["replicate"] = table["seed"] % len(OFFSETS)
        write_csv(table, self.files[-1])
        draws = [
            {"dataset": table["dataset"].iloc[0], "model": model, "seed": seed}
            | {"draw": {"images": None if n == 4399 else n, "replicate": seed % len(OFFSETS)}}
            for seed, n in enumerate(images)
        ]
        self.records.append(self.folder / f"{n_scans}.{model}.json")
        write_json(draws, self.records[-1])

    def options(self, **more):
        evaluation = {
            "dataset": SINGLE,
            "source_kind": self.kind,
            "models": made.FIG5,
            "missing": {},
            "unreduced": ["direct"],
        }
        common = {"source_kind": self.kind, "models": made.FIG3, "transfer": made.FIG4}
        common |= {"missing": {}, "ablation": {}}
        return {
            "populations": self.files,
            "records": self.records,
            "parameters": self.parameters,
            "evaluations": [evaluation],
            "collections": [
                common | {"dataset": MATCHED, "proxy": []},
                common | {"dataset": SINGLE, "proxy": [PROXY], "name": "single"},
            ],
            "bootstrap_seed": 0,
        } | more

    def claims(self, **more):
        path = self.folder / "claims.csv"
        options = {"score": "fraction_oracle", "least_replicates": 3} | self.options(**more)
        lurz2021_claims.main(claims=path, **options)
        return read_csv(path, required=CLAIM_COLUMNS).set_index("claim")

    def compared(self, **more):
        measured, page = self.folder / "measured.csv", self.folder / "comparison.md"
        options = self.options(**more) | {"recording": self.folder / "scans"}
        (options["evaluation"],) = options.pop("evaluations")
        lurz2021_measured.main(published=PUBLISHED, measured=measured, **options)
        table = self.folder / "comparison.csv"
        compare_with_paper.main(
            published=PUBLISHED, measured=[measured], comparison=table, markdown=page
        )
        rows = read_csv(table)
        return rows[rows["paper"] == "lurz2021"].set_index("id")


def parameters(kind):
    rows = {"fully_connected": 70400, "factorised": 1164, "gaussian_free": 71}
    rows |= {"gaussian_retinotopic": 69}
    size = {"channels": 64, "height": 22, "width": 50, "n_neurons": 5335, "core": 71936}
    table = pd.DataFrame({"readout": list(rows), "per_neuron": list(rows.values())})
    return table.assign(is_comparable=True, source_kind=kind, **size)


@pytest.fixture(scope="module", params=["real", "simulated"])
def made_up(request, tmp_path_factory):
    return MadeUp(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    return MadeUp(tmp_path_factory.mktemp("real"), "real")


def test_the_published_curves_support_the_claims(made_up):
    table = made_up.claims()
    names = ["C1", "C1 (single)", "C2", "C3", "C4", "C5", "C6", "C6 (single)"]
    assert table.index.tolist() == names
    assert set(table["source_kind"]) == {made_up.kind}
    for claim, value in RATIOS.items():
        row = table.loc[claim]
        assert row["effect"] == pytest.approx(value)
        assert row["low"] <= row["effect"] <= row["high"]
        assert row["verdict"] == "supported" and row["n"] == 5
    assert table.loc["C5", "effect"] == pytest.approx(1164 / 69)
    assert "1.2 orders of magnitude" in table.loc["C5", "note"]
    # mean of .291-.359, .659-.611, .789-.713, .835-.780, .872-.854
    assert table.loc["C6", "effect"] == pytest.approx(0.0258)
    assert "factorised readout +0.003" in table.loc["C6", "note"]
    assert table.loc["C6", "verdict"] == "supported"
    assert "17,596 images, 3,597 neurons per scan" in table.loc["C1", "note"]


def test_a_second_variant_adds_its_name(real):
    (evaluation,) = real.options()["evaluations"]
    table = real.claims(evaluations=[evaluation, evaluation | {"name": "public"}])
    names = ("C2", "C3", "C4")
    assert all(f"{name} (public)" in table.index and name in table.index for name in names)


def test_a_proxy_says_so_and_has_rows_of_its_own(made_up):
    table = made_up.claims()
    proxy = table.index.str.endswith("(single)")
    assert table.loc[proxy, "note"].str.startswith(f"proxy, {PROXY}; ").all()
    assert not table.loc[~proxy, "note"].str.contains("proxy").any()
    collect_claims.main(
        claims=[made_up.folder / "claims.csv"], collected=made_up.folder / "collected.csv"
    )


def test_exchanged_models_contradict_the_claims(real):
    """Negative control: the transferred core is called direct, the factorised readout Gaussian."""
    fig5 = made.FIG5 | {"11-S": made.FIG5["direct"], "direct": made.FIG5["11-S"]}
    fig5["VGG16"] = made.FIG5["11-S"]
    fig3 = {"Gaussian w/ f-s": made.FIG3["Factorised w/o f-s"]}
    fig3["Factorised w/o f-s"] = made.FIG3["Gaussian w/ f-s"]
    options = real.options()
    matched = options["collections"][0]
    readouts = {"gaussian": made.FIG4["factorised"], "factorised": made.FIG4["gaussian"]}
    table = real.claims(
        evaluations=[options["evaluations"][0] | {"models": fig5}],
        collections=[matched | {"models": fig3, "transfer": readouts}],
    )
    assert set(table.loc[["C1", "C2", "C3", "C4", "C6"], "verdict"]) == {"contradicted"}
    assert "not reached with any number of images" in table.loc["C4", "note"]
    assert math.isnan(table.loc["C4", "effect"])


def test_missing_curves_are_not_tested_with_the_reason(real):
    options = real.options()
    fig5 = {label: model for label, model in made.FIG5.items() if label != "11-S"}
    why = {"11-S": "source lurz2021_core is switched off"}
    transfer = {"gaussian": made.FIG4["gaussian"]}
    table = real.claims(
        evaluations=[options["evaluations"][0] | {"models": fig5, "missing": why}],
        collections=[options["collections"][0] | {"models": {}, "transfer": transfer}],
    )
    untested = table.loc[["C1", "C2", "C3", "C4", "C6"]]
    assert set(untested["verdict"]) == {"not tested"} and untested["effect"].isna().all()
    assert table.loc["C2", "note"] == "11-S: source lurz2021_core is switched off"
    assert table.loc["C6", "note"].startswith("no pair of transfer curves of the factorised")
    assert "no run ended well" in table.loc["C1", "note"]


def test_readouts_are_compared_over_the_replicates_of_both(real, tmp_path):
    """The factorised readout lacks replicates of which the Gaussian one has the largest gain."""
    factorised, paths = set(made.FIG4["factorised"].values()), []
    for file in real.files:
        table = read_csv(file)
        if set(table["model"]) & factorised:
            table = table[table["replicate"] < 3]
        elif set(table["model"]) & {made.FIG4["gaussian"]["best_core"]}:
            raised = (table["replicate"] >= 3) & (table["metric"] == "fraction_oracle")
            table.loc[raised, "value"] += 0.5
        paths.append(tmp_path / file.name)
        write_csv(table, paths[-1])
    claim = real.claims(populations=paths).loc["C6"]
    assert claim["n"] == 3 and claim["effect"] < 0.1 and claim["high"] < 0.1


def test_one_replicate_has_an_effect_and_no_verdict(tmp_path):
    for number, (label, mean) in enumerate({"direct": 0.7, "11-S": 0.8, "VGG16": 0.6}.items()):
        points = {(50, 10): [[mean - 0.4]], (300, 10): [[mean]]}
        table = made.population(made.FIG5[label], points, kind="simulated")
        write_csv(table.assign(dataset=SINGLE), tmp_path / f"{number}.csv")
    write_csv(parameters("simulated"), tmp_path / "parameters.csv")
    lurz2021_claims.main(
        populations=sorted(tmp_path.glob("?.csv")),
        records=[],
        parameters=tmp_path / "parameters.csv",
        claims=tmp_path / "claims.csv",
        evaluations=[
            {"dataset": SINGLE, "source_kind": "simulated", "missing": {}, "models": made.FIG5}
        ],
        collections=[],
        score="fraction_oracle",
        least_replicates=2,
        bootstrap_seed=0,
    )
    table = read_csv(tmp_path / "claims.csv").set_index("claim")
    assert table.loc["C2", "effect"] == pytest.approx(100 * (0.8 / 0.7 - 1))
    assert table.loc["C4", "effect"] == pytest.approx(100 * (50 + 250 * 0.3 / 0.4) / 300)
    assert set(table.loc[["C2", "C3", "C4"], "verdict"]) == {"not tested"}
    few = "; 1 replicate: fewer than 2 are too few to test it"
    assert table.loc[["C2", "C3", "C4"], "note"].str.endswith(few).all()


@pytest.mark.parametrize(("least", "verdict"), [(5, "supported"), (6, "not tested")])
def test_with_too_few_replicates_claims_have_effects_and_no_verdict(real, least, verdict):
    enough = real.claims()
    table = real.claims(least_replicates=least)
    over_replicates = table.index != "C5"
    assert set(table.loc[~over_replicates, "verdict"]) == {"supported"}  # counted
    names = ["C1", "C2", "C3", "C4", "C6"]
    assert set(table.loc[names, "verdict"]) == {verdict}
    numbers = ["n", "effect", "low", "high"]
    pd.testing.assert_frame_equal(table[numbers], enough[numbers])
    few = f"; 5 replicates: fewer than {least} are too few to test it"
    assert (table["note"].str.endswith(few) == (over_replicates & (least > 5))).all()


def test_equal_results_are_reproduced(real):
    rows = real.compared()
    assert len(rows) == 251
    points = rows[rows["item"].isin(["Fig3", "Fig4A", "Fig4B", "Fig5"])]
    points = points[points["metric"] == "fraction oracle (test)"]
    assert len(points) == 140 and set(points["verdict"]) == {"reproduced"}
    assert points["difference"].abs().max() < 1e-6
    for name in ("fig5.ratio_11_s_direct", "fig5.ratio_11_s_vgg16", "core.n_parameters"):
        assert rows.loc[f"lurz2021.{name}", "verdict"] == "reproduced"
    assert rows.loc["lurz2021.fig3.ratio_gaussian_factorised", "verdict"] == "reproduced"
    efficiency = rows.loc["lurz2021.claim.data_efficiency_percent"]
    assert efficiency["ours"] == pytest.approx(RATIOS["C4"])
    # the facts are those of a made-up scan
    assert rows.loc["lurz2021.data.n_neurons", ["ours", "verdict"]].tolist() == [7, "differs"]
    assert rows.loc["lurz2021.data.n_trials", "ours"] == 51
    run = rows.loc["lurz2021.fig5.11_s.run_2_fraction_oracle"]
    assert run["ours"] == pytest.approx(0.838 - 0.002)


def test_other_results_differ(tmp_path):
    """Negative control."""
    rows = MadeUp(tmp_path, "real", factor=0.8).compared()
    points = rows[(rows["item"] == "Fig5") & (rows["published"] > 0.2)]
    points = points[points["metric"] == "fraction oracle (test)"]
    assert set(points["verdict"]) == {"differs"}


def test_simulated_results_and_proxies_are_never_compared(made_up):
    rows = made_up.compared(collections=made_up.options()["collections"][1:])
    of_collections = rows[rows["item"].isin(["Fig3", "Fig3 derived ratio", "Fig4A", "Fig4B"])]
    assert set(of_collections["verdict"]) == {"not run"} and of_collections["ours"].isna().all()
    if made_up.kind == "simulated":
        assert set(rows["verdict"]) == {"not run"} and rows["ours"].isna().all()


def test_cores_of_another_width_than_the_papers_are_not_comparable(real):
    (entry,) = real.options()["evaluations"]
    rows = real.compared(evaluations=[entry | {"altered": ["random core, narrow"]}])
    narrow, wide = (rows.loc[f"lurz2021.fig5.random_core_{n}.images_2500"] for n in (64, 128))
    assert narrow["verdict"] == "not comparable"
    assert narrow["reason"] == "a core of another width than the paper's"
    assert wide["verdict"] == "reproduced"


def test_another_number_of_images_is_not_comparable(real):
    paths = [real.folder / "small" / path.name for path in real.files]
    for whole, small in zip(real.files, paths, strict=True):
        table = read_csv(whole)
        write_csv(table[table["images"] < 4000], small)
    rows = real.compared(populations=paths, collections=[])
    row = rows.loc["lurz2021.fig5.ratio_11_s_direct"]
    assert row["verdict"] == "not comparable"
    assert row["reason"] == "with 2500 images, published with 4472"
    assert rows.loc["lurz2021.fig5.direct.images_2500", "verdict"] == "reproduced"
    assert rows.loc["lurz2021.fig5.direct.images_4472", "verdict"] == "not run"
