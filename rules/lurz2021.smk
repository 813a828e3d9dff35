# Figures, tables and claims of Lurz et al. 2021 (ICLR).


include: "lurz2021_inputs.smk"


rule lurz2021:
    input:
        lurz_populations(*lurz["runs"]),
    localrule: True
