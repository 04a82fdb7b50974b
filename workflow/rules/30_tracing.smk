"""tracing: tracer experiments on the grids → X, Y, Ω and a table of what was kept."""

TARGETS += [f"{RUN}/tracing.zarr"]


rule tracing:
    input:
        raw=CONNECTIVITY,
        atlas=f"{RUN}/atlas.zarr",
    output:
        store=directory(f"{RUN}/tracing.zarr"),
    log:
        f"{RUN}/logs/tracing.log",
    benchmark:
        f"{RUN}/benchmarks/tracing.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(800),
        runtime=minutes(10, per_megabyte=0.05),
    params:
        settings=PLAN.settings("tracing"),
        code=PLAN.code("tracing"),
    message:
        "Putting the tracer experiments on the grids"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode tracing --raw {input.raw} --atlas {input.atlas} --out {output.store}"
        " --settings {params.settings:q} --log {log}"
