"""connectome: the models fitted to the tracer experiments, their cross-validation, coverage and
uncertainty, the comparison with the phantom's truth; or a matrix of one's own."""

from mesomode.connectome.settings import SWEEP_KEYS, keys_of

OWN = config["connectome"]["source"] == "file"
CONNECTOMES = [] if OWN else config["connectome"]["models"]
# the connectome that the networks are made from
CONNECTOME = "file" if OWN else config["network"]["connectome"]
# the sweep over ranks sets the low-rank model beside the voxel model
RANKS = config["connectome"]["rank_sweep"] if {"voxel", "low_rank"} <= set(CONNECTOMES) else []
FOLDS = range(config["connectome"]["outer_folds"] if CONNECTOMES else 0)
# models whose folds fit without W >= 0, be it only to choose lambda, in these modes of the grids
LINEAR = ["linear", *(["voxel"] if config["connectome"]["search_with"] == "linear" else [])]
EIGENMODES = f"{RUN}/connectome/eigenmodes.zarr"
# without a model of all weights the grid may be too large for them, as a whole brain is
UNCERTAIN = [EIGENMODES] if {"voxel", "linear"} & set(CONNECTOMES) else []

TARGETS += expand(f"{RUN}/connectome/{{model}}.zarr", model=CONNECTOMES or [CONNECTOME])
if CONNECTOMES:
    TARGETS += [f"{RUN}/connectome/coverage.zarr"]
    if PLAN.source == "phantom":
        TARGETS += [f"{RUN}/connectome/truth.zarr"]
if RANKS:
    TARGETS += [f"{RUN}/connectome/ranks.zarr"]
if FOLDS:
    TARGETS += [f"{RUN}/connectome/cross_validation.zarr", f"{RUN}/connectome/table.csv"]


wildcard_constraints:
    model="|".join(["voxel", "linear", "low_rank", "regional", "kernel", "distance"]),
    fold=r"\d+",


rule connectome_eigenmodes:
    input:
        atlas=f"{RUN}/atlas.zarr",
    output:
        store=directory(EIGENMODES),
    log:
        f"{RUN}/logs/connectome_eigenmodes.log",
    benchmark:
        f"{RUN}/benchmarks/connectome_eigenmodes.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(800, per_pair=60),
        runtime=minutes(60),
    params:
        settings=PLAN.settings("connectome", "boundaries"),
        code=PLAN.code("connectome.stage_eigenmodes"),
    message:
        "Decomposing the Laplacians of the voxel grids"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode connectome-eigenmodes --atlas {input.atlas} --out {output.store}"
        " --settings {params.settings:q} --threads {threads} --log {log}"


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
        settings=PLAN.settings("connectome", *keys_of("voxel")),
        code=PLAN.code("connectome"),
    message:
        "Fitting the voxel connectome"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode connectome-voxel --atlas {input.atlas} --tracing {input.tracing}"
        " --out {output.store} --settings {params.settings:q}"
        " --threads {threads} --log {log}"


rule connectome_model:
    input:
        atlas=f"{RUN}/atlas.zarr",
        tracing=f"{RUN}/tracing.zarr",
        eigenmodes=lambda wildcards: [EIGENMODES] if wildcards.model == "linear" else [],
    output:
        store=directory(f"{RUN}/connectome/{{model}}.zarr"),
    log:
        f"{RUN}/logs/connectome_{{model}}.log",
    benchmark:
        f"{RUN}/benchmarks/connectome_{{model}}.tsv"
    wildcard_constraints:
        model="linear|low_rank|regional|kernel|distance",
    threads: 1
    resources:
        mem_mb=megabytes(800, per_pair=60),
        runtime=minutes(30),
    params:
        settings=lambda wildcards: PLAN.settings("connectome", *keys_of(wildcards.model)),
        seed=SEED,
        code=PLAN.code("connectome"),
    message:
        "Fitting the connectome model {wildcards.model}"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode connectome-model --model {wildcards.model} --atlas {input.atlas}"
        " --tracing {input.tracing}"
        " $(for store in {input.eigenmodes}; do echo --eigenmodes $store; done)"
        " --out {output.store} --settings {params.settings:q}"
        " --seed {params.seed} --threads {threads} --log {log}"


