"""How steps are called, and how the rules write their command lines."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest

from v1lib.steps import Gpu, Input, Inputs, Output, Threads, call


def step(
    *, data: Input, scores: Inputs, out: Output, name: str, settings: dict, rate: float,
    flag: bool, threads: Threads, gpu: Gpu,
) -> None:  # fmt: skip
    """A step that hands back what it was given."""
    step.given = dict(locals())


OPTIONS = {
    "--data": ["a.npz"],
    "--scores": ["b.csv", "c.csv"],
    "--out": ["d.csv"],
    "--name": ["12"],
    "--settings": ['{"n": [1, 2]}'],
    "--rate": ["1"],
    "--flag": ["true"],
    "--threads": ["2"],
    "--gpu": ["0"],
}


def words(**changes):
    options = OPTIONS | {f"--{name}": value for name, value in changes.items()}
    return [word for name, values in options.items() for word in (name, *values)]


def test_options_become_arguments_of_their_types():
    call(step, words(), "step")
    assert step.given == {
        "data": Path("a.npz"),
        "scores": [Path("b.csv"), Path("c.csv")],
        "out": Path("d.csv"),
        "name": "12",
        "settings": {"n": [1, 2]},
        "rate": 1.0,
        "flag": True,
        "threads": 2,
        "gpu": 0,
    }


def test_an_empty_list_of_files_is_a_list():
    call(step, words(scores=[]), "step")
    assert step.given["scores"] == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"settings": ["{'n': 1}"]}, "is not JSON"),
        ({"settings": ["[1]"]}, "is not of type dict"),
        ({"flag": ["1"]}, "is not of type bool"),
        ({"rate": ["true"]}, "is not of type float"),
        ({"colour": ["red"]}, "unrecognized arguments: --colour red"),
    ],
)
def test_wrong_options_are_refused_with_a_reason(capsys, change, message):
    with pytest.raises(SystemExit):
        call(step, words(**change), "step")
    assert message in capsys.readouterr().err


def test_a_missing_option_is_named(capsys):
    with pytest.raises(SystemExit):
        call(step, words()[2:], "step")
    assert "--data" in capsys.readouterr().err


@pytest.fixture
def program():
    """The program that runs steps."""
    path = Path(__file__).resolve().parents[1] / "scripts" / "__main__.py"
    spec = importlib.util.spec_from_file_location("scripts_main", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_step_runs_once_for_each_set_of_options(program, monkeypatch):
    seen = []
    monkeypatch.setattr(program.importlib, "import_module", lambda name: SimpleNamespace(main=step))
    monkeypatch.setattr(program, "call", lambda *given: seen.append(given))
    monkeypatch.setattr(program, "set_up_logging", lambda: None)
    assert program.run(["score", "--a", "1", "2", "--", "--a", "3", "--", "--b"]) == 0
    assert program.run(["score"]) == 0  # the step says which options are missing
    assert [words for _, words, _ in seen] == [["--a", "1", "2"], ["--a", "3"], ["--b"], []]
    assert {(main, name) for main, _, name in seen} == {(step, "score")}


def test_unknown_steps_are_answered_with_a_list(program, capsys):
    assert program.run(["trian"]) == 2
    said = capsys.readouterr().err
    assert "no step is called 'trian'" in said
    assert "train_responses" in said
    assert "figures.kindel2019_k4_population" in said
