"""comparison: dimension and time-scales of recordings beside those of the networks."""

TARGETS += [f"{RUN}/comparison.zarr"]


rule comparison:
    input:
        dynamics=expand(f"{RUN}/dynamics/{{variant}}.zarr", variant=NETWORKS),
        recordings=expand(f"{RUN}/recordings/{{session}}.zarr", session=PLAN.sessions),
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
