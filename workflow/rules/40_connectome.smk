"""connectome: the voxel model (P1), the regional baseline, or a matrix of one's own."""

CONNECTOMES = [] if config["connectome"]["source"] == "file" else ["voxel", "regional"]
# the connectome that the networks are made from
CONNECTOME = "file" if config["connectome"]["source"] == "file" else config["network"]["connectome"]

TARGETS += expand(f"{RUN}/connectome/{{model}}.zarr", model=CONNECTOMES or [CONNECTOME])
if PLAN.source == "phantom" and CONNECTOMES:
    TARGETS += [f"{RUN}/connectome/truth.zarr"]


rule connectome_voxel:
    input:
        atlas=f"{RUN}/atlas.zarr",
        tracing=f"{RUN}/tracing.zarr",
    output:
        store=directory(f"{RUN}/connectome/voxel.zarr"),
    log:
        f"{RUN}/logs/connectome_voxel.log",
    benchmark:
        f"{RUN}/benchmarks/connectome_voxel.tsv"
    threads: 2
    resources:
        mem_mb=megabytes(800, per_pair=120),
        runtime=minutes(60),
    params:
        settings=PLAN.settings("connectome"),
        seed=SEED,
        code=PLAN.code("connectome"),
    message:
        "Fitting the voxel connectome"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode connectome-voxel --atlas {input.atlas} --tracing {input.tracing}"
        " --out {output.store} --settings {params.settings:q} --seed {params.seed}"
        " --threads {threads} --log {log}"


rule connectome_regional:
    input:
        atlas=f"{RUN}/atlas.zarr",
        tracing=f"{RUN}/tracing.zarr",
    output:
        store=directory(f"{RUN}/connectome/regional.zarr"),
    log:
        f"{RUN}/logs/connectome_regional.log",
    benchmark:
        f"{RUN}/benchmarks/connectome_regional.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(800, per_pair=24),
        runtime=minutes(10),
    params:
        settings=PLAN.settings("connectome"),
        seed=SEED,
        code=PLAN.code("connectome"),
    message:
        "Fitting the regional baseline"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode connectome-regional --atlas {input.atlas} --tracing {input.tracing}"
        " --out {output.store} --settings {params.settings:q} --seed {params.seed}"
        " --threads {threads} --log {log}"


rule connectome_truth:
    input:
        truth=f"{RAW}/truth.h5",
        atlas=f"{RUN}/atlas.zarr",
        models=expand(f"{RUN}/connectome/{{model}}.zarr", model=["voxel", "regional"]),
    output:
        store=directory(f"{RUN}/connectome/truth.zarr"),
    log:
        f"{RUN}/logs/connectome_truth.log",
    benchmark:
        f"{RUN}/benchmarks/connectome_truth.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(800, per_pair=60),
        runtime=minutes(20),
    params:
        code=PLAN.code("connectome"),
    message:
        "Comparing the connectomes with the phantom's true one"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode connectome-truth --truth {input.truth} --atlas {input.atlas}"
        " $(printf -- '--models %s ' {input.models}) --out {output.store}"
        " --threads {threads} --log {log}"


if CONNECTOME == "file":

    rule connectome_file:
        input:
            file=config["connectome"]["file"],
        output:
            store=directory(f"{RUN}/connectome/file.zarr"),
        log:
            f"{RUN}/logs/connectome_file.log",
        benchmark:
            f"{RUN}/benchmarks/connectome_file.tsv"
        threads: 1
        resources:
            mem_mb=megabytes(1000, per_input=20),
            runtime=minutes(5),
        params:
            settings=PLAN.settings("connectome"),
            code=PLAN.code("connectome"),
        message:
            "Reading the connectome from {input.file}"
        conda:
            "../../envs/core.yaml"
        shell:
            "mesomode connectome-file --file {input.file:q} --out {output.store}"
            " --settings {params.settings:q} --log {log}"
