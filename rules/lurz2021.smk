# Figures, tables and claims of Lurz et al. 2021 (ICLR).


include: "lurz2021_inputs.smk"
include: "lurz2021_parameters.smk"


rule lurz2021:
    input:
        lurz_populations(*lurz["runs"]),
        lurz_results,
    localrule: True
