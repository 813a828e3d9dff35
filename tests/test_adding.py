"""The page on adding things, followed literally in a copy of the project."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from project_copy import ROOT, ProjectCopy

PAGE = (ROOT / "docs" / "adding.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)

pytestmark = [pytest.mark.workflow, pytest.mark.slow]


def blocks(title):
    """Code blocks of a section, in order."""
    section = PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]
    return BLOCK.findall(section)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return ProjectCopy(tmp_path_factory.mktemp("project"))


def follow(project, title):
    """Write the files of a section and run its command; the file that it asks for."""
    target = None
    for kind, text in blocks(title):
        if kind == "sh":
            target = run(project, shlex.split(text))
            continue
        heading, content = text.split("\n", 1)
        if added := re.fullmatch(r"# added to (\S+)", heading):
            path = project.root / added[1]
            path.write_text(path.read_text() + "\n\n" + content)
        else:
            (project.root / heading.removeprefix("# ")).write_text(content)
    return target


def run(project, words):
    assert words[0] == "snakemake"
    profile = ["--workflow-profile", str(project.root / "profiles" / "cpu")]
    done = subprocess.run(
        [sys.executable, "-m", *words[:-2], *profile, *words[-2:]],
        cwd=project.root,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return project.root / words[-1]


def test_a_dataset(project):
    scores = follow(project, "A dataset").read_text()
    assert "kindel2019_simulated_session03,kindel2019_ridge,1,03" in scores


def test_a_model(project):
    scores = follow(project, "A model").read_text()
    assert "kindel2019_simulated,my_energy,0,02" in scores


def test_a_metric(project):
    assert ",mean_prediction," in follow(project, "A metric").read_text()


def test_a_figure(project):
    figure: Path = follow(project, "A figure")
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert figure.with_suffix(".csv").exists()
