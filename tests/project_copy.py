"""A copy of this project in which tests may run, edit and break the workflow."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
SOURCES = (
    *("Snakefile", "config.yaml", "config.schema.yaml", "demo/config.yaml"),
    *("rules", "scripts", "report", "envs", "profiles"),
)
LEFT_OUT = shutil.ignore_patterns("__pycache__")


class ProjectCopy:
    """The files of the workflow under ``root``; it runs in ``root/run`` with small settings."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.run = root / "run"
        self.run.mkdir(parents=True)
        for name in SOURCES:
            source, target = ROOT / name, root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=LEFT_OUT)
            else:
                shutil.copy(source, target)

    def snakemake(
        self,
        *options: str,
        settings: tuple[dict, ...] = (),
        profile: str = "cpu",
        environment: dict[str, str] | None = None,
    ) -> subprocess.CompletedProcess:
        """Run Snakemake on the copy; ``settings`` are merged over the demo's, one after another.

        Targets must stand first in ``options``. Nothing is asserted about the outcome.
        """
        files = [self.root / "demo/config.yaml"]
        for number, setting in enumerate(settings):
            files.append(self.root / f"settings{number}.yaml")
            files[-1].write_text(yaml.safe_dump(setting))
        command = [
            *(sys.executable, "-m", "snakemake", *options),
            *("--snakefile", str(self.root / "Snakefile"), "--directory", str(self.run)),
            *("--workflow-profile", str(self.root / "profiles" / profile)),
            *("--configfile", *map(str, files)),
        ]
        return subprocess.run(
            command, cwd=self.root, env=environment, capture_output=True, text=True, timeout=900
        )

    def planned(self, *options: str, settings: tuple[dict, ...] = ()) -> dict[str, list[str]]:
        """Outputs of the jobs that would run, by rule."""
        done = self.snakemake(*options, "--dry-run", settings=settings)
        assert done.returncode == 0, done.stdout + done.stderr
        return planned_jobs(done.stdout + done.stderr)


def planned_jobs(text: str) -> dict[str, list[str]]:
    """Outputs by rule as a dry run prints them (rules without outputs have an empty list)."""
    jobs: dict[str, list[str]] = {}
    for block in re.split(r"^\[.*\]$\n", text, flags=re.MULTILINE)[1:]:
        rule = re.match(r"(?:local)?rule (\w+):", block)
        if rule:
            output = re.search(r"^    output: (.*)$", block, flags=re.MULTILINE)
            jobs.setdefault(rule[1], []).extend(output[1].split(", ") if output else [])
    return jobs
