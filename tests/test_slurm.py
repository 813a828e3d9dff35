"""The cluster profile on a real, throw-away Slurm."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from project_copy import TINY, ProjectCopy
from slurm_cluster import SlurmCluster, missing_programs

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[1]

# Each training waits for the other: they can only end when both hold a GPU at once. The first
# attempt fails.
SNAKEFILE = """
rule all:
    localrule: True
    input: expand("trained/{seed}.txt", seed=range(2))

rule prepare:
    output: "prepared.txt"
    shell: "echo prepared > {output}"

rule train:
    input: "prepared.txt"
    output: "trained/{seed}.txt"
    resources:
        gpu=1,
        mem_mb=lambda wildcards, attempt: 300 * attempt,
        attempt=lambda wildcards, attempt: attempt,
    shell:
        "[ {resources.attempt} -eq 2 ] || exit 1; "
        "touch here.{wildcards.seed}; "
        "for i in $(seq 90); do [ -e here.0 ] && [ -e here.1 ] && break; sleep 1; done; "
        "[ -e here.0 ] && [ -e here.1 ] && echo $CUDA_VISIBLE_DEVICES > {output}"
"""


# The state of jobs is asked for early, and of squeue, because there is no accounting.
ASK_SOON = (
    *("--slurm-status-command", "squeue"),
    *("--slurm-init-seconds-before-status-checks", "8"),
    *("--latency-wait", "15"),
)


@pytest.fixture(scope="module")
def cluster() -> Iterator[SlurmCluster]:
    """A running cluster for the tests of this file."""
    if missing := missing_programs():
        pytest.skip(f"Slurm is not installed (no {', '.join(missing)})")
    pytest.importorskip("snakemake_executor_plugin_slurm")
    cluster = SlurmCluster()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def submit(cluster: SlurmCluster, folder: Path, *options: str) -> subprocess.CompletedProcess:
    """Run Snakemake with the cluster profile."""
    profile = str(ROOT / "profiles" / "slurm")
    command = [sys.executable, "-m", "snakemake", *options, "--profile", profile, *ASK_SOON]
    return subprocess.run(
        command, cwd=folder, env=cluster.environment, capture_output=True, text=True, timeout=900
    )


def jobs_in(cluster: SlurmCluster, folder: Path, rule: str) -> list[dict[str, str]]:
    """What the jobs of a rule, or of a group with it, asked for."""
    jobs = [job for job in cluster.requests().values() if job["WorkDir"] == str(folder)]
    return [job for job in jobs if rule in job["Comment"]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The small workflow above with this project's default profile beside it."""
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    shutil.copytree(ROOT / "profiles" / "default", tmp_path / "profiles" / "default")
    return tmp_path


def test_training_jobs_hold_one_gpu_each_at_once_and_return_with_more_memory(cluster, folder):
    run = submit(cluster, folder)

    assert run.returncode == 0, run.stdout + run.stderr
    devices = {(folder / f"trained/{seed}.txt").read_text().strip() for seed in range(2)}
    assert devices == {"0", "1"}
    trainings = jobs_in(cluster, folder, "rule_train")
    assert sorted(job["MinMemoryNode"] for job in trainings) == ["300M"] * 2 + ["600M"] * 2
    assert all(job["TresPerJob"].endswith("gpu:1") for job in trainings)
    (prepare,) = jobs_in(cluster, folder, "rule_prepare")
    assert "TresPerJob" not in prepare


def test_the_workflow_runs_on_the_cluster(cluster, tmp_path):
    """From simulated recordings to scores; the GPU is a pretend one, so training uses the CPU."""
    project = ProjectCopy(tmp_path)
    scores = "results/kindel2019_simulated/kindel2019_ln/scores.csv"
    run = project.snakemake(
        *(scores, *ASK_SOON),
        settings=(TINY, {"compute": {"gpu": 1, "device": "cpu"}}),
        profile="slurm",
        environment=cluster.environment,
    )

    assert run.returncode == 0, run.stdout + run.stderr
    assert ",correlation," in (project.run / scores).read_text()
    (training,) = jobs_in(cluster, project.run, "train_responses")
    assert training["TresPerJob"].endswith("gpu:1")
    (evaluation,) = jobs_in(cluster, project.run, "predict")
    assert evaluation == jobs_in(cluster, project.run, "score")[0]
    assert "TresPerJob" not in evaluation
