"""census: how many voxels each source region has."""

TARGETS += [f"{RUN}/census.zarr"]


rule census:
    input:
        atlas=f"{RUN}/atlas.zarr",
    output:
        store=directory(f"{RUN}/census.zarr"),
    log:
        f"{RUN}/logs/census.log",
    benchmark:
        f"{RUN}/benchmarks/census.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(500),
        runtime=minutes(5),
    params:
        settings=PLAN.settings("census"),
        code=PLAN.code("census"),
    message:
        "Counting voxels"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode census --atlas {input.atlas} --out {output.store}"
        " --settings {params.settings:q} --log {log}"
