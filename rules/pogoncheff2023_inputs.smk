# What the rules of Pogoncheff et al. 2023 share; no rules here.
pogoncheff = config["papers"]["pogoncheff2023"]
pogoncheff_report = partial(paper_report, "pogoncheff2023")

# What the target pogoncheff2023 asks for; every file of rules adds its results.
pogoncheff_results = []
