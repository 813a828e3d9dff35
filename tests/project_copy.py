"""A copy of this project in which tests may run, edit and break the workflow."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
SOURCES = (
    *("Snakefile", "config.yaml", "config.schema.yaml", "demo/config.yaml", "published"),
    *("rules", "scripts", "report", "envs", "profiles"),
)
LEFT_OUT = shutil.ignore_patterns("__pycache__")

# The demo in a minute: the same jobs on fewer images, with networks that hardly train.
_SHORT = {"max_steps": 40, "evaluate_every": 10}
_SHORTER = {"max_steps": 20, "evaluate_every": 10, "evaluate_offset": 9}
_ONE_EPOCH = {"training": {"max_epochs": 1}}
_SHORT_FOR_ALL = _SHORT | {"max_steps_by_session": {"08": 40, "10": 40}}
TINY = {
    "sources": {
        "kindel2019_simulated": {
            "settings": {"sessions": {"01": 4, "02": 4, "03": 4}, "n_images": 60}
        },
        "cadena2019_simulated": {"settings": {"stimuli": {"n_photographs": 60}}},
    },
    "models": {
        "kindel2019_cnn": {
            "params": {"conv1": {"filters": 4}, "conv2": {"filters": 4}, "hidden_units": 20},
            "training": _SHORT,
        },
        "kindel2019_lnln": {"training": _SHORT_FOR_ALL},
        "kindel2019_ln": {"training": _SHORT},
        "kindel2019_cnn_search": {"training": {"max_steps": 20}},
        "kindel2019_lnln_search": {"training": _SHORT_FOR_ALL},
        "burg2021_subunit_net": {"training": _SHORTER},
        "burg2021_cnn3": {"training": _SHORTER},
        "burg2021_divisive_net": {"training": _SHORTER},
        "burg2021_divisive_3x3_surround_net": {"training": _SHORTER},
        "burg2021_lnp": {"training": _SHORTER},
        "burg2021_gabor_filter_bank": {"training": _SHORTER},
        "burg2021_cadena2019_cnn": {"training": _SHORTER},
        "lurz2021_core": _ONE_EPOCH,
        "lurz2021_random_vgg16": _ONE_EPOCH,
        "lurz2021_random_vgg16_search": _ONE_EPOCH,
        "lurz2021_gaussian": _ONE_EPOCH,
        "lurz2021_gaussian_search": _ONE_EPOCH,
        "lurz2021_factorised": _ONE_EPOCH,
        "lurz2021_factorised_search": _ONE_EPOCH,
        "pogoncheff2023_resnet50": {"training": {"max_epochs": 1, "milestones": [1]}},
    },
    "papers": {
        "kindel2019": {"preferred_images": {"n_steps": 3}},
        "burg2021": {"optimal_gabor": {"location_step": 4, "n_orientations": 4}},
        "pogoncheff2023": {"activating_images": {"n_steps": 2}},
    },
    "compute": {"seeds_per_job": {"kindel2019_cnn": 1}},  # blocks of several sizes
}


class ProjectCopy:
    """The files of the workflow under ``root``; it runs in ``root/run`` with small settings."""

    def __init__(self, root: Path, *, of: Path = ROOT) -> None:
        """Copy the files of this project, or of another copy with all that it has made."""
        self.root = root
        self.run = root / "run"
        for name in (*SOURCES, "run") if of != ROOT else SOURCES:
            source, target = of / name, root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=LEFT_OUT)
            else:
                shutil.copy(source, target)
        self.run.mkdir(exist_ok=True)

    def snakemake(
        self,
        *options: str,
        settings: tuple[dict, ...] = (),
        demo: bool = True,
        profile: str = "cpu",
        environment: dict[str, str] | None = None,
    ) -> subprocess.CompletedProcess:
        """Run Snakemake on the copy; nothing is asserted about the outcome.

        Args:
            options: targets first, because some options take all that follows.
            settings: laid over the configuration, one after another.
            demo: lay the demo's settings under them.
            profile: name of one of the profiles.
            environment: of the process, when not this one's.
        """
        files = [self.root / "demo/config.yaml"] if demo else []
        for number, setting in enumerate(settings):
            files.append(self.root / f"settings{number}.yaml")
            files[-1].write_text(yaml.safe_dump(setting))
        command = [
            *(sys.executable, "-m", "snakemake", *options),
            *("--snakefile", str(self.root / "Snakefile"), "--directory", str(self.run)),
            *("--workflow-profile", str(self.root / "profiles" / profile)),
            *(["--configfile", *map(str, files)] if files else []),
        ]
        return subprocess.run(
            command, cwd=self.root, env=environment, capture_output=True, text=True, timeout=3000
        )

    def planned(
        self, *options: str, settings: tuple[dict, ...] = (), demo: bool = True
    ) -> dict[str, list[str]]:
        """Outputs of the jobs that would run, by rule."""
        done = self.snakemake(*options, "--dry-run", settings=settings, demo=demo)
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
