"""comparison: dimension, time-scales and dynamics of recordings beside those of the networks."""

PARTS = range(config["comparison"]["distance_jobs"])

TARGETS += [f"{RUN}/comparison.zarr", f"{RUN}/comparison/similarity.zarr"]
TARGETS += [f"{RUN}/comparison/representations.zarr"]


rule comparison:
    input:
        dynamics=expand(f"{RUN}/dynamics/{{variant}}.zarr", variant=NETWORKS),
        recordings=session_stores,
    output:
        store=directory(f"{RUN}/comparison.zarr"),
    log:
        f"{RUN}/logs/comparison.log",
    benchmark:
        f"{RUN}/benchmarks/comparison.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(1000, per_input=4),
        runtime=minutes(10),
    params:
        settings=PLAN.settings("comparison"),
        code=PLAN.code("comparison"),
    message:
        "Comparing recordings and networks"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode comparison --out {output.store}"
        " $(for store in {input.dynamics}; do echo --dynamics $store; done)"
        " $(for store in {input.recordings}; do echo --recordings $store; done)"
        " --settings {params.settings:q} --log {log}"


rule comparison_dynamics:
    input:
        system=f"{RUN}/{{system}}.zarr",
        comparison=f"{RUN}/comparison.zarr",
    output:
        store=directory(f"{RUN}/comparison/systems/{{system}}.zarr"),
    log:
        f"{RUN}/logs/comparison_dynamics/{{system}}.log",
    benchmark:
        f"{RUN}/benchmarks/comparison_dynamics/{{system}}.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(600, per_input=12),
        runtime=minutes(5, per_megabyte=0.05),
    params:
        settings=PLAN.settings("comparison"),
        seed=SEED,
        code=PLAN.code("comparison.stage_similarity"),
    message:
        "Fitting the dynamics of {wildcards.system}"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode comparison-dynamics --system {input.system} --comparison {input.comparison}"
        " --out {output.store}"
        " --settings {params.settings:q} --seed {params.seed} --log {log}"


rule comparison_distances:
    input:
        systems=system_stores,
    output:
        store=directory(f"{RUN}/comparison/distances/{{part}}.zarr"),
    log:
        f"{RUN}/logs/comparison_distances_{{part}}.log",
    benchmark:
        f"{RUN}/benchmarks/comparison_distances_{{part}}.tsv"
    wildcard_constraints:
        part=r"\d+",
    threads: 2
    resources:
        mem_mb=megabytes(600, per_input=10),
        runtime=minutes(10, per_megabyte=5),
    params:
        settings=PLAN.settings("comparison"),
        seed=SEED,
        code=PLAN.code("comparison.stage_similarity"),
        parts=len(PARTS),
    message:
        "Measuring dynamical distances, part {wildcards.part}"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode comparison-distances --part {wildcards.part} --parts {params.parts}"
        " --out {output.store} $(printf -- '--systems %s ' {input.systems})"
        " --settings {params.settings:q} --seed {params.seed} --threads {threads} --log {log}"


rule comparison_similarity:
    input:
        systems=system_stores,
        distances=expand(f"{RUN}/comparison/distances/{{part}}.zarr", part=PARTS),
    output:
        store=directory(f"{RUN}/comparison/similarity.zarr"),
    log:
        f"{RUN}/logs/comparison_similarity.log",
    benchmark:
        f"{RUN}/benchmarks/comparison_similarity.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(600),
        runtime=minutes(5),
    params:
        code=PLAN.code("comparison.stage_similarity"),
    message:
        "Collecting the dynamical distances"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode comparison-similarity --out {output.store}"
        " $(printf -- '--systems %s ' {input.systems})"
        " $(printf -- '--distances %s ' {input.distances}) --log {log}"


rule comparison_representations:
    input:
        recordings=session_stores,
    output:
        store=directory(f"{RUN}/comparison/representations.zarr"),
    log:
        f"{RUN}/logs/comparison_representations.log",
    benchmark:
        f"{RUN}/benchmarks/comparison_representations.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(800, per_input=8),
        runtime=minutes(10, per_megabyte=0.5),
    params:
        settings=PLAN.settings("comparison"),
        seed=SEED,
        code=PLAN.code("comparison.stage_representations"),
    message:
        "Comparing what populations make of stimuli"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode comparison-representations --out {output.store}"
        " $(for store in {input.recordings}; do echo --recordings $store; done)"
        " --settings {params.settings:q} --seed {params.seed} --log {log}"
