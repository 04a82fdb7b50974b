"""atlas: annotation and ontology → voxel grids of the source and target regions."""

TARGETS += [f"{RUN}/atlas.zarr"]


rule atlas:
    input:
        raw=CONNECTIVITY,
    output:
        store=directory(f"{RUN}/atlas.zarr"),
    log:
        f"{RUN}/logs/atlas.log",
    benchmark:
        f"{RUN}/benchmarks/atlas.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(600),
        runtime=minutes(5),
    params:
        settings=PLAN.settings("atlas"),
        code=PLAN.code("atlas"),
    message:
        "Making the voxel grids"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode atlas --raw {input.raw} --out {output.store}"
        " --settings {params.settings:q} --log {log}"
