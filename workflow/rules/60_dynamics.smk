"""dynamics: simulation of each network beside the mean-field theory, and of networks drawn anew."""

import re

# all networks, those of further connectomes as <name>/<variant>
SIMULATED = [*NETWORKS, *OTHER_NETWORKS]
TARGETS += expand(f"{RUN}/dynamics/{{variant}}.zarr", variant=SIMULATED)
# sizes of networks drawn anew, and the ensembles they are drawn from
NETWORK_SIZES = sorted(set(config["dynamics"]["scaling_units"]))
ENSEMBLES = [variant for variant in ["random_mode", "independent"] if variant in NETWORKS]
BY_SIZE = ["scaling"] if NETWORK_SIZES and ENSEMBLES else []
BY_RANK = ["effective_rank"] if NETWORK_SIZES and config["dynamics"]["effective_ranks"] else []
TARGETS += expand(f"{RUN}/dynamics/{{store}}.zarr", store=[*BY_SIZE, *BY_RANK])


rule dynamics:
    input:
        network=f"{RUN}/network/{{variant}}.zarr",
    output:
        store=directory(f"{RUN}/dynamics/{{variant}}.zarr"),
    log:
        f"{RUN}/logs/dynamics_{{variant}}.log",
    benchmark:
        f"{RUN}/benchmarks/dynamics_{{variant}}.tsv"
    wildcard_constraints:
        variant="|".join(map(re.escape, SIMULATED)),
    threads: 2
    resources:
        mem_mb=megabytes(1500, per_input=20),
        runtime=minutes(30),
    params:
        settings=PLAN.settings("dynamics"),
        seed=SEED,
        code=PLAN.code("dynamics"),
    message:
        "Simulating the network {wildcards.variant}"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode dynamics --network {input.network} --out {output.store}"
        " --settings {params.settings:q} --seed {params.seed} --threads {threads} --log {log}"


rule dynamics_size:
    input:
        networks=expand(f"{RUN}/network/{{variant}}.zarr", variant=ENSEMBLES),
    output:
        store=directory(f"{RUN}/dynamics/scaling/{{units}}.zarr"),
    log:
        f"{RUN}/logs/dynamics_size_{{units}}.log",
    benchmark:
        f"{RUN}/benchmarks/dynamics_size_{{units}}.tsv"
    wildcard_constraints:
        units=r"\d+",
    threads: 2
    resources:
        mem_mb=megabytes(2500, per_input=20),
        runtime=minutes(60),
    params:
        settings=PLAN.settings("dynamics"),
        seed=SEED,
        code=PLAN.code("dynamics.stage_scaling"),
    message:
        "Simulating networks of {wildcards.units} units"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode dynamics-size --units {wildcards.units}"
        " $(for store in {input.networks}; do echo --networks $store; done)"
        " --out {output.store}"
        " --settings {params.settings:q} --seed {params.seed} --threads {threads} --log {log}"


rule dynamics_scaling:
    input:
        sizes=expand(f"{RUN}/dynamics/scaling/{{units}}.zarr", units=NETWORK_SIZES),
    output:
        store=directory(f"{RUN}/dynamics/scaling.zarr"),
    log:
        f"{RUN}/logs/dynamics_scaling.log",
    benchmark:
        f"{RUN}/benchmarks/dynamics_scaling.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(600),
        runtime=minutes(5),
    params:
        code=PLAN.code("dynamics.stage_scaling"),
    message:
        "Extrapolating to infinitely many units"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode dynamics-scaling --out {output.store}"
        " $(for store in {input.sizes}; do echo --sizes $store; done) --log {log}"


rule dynamics_effective_rank:
    input:
        network=f"{RUN}/network/{NETWORKS[0]}.zarr",
    output:
        store=directory(f"{RUN}/dynamics/effective_rank.zarr"),
    log:
        f"{RUN}/logs/dynamics_effective_rank.log",
    benchmark:
        f"{RUN}/benchmarks/dynamics_effective_rank.tsv"
    threads: 2
    resources:
        mem_mb=megabytes(2500, per_input=20),
        runtime=minutes(60),
    params:
        settings=PLAN.settings("dynamics"),
        seed=SEED,
        code=PLAN.code("dynamics.stage_scaling"),
    message:
        "Simulating networks of different effective rank"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode dynamics-effective-rank --network {input.network} --out {output.store}"
        " --settings {params.settings:q} --seed {params.seed} --threads {threads} --log {log}"
