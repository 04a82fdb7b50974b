"""network: random-mode networks with the connectome's spectrum, and their control."""

NETWORKS = ["random_mode", "independent"]

TARGETS += expand(f"{RUN}/network/{{variant}}.zarr", variant=NETWORKS)


rule network:
    input:
        connectome=f"{RUN}/connectome/{CONNECTOME}.zarr",
    output:
        store=directory(f"{RUN}/network/{{variant}}.zarr"),
    log:
        f"{RUN}/logs/network_{{variant}}.log",
    benchmark:
        f"{RUN}/benchmarks/network_{{variant}}.tsv"
    wildcard_constraints:
        variant="|".join(NETWORKS),
    threads: 2
    resources:
        mem_mb=megabytes(800, per_input=40),
        runtime=minutes(10),
    params:
        settings=PLAN.settings("network"),
        seed=SEED,
        code=PLAN.code("network"),
        command=lambda wildcards: f"network-{wildcards.variant.replace('_', '-')}",
    message:
        "Building the network {wildcards.variant}"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode {params.command} --connectome {input.connectome} --out {output.store}"
        " --settings {params.settings:q} --seed {params.seed} --threads {threads} --log {log}"
