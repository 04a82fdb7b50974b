"""dynamics: simulation of each network beside the mean-field theory."""

TARGETS += expand(f"{RUN}/dynamics/{{variant}}.zarr", variant=NETWORKS)


rule dynamics:
    input:
        network=f"{RUN}/network/{{variant}}.zarr",
    output:
        store=directory(f"{RUN}/dynamics/{{variant}}.zarr"),
    log:
        f"{RUN}/logs/dynamics_{{variant}}.log",
    benchmark:
        f"{RUN}/benchmarks/dynamics_{{variant}}.tsv"
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
