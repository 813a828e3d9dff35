# Four papers on primary visual cortex, from raw recordings to figures and tables.
#   snakemake --cores 8 --resources gpu=1        everything
#   snakemake --cores 8 kindel2019               one paper
#   snakemake --cores 8 results/kindel2019/k4_population.png
from snakemake.utils import min_version

min_version("9.19")


configfile: workflow.source_path("config.yaml")


include: "rules/configuration.smk"
include: "rules/common.smk"


say_what_is_left_out()


report: "report/workflow.rst"


wildcard_constraints:
    source="|".join(config["sources"]),
    dataset="|".join(config["datasets"]),
    model="|".join(config["models"]),
    networks="|".join([*config["models"], *config["compute"]["together"]]),
    block=r"seeds\d+-\d+",
    seed=r"\d+",
    session=r"[0-9a-z]+",


include: "rules/data.smk"
include: "rules/train.smk"
include: "rules/evaluate.smk"
include: "rules/insilico.smk"
include: "rules/v1_alignment.smk"
include: "rules/classifiers.smk"


for paper in config["papers"]:

    include: f"rules/{paper}.smk"


include: "rules/report.smk"


rule all:
    default_target: True
    input:
        [getattr(rules, paper).input for paper in available_papers],
        rules.report_all.input,
    localrule: True
