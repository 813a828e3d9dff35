# Figures, tables and claims of Pogoncheff et al. 2023 (NeurIPS 36).


include: "pogoncheff2023_inputs.smk"
include: "pogoncheff2023_alignment.smk"
include: "pogoncheff2023_accuracy.smk"
include: "pogoncheff2023_analyses.smk"
include: "pogoncheff2023_alexnet.smk"
include: "pogoncheff2023_recovery.smk"
include: "pogoncheff2023_judged.smk"


rule pogoncheff2023:
    input:
        pogoncheff_results,
    localrule: True