rule connectome_fold:
    input:
        atlas=f"{RUN}/atlas.zarr",
        tracing=f"{RUN}/tracing.zarr",
        eigenmodes=lambda wildcards: [EIGENMODES] if wildcards.model in LINEAR else [],
    output:
        store=directory(f"{RUN}/connectome/folds/{{model}}_{{fold}}.zarr"),
    log:
        f"{RUN}/logs/connectome_fold_{{model}}_{{fold}}.log",
    benchmark:
        f"{RUN}/benchmarks/connectome_fold_{{model}}_{{fold}}.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(800, per_pair=120),
        runtime=minutes(240),
    params:
        settings=lambda wildcards: PLAN.settings(
            "connectome", *keys_of(wildcards.model, cross_validation=True)
        ),
        seed=SEED,
        code=PLAN.code("connectome.stage_validation"),
    message:
        "Cross-validating the model {wildcards.model}, fold {wildcards.fold}"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode connectome-fold --model {wildcards.model} --fold {wildcards.fold}"
        " --atlas {input.atlas} --tracing {input.tracing}"
        " $(for store in {input.eigenmodes}; do echo --eigenmodes $store; done)"
        " --out {output.store}"
        " --settings {params.settings:q} --seed {params.seed} --threads {threads} --log {log}"


rule connectome_cross_validation:
    input:
        folds=expand(
            f"{RUN}/connectome/folds/{{model}}_{{fold}}.zarr", model=CONNECTOMES, fold=FOLDS
        ),
    output:
        store=directory(f"{RUN}/connectome/cross_validation.zarr"),
        table=f"{RUN}/connectome/table.csv",
    log:
        f"{RUN}/logs/connectome_cross_validation.log",
    benchmark:
        f"{RUN}/benchmarks/connectome_cross_validation.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(600, per_input=20),
        runtime=minutes(10),
    params:
        code=PLAN.code("connectome.stage_validation"),
    message:
        "Collecting the cross-validation"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode connectome-cross-validation $(printf -- '--folds %s ' {input.folds})"
        " --out {output.store} --table {output.table} --log {log}"


rule connectome_ranks:
    input:
        voxel=f"{RUN}/connectome/voxel.zarr",
        atlas=f"{RUN}/atlas.zarr",
        tracing=f"{RUN}/tracing.zarr",
    output:
        store=directory(f"{RUN}/connectome/ranks.zarr"),
    log:
        f"{RUN}/logs/connectome_ranks.log",
    benchmark:
        f"{RUN}/benchmarks/connectome_ranks.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(800, per_pair=60),
        runtime=minutes(60),
    params:
        settings=PLAN.settings("connectome", *SWEEP_KEYS),
        seed=SEED,
        code=PLAN.code("connectome.stage_validation"),
    message:
        "Setting the low-rank model beside the voxel model, rank by rank"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode connectome-ranks --voxel {input.voxel} --atlas {input.atlas}"
        " --tracing {input.tracing} --out {output.store} --settings {params.settings:q}"
        " --seed {params.seed} --threads {threads} --log {log}"


rule connectome_coverage:
    input:
        atlas=f"{RUN}/atlas.zarr",
        tracing=f"{RUN}/tracing.zarr",
        eigenmodes=UNCERTAIN,
    output:
        store=directory(f"{RUN}/connectome/coverage.zarr"),
    log:
        f"{RUN}/logs/connectome_coverage.log",
    benchmark:
        f"{RUN}/benchmarks/connectome_coverage.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(800, per_pair=60),
        runtime=minutes(30),
    params:
        settings=PLAN.settings("connectome", *keys_of("linear"), "bootstrap", "models"),
        seed=SEED,
        code=PLAN.code("connectome.stage_validation"),
    message:
        "Mapping what the experiments say about each source voxel"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode connectome-coverage --atlas {input.atlas} --tracing {input.tracing}"
        " $(for store in {input.eigenmodes}; do echo --eigenmodes $store; done)"
        " --out {output.store} --settings {params.settings:q} --seed {params.seed}"
        " --threads {threads} --log {log}"


rule connectome_truth:
    input:
        truth=f"{RAW}/truth.h5",
        atlas=f"{RUN}/atlas.zarr",
        models=expand(f"{RUN}/connectome/{{model}}.zarr", model=CONNECTOMES),
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
        code=PLAN.code("connectome.stage_reference"),
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
            code=PLAN.code("connectome.stage_reference"),
        message:
            "Reading the connectome from {input.file}"
        conda:
            "../../envs/core.yaml"
        shell:
            "mesomode connectome-file --file {input.file:q} --out {output.store}"
            " --settings {params.settings:q} --log {log}"
