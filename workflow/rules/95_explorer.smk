"""explorer: a page on which the run is explored, opened from disk or served."""

from mesomode.explorer.building import page_digest

# the program of the page is the same for all runs that are made from the same sources
PAGE = page_digest()
PAGE_FOLDER = f"results/.explorer/{PAGE}"
EXPLORED = [*CONNECTOMES, *TRUTH]

if config["explorer"]["enabled"]:
    TARGETS += [f"{RUN}/explorer/index.html"]


localrules:
    explorer_page,
    explorer,


rule explorer_page:
    output:
        page=directory(PAGE_FOLDER),
    log:
        f"{RUN}/logs/explorer_page.log",
    benchmark:
        f"{RUN}/benchmarks/explorer_page.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(1000),
        runtime=minutes(10),
    params:
        code=PLAN.code("explorer.stage_page"),
    message:
        "Building the explorer's page"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode explorer-page --out {output.page} --log {log}"


rule explorer_model:
    input:
        connectome=f"{RUN}/connectome/{{model}}.zarr",
        atlas=f"{RUN}/atlas.zarr",
    output:
        data=directory(f"{RUN}/explorer/data/models/{{model}}"),
    log:
        f"{RUN}/logs/explorer_model_{{model}}.log",
    benchmark:
        f"{RUN}/benchmarks/explorer_model_{{model}}.tsv"
    wildcard_constraints:
        model="|".join([*EXPLORED, "truth"]),
    threads: 1
    resources:
        mem_mb=megabytes(800, per_pair=16),
        runtime=minutes(10, per_megabyte=0.05),
    params:
        seed=SEED,
        code=PLAN.code("explorer"),
    message:
        "Cutting the connectome {wildcards.model} into tiles"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode explorer-model --connectome {input.connectome} --atlas {input.atlas}"
        " --out {output.data} --seed {params.seed} --log {log}"


if CONNECTOMES:

    rule explorer_tracing:
        input:
            atlas=f"{RUN}/atlas.zarr",
            tracing=f"{RUN}/tracing.zarr",
            coverage=f"{RUN}/connectome/coverage.zarr",
            validation=expand(f"{RUN}/connectome/{{store}}.zarr", store=VALIDATION),
            truth=expand(f"{RUN}/connectome/{{store}}.zarr", store=TRUTH),
            flatmap=FLATMAP,
            models=expand(f"{RUN}/connectome/{{model}}.zarr", model=CONNECTOMES),
        output:
            data=directory(f"{RUN}/explorer/data/tracing"),
        log:
            f"{RUN}/logs/explorer_tracing.log",
        benchmark:
            f"{RUN}/benchmarks/explorer_tracing.tsv"
        threads: 1
        resources:
            mem_mb=megabytes(800, per_pair=24),
            runtime=minutes(10, per_megabyte=0.05),
        params:
            code=PLAN.code("explorer"),
        message:
            "Writing the experiments for the explorer"
        conda:
            "../../envs/core.yaml"
        shell:
            "mesomode explorer-tracing --atlas {input.atlas} --tracing {input.tracing}"
            " --coverage {input.coverage}"
            " $(for store in {input.validation}; do echo --validation $store; done)"
            " $(for store in {input.truth}; do echo --truth $store; done)"
            " $(for file in {input.flatmap}; do echo --flatmap $file; done)"
            " $(for store in {input.models}; do echo --models $store; done)"
            " --out {output.data} --log {log}"


rule explorer_networks:
    input:
        structures=expand(f"{RUN}/network/{{place}}structure.zarr", place=PLACES),
        networks=expand(f"{RUN}/network/{{variant}}.zarr", variant=SIMULATED),
        dynamics=expand(f"{RUN}/dynamics/{{variant}}.zarr", variant=SIMULATED),
        comparison=f"{RUN}/comparison.zarr",
        similarity=f"{RUN}/comparison/similarity.zarr",
        truth=expand(f"{RUN}/connectome/{{store}}.zarr", store=TRUTH),
    output:
        data=directory(f"{RUN}/explorer/data/networks"),
    log:
        f"{RUN}/logs/explorer_networks.log",
    benchmark:
        f"{RUN}/benchmarks/explorer_networks.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(800),
        runtime=minutes(5),
    params:
        code=PLAN.code("explorer.stage_networks"),
    message:
        "Writing networks and recordings for the explorer"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode explorer-networks --out {output.data}"
        " $(for store in {input.structures}; do echo --structures $store; done)"
        " $(for store in {input.networks}; do echo --networks $store; done)"
        " $(for store in {input.dynamics}; do echo --dynamics $store; done)"
        " --comparison {input.comparison} --similarity {input.similarity}"
        " $(for store in {input.truth}; do echo --truth $store; done) --log {log}"


rule explorer:
    input:
        page=PAGE_FOLDER,
        tracing=[f"{RUN}/explorer/data/tracing"] if CONNECTOMES else [],
        models=expand(f"{RUN}/explorer/data/models/{{model}}", model=EXPLORED),
        networks=f"{RUN}/explorer/data/networks",
    output:
        index=f"{RUN}/explorer/index.html",
    log:
        f"{RUN}/logs/explorer.log",
    benchmark:
        f"{RUN}/benchmarks/explorer.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(500),
        runtime=minutes(5),
    params:
        code=PLAN.code("explorer"),
    message:
        "Putting the explorer together"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode explorer --page {input.page}"
        " $(for folder in {input.tracing}; do echo --tracing $folder; done)"
        " $(for folder in {input.models}; do echo --models $folder; done)"
        " --networks {input.networks} --index {output.index} --log {log}"
