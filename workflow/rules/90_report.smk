"""report: a figure of every result (PNG and SVG) and the table of key numbers."""


report: "../report/workflow.rst"


FIGURES = ["atlas", "injections", "coverage", "network", "dynamics", "comparison", "similarity"]
# connectomes that the table of key numbers covers
MODELS = CONNECTOMES or [CONNECTOME]
# the model whose projections are shown, and what else is known of them
SHOWN = [model for model in ["voxel", *CONNECTOMES] if model in CONNECTOMES][:1]
FLATMAP = [config["report"]["flatmap"]] if config["report"]["flatmap"] else []
TRUTH = ["truth"] if CONNECTOMES and PLAN.source == "phantom" else []
# the model of which each experiment is predicted from all others
LINEAR_MODEL = ["linear"] if "linear" in CONNECTOMES else []
VALIDATION = ["cross_validation"] if CONNECTOMES and FOLDS else []
if CONNECTOMES:
    FIGURES += ["connectome", "fit", "projection", "residual", "informed"]
    MODELS = [*MODELS, *TRUTH, *VALIDATION, "coverage"]
    TARGETS += [f"{RUN}/figures/source_sweep.gif"]
FIGURES += [*TRUTH, *VALIDATION, *(["ranks"] if CONNECTOMES and RANKS else [])]

FIGURES += ["representations", "intrinsic_dimension"]
FIGURES += ["chaos", *BY_SIZE, *BY_RANK]
# several connectomes beside each other
CONNECTOMES_TABLE = ["connectomes"] if OTHERS else []
FIGURES += ["structure", *CONNECTOMES_TABLE]
TARGETS += expand(f"{RUN}/{{table}}.csv", table=CONNECTOMES_TABLE)

TARGETS += expand(f"{RUN}/figures/{{name}}.{{suffix}}", name=FIGURES, suffix=["png", "svg"])

TARGETS += [session_figures]
TARGETS += [f"{RUN}/summary.csv", f"{RUN}/summary.html"]
TARGETS += [f"{RUN}/dynamics/table.csv", f"{RUN}/dynamics/table.html"]
TARGETS += [f"{RUN}/comparison/closest.csv", f"{RUN}/comparison/closest.html"]


rule figure_atlas:
    input:
        atlas=f"{RUN}/atlas.zarr",
    output:
        png=report(
            f"{RUN}/figures/atlas.png",
            caption="../report/atlas.rst",
            category="1 Atlas",
            labels={"figure": "Regions and voxels"},
        ),
        svg=f"{RUN}/figures/atlas.svg",
    log:
        f"{RUN}/logs/figure_atlas.log",
    benchmark:
        f"{RUN}/benchmarks/figure_atlas.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(600),
        runtime=minutes(5),
    params:
        settings=PLAN.settings("report"),
        code=PLAN.code("report.stage_tracing"),
    message:
        "Drawing the atlas"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode figure-atlas --atlas {input.atlas}"
        " --png {output.png} --svg {output.svg}"
        " --settings {params.settings:q} --log {log}"


rule figure_injections:
    input:
        atlas=f"{RUN}/atlas.zarr",
        tracing=f"{RUN}/tracing.zarr",
    output:
        png=report(
            f"{RUN}/figures/injections.png",
            caption="../report/injections.rst",
            category="2 Tracing",
            labels={"figure": "Injections"},
        ),
        svg=f"{RUN}/figures/injections.svg",
    log:
        f"{RUN}/logs/figure_injections.log",
    benchmark:
        f"{RUN}/benchmarks/figure_injections.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(600, per_input=20),
        runtime=minutes(5),
    params:
        settings=PLAN.settings("report"),
        code=PLAN.code("report.stage_tracing"),
    message:
        "Drawing the injections"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode figure-injections --atlas {input.atlas} --tracing {input.tracing}"
        " --png {output.png} --svg {output.svg}"
        " --settings {params.settings:q} --log {log}"


rule figure_coverage:
    input:
        atlas=f"{RUN}/atlas.zarr",
        tracing=f"{RUN}/tracing.zarr",
    output:
        png=report(
            f"{RUN}/figures/coverage.png",
            caption="../report/coverage.rst",
            category="2 Tracing",
            labels={"figure": "Coverage"},
        ),
        svg=f"{RUN}/figures/coverage.svg",
    log:
        f"{RUN}/logs/figure_coverage.log",
    benchmark:
        f"{RUN}/benchmarks/figure_coverage.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(600, per_input=20),
        runtime=minutes(5),
    params:
        settings=PLAN.settings("report"),
        code=PLAN.code("report.stage_tracing"),
    message:
        "Drawing the coverage"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode figure-coverage --atlas {input.atlas} --tracing {input.tracing}"
        " --png {output.png} --svg {output.svg}"
        " --settings {params.settings:q} --log {log}"


rule figure_connectome:
    input:
        models=expand(f"{RUN}/connectome/{{model}}.zarr", model=CONNECTOMES),
    output:
        png=report(
            f"{RUN}/figures/connectome.png",
            caption="../report/connectome.rst",
            category="3 Connectome",
            labels={"figure": "Matrices"},
        ),
        svg=f"{RUN}/figures/connectome.svg",
    log:
        f"{RUN}/logs/figure_connectome.log",
    benchmark:
        f"{RUN}/benchmarks/figure_connectome.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(600, per_input=4),
        runtime=minutes(5),
    params:
        settings=PLAN.settings("report"),
        code=PLAN.code("report.stage_connectome"),
    message:
        "Drawing the connectomes"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode figure-connectome $(for store in {input.models}; do echo --models $store; done)"
        " --png {output.png} --svg {output.svg}"
        " --settings {params.settings:q} --log {log}"


rule figure_fit:
    input:
        tracing=f"{RUN}/tracing.zarr",
        models=expand(f"{RUN}/connectome/{{model}}.zarr", model=CONNECTOMES),
    output:
        png=report(
            f"{RUN}/figures/fit.png",
            caption="../report/fit.rst",
            category="3 Connectome",
            labels={"figure": "Fit"},
        ),
        svg=f"{RUN}/figures/fit.svg",
    log:
        f"{RUN}/logs/figure_fit.log",
    benchmark:
        f"{RUN}/benchmarks/figure_fit.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(600, per_input=8),
        runtime=minutes(5),
    params:
        settings=PLAN.settings("report"),
        code=PLAN.code("report.stage_connectome"),
    message:
        "Drawing the fit"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode figure-fit --tracing {input.tracing}"
        " $(for store in {input.models}; do echo --models $store; done)"
        " --png {output.png} --svg {output.svg}"
        " --settings {params.settings:q} --log {log}"


rule figure_truth:
    input:
        atlas=f"{RUN}/atlas.zarr",
        truth=f"{RUN}/connectome/truth.zarr",
        models=expand(f"{RUN}/connectome/{{model}}.zarr", model=CONNECTOMES),
    output:
        png=report(
            f"{RUN}/figures/truth.png",
            caption="../report/truth.rst",
            category="3 Connectome",
            labels={"figure": "Against the truth"},
        ),
        svg=f"{RUN}/figures/truth.svg",
    log:
        f"{RUN}/logs/figure_truth.log",
    benchmark:
        f"{RUN}/benchmarks/figure_truth.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(800, per_pair=40),
        runtime=minutes(5),
    params:
        settings=PLAN.settings("report"),
        code=PLAN.code("report.stage_connectome"),
    message:
        "Drawing the connectome against the truth"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode figure-truth --atlas {input.atlas} --truth {input.truth}"
        " $(for store in {input.models}; do echo --models $store; done)"
        " --png {output.png} --svg {output.svg}"
        " --settings {params.settings:q} --log {log}"


rule figure_cross_validation:
    input:
        atlas=f"{RUN}/atlas.zarr",
        tracing=f"{RUN}/tracing.zarr",
        coverage=f"{RUN}/connectome/coverage.zarr",
        cross_validation=f"{RUN}/connectome/cross_validation.zarr",
        linear=expand(f"{RUN}/connectome/{{model}}.zarr", model=LINEAR_MODEL),
    output:
        png=report(
            f"{RUN}/figures/cross_validation.png",
            caption="../report/cross_validation.rst",
            category="3 Connectome",
            labels={"figure": "Cross-validation"},
        ),
        svg=f"{RUN}/figures/cross_validation.svg",
    log:
        f"{RUN}/logs/figure_cross_validation.log",
    benchmark:
        f"{RUN}/benchmarks/figure_cross_validation.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(600, per_input=4),
        runtime=minutes(5),
    params:
        settings=PLAN.settings("report"),
        code=PLAN.code("report.stage_connectome"),
    message:
        "Drawing the cross-validation"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode figure-cross-validation --atlas {input.atlas} --tracing {input.tracing}"
        " --coverage {input.coverage} --cross-validation {input.cross_validation}"
        " $(for store in {input.linear}; do echo --linear $store; done)"
        " --png {output.png} --svg {output.svg}"
        " --settings {params.settings:q} --log {log}"


rule figure_projection:
    input:
        atlas=f"{RUN}/atlas.zarr",
        models=expand(f"{RUN}/connectome/{{model}}.zarr", model=[*SHOWN, *TRUTH]),
        flatmap=FLATMAP,
    output:
        png=report(
            f"{RUN}/figures/projection.png",
            caption="../report/projection.rst",
            category="3 Connectome",
            labels={"figure": "Connections of a voxel"},
        ),
        svg=f"{RUN}/figures/projection.svg",
        gif=report(
            f"{RUN}/figures/source_sweep.gif",
            caption="../report/sweep.rst",
            category="3 Connectome",
            labels={"figure": "Moving source (film)"},
        ),
    log:
        f"{RUN}/logs/figure_projection.log",
    benchmark:
        f"{RUN}/benchmarks/figure_projection.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(700, per_pair=12),
        runtime=minutes(10),
    params:
        settings=PLAN.settings("report"),
        code=PLAN.code("report.stage_projection"),
    message:
        "Drawing the connections of a voxel"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode figure-projection --atlas {input.atlas}"
        " $(for store in {input.models}; do echo --models $store; done)"
        " $(for file in {input.flatmap}; do echo --flatmap $file; done)"
        " --png {output.png} --svg {output.svg} --gif {output.gif}"
        " --settings {params.settings:q} --log {log}"


rule figure_residual:
    input:
        atlas=f"{RUN}/atlas.zarr",
        tracing=f"{RUN}/tracing.zarr",
        model=expand(f"{RUN}/connectome/{{model}}.zarr", model=SHOWN),
        cross_validation=expand(f"{RUN}/connectome/{{store}}.zarr", store=VALIDATION),
    output:
        png=report(
            f"{RUN}/figures/residual.png",
            caption="../report/residual.rst",
            category="3 Connectome",
            labels={"figure": "Residuals"},
        ),
        svg=f"{RUN}/figures/residual.svg",
    log:
        f"{RUN}/logs/figure_residual.log",
    benchmark:
        f"{RUN}/benchmarks/figure_residual.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(700, per_input=8),
        runtime=minutes(5),
    params:
        settings=PLAN.settings("report"),
        code=PLAN.code("report.stage_connectome"),
    message:
        "Drawing the residuals"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode figure-residual --atlas {input.atlas} --tracing {input.tracing}"
        " --model {input.model}"
        " $(for store in {input.cross_validation}; do echo --cross-validation $store; done)"
        " --png {output.png} --svg {output.svg}"
        " --settings {params.settings:q} --log {log}"


rule figure_informed:
    input:
        atlas=f"{RUN}/atlas.zarr",
        coverage=f"{RUN}/connectome/coverage.zarr",
    output:
        png=report(
            f"{RUN}/figures/informed.png",
            caption="../report/informed.rst",
            category="3 Connectome",
            labels={"figure": "What the data inform"},
        ),
        svg=f"{RUN}/figures/informed.svg",
    log:
        f"{RUN}/logs/figure_informed.log",
    benchmark:
        f"{RUN}/benchmarks/figure_informed.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(600, per_input=20),
        runtime=minutes(5),
    params:
        settings=PLAN.settings("report"),
        code=PLAN.code("report.stage_projection"),
    message:
        "Drawing what the experiments inform"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode figure-informed --atlas {input.atlas} --coverage {input.coverage}"
        " --png {output.png} --svg {output.svg}"
        " --settings {params.settings:q} --log {log}"


rule figure_ranks:
    input:
        ranks=f"{RUN}/connectome/ranks.zarr",
    output:
        png=report(
            f"{RUN}/figures/ranks.png",
            caption="../report/ranks.rst",
            category="3 Connectome",
            labels={"figure": "Ranks"},
        ),
        svg=f"{RUN}/figures/ranks.svg",
    log:
        f"{RUN}/logs/figure_ranks.log",
    benchmark:
        f"{RUN}/benchmarks/figure_ranks.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(600),
        runtime=minutes(5),
    params:
        settings=PLAN.settings("report"),
        code=PLAN.code("report.stage_connectome"),
    message:
        "Drawing the low-rank model against the rank"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode figure-ranks --ranks {input.ranks}"
        " --png {output.png} --svg {output.svg}"
        " --settings {params.settings:q} --log {log}"


rule figure_network:
    input:
        network=expand(f"{RUN}/network/{{variant}}.zarr", variant=NETWORKS),
    output:
        png=report(
            f"{RUN}/figures/network.png",
            caption="../report/network.rst",
            category="4 Network",
            labels={"figure": "Spectra"},
        ),
        svg=f"{RUN}/figures/network.svg",
    log:
        f"{RUN}/logs/figure_network.log",
    benchmark:
        f"{RUN}/benchmarks/figure_network.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(600),
        runtime=minutes(5),
    params:
        settings=PLAN.settings("report"),
        code=PLAN.code("report.stage_network"),
    message:
        "Drawing the spectra of the networks"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode figure-network $(for store in {input.network}; do echo --network $store; done)"
        " --png {output.png} --svg {output.svg}"
        " --settings {params.settings:q} --log {log}"


rule figure_structure:
    input:
        structure=f"{RUN}/network/structure.zarr",
    output:
        png=report(
            f"{RUN}/figures/structure.png",
            caption="../report/structure.rst",
            category="4 Network",
            labels={"figure": "Structure of the connectome"},
        ),
        svg=f"{RUN}/figures/structure.svg",
    log:
        f"{RUN}/logs/figure_structure.log",
    benchmark:
        f"{RUN}/benchmarks/figure_structure.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(600),
        runtime=minutes(5),
    params:
        settings=PLAN.settings("report"),
        code=PLAN.code("report.stage_network"),
    message:
        "Drawing the structure of the connectome"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode figure-structure --structure {input.structure}"
        " --png {output.png} --svg {output.svg}"
        " --settings {params.settings:q} --log {log}"


rule figure_connectomes:
    input:
        structure=expand(f"{RUN}/network/{{place}}structure.zarr", place=PLACES),
        dynamics=expand(f"{RUN}/dynamics/{{variant}}.zarr", variant=[*NETWORKS, *OTHER_NETWORKS]),
    output:
        png=report(
            f"{RUN}/figures/connectomes.png",
            caption="../report/connectomes.rst",
            category="4 Network",
            labels={"figure": "Several connectomes"},
        ),
        svg=f"{RUN}/figures/connectomes.svg",
        csv=f"{RUN}/connectomes.csv",
    log:
        f"{RUN}/logs/figure_connectomes.log",
    benchmark:
        f"{RUN}/benchmarks/figure_connectomes.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(600),
        runtime=minutes(5),
    params:
        settings=PLAN.settings("report"),
        code=PLAN.code("report.stage_network"),
    message:
        "Drawing the table of connectomes"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode figure-connectomes --png {output.png} --svg {output.svg} --csv {output.csv}"
        " $(for store in {input.structure}; do echo --structure $store; done)"
        " $(for store in {input.dynamics}; do echo --dynamics $store; done)"
        " --settings {params.settings:q} --log {log}"


rule figure_dynamics:
    input:
        dynamics=expand(f"{RUN}/dynamics/{{variant}}.zarr", variant=NETWORKS),
    output:
        png=report(
            f"{RUN}/figures/dynamics.png",
            caption="../report/dynamics.rst",
            category="5 Dynamics",
            labels={"figure": "Simulation and theory"},
        ),
        svg=f"{RUN}/figures/dynamics.svg",
    log:
        f"{RUN}/logs/figure_dynamics.log",
    benchmark:
        f"{RUN}/benchmarks/figure_dynamics.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(600),
        runtime=minutes(5),
    params:
        settings=PLAN.settings("report"),
        code=PLAN.code("report.stage_theory"),
    message:
        "Drawing the dynamics"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode figure-dynamics $(for store in {input.dynamics}; do echo --dynamics $store; done)"
        " --png {output.png} --svg {output.svg}"
        " --settings {params.settings:q} --log {log}"


rule figure_effective_rank:
    input:
        ranks=f"{RUN}/dynamics/effective_rank.zarr",
    output:
        png=report(
            f"{RUN}/figures/effective_rank.png",
            caption="../report/effective_rank.rst",
            category="5 Dynamics",
            labels={"figure": "Effective rank and dimension"},
        ),
        svg=f"{RUN}/figures/effective_rank.svg",
    log:
        f"{RUN}/logs/figure_effective_rank.log",
    benchmark:
        f"{RUN}/benchmarks/figure_effective_rank.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(600),
        runtime=minutes(5),
    params:
        settings=PLAN.settings("report"),
        code=PLAN.code("report.stage_theory"),
    message:
        "Drawing the dimension against the effective rank"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode figure-effective-rank --ranks {input.ranks}"
        " --png {output.png} --svg {output.svg}"
        " --settings {params.settings:q} --log {log}"


rule figure_scaling:
    input:
        scaling=f"{RUN}/dynamics/scaling.zarr",
    output:
        png=report(
            f"{RUN}/figures/scaling.png",
            caption="../report/scaling.rst",
            category="5 Dynamics",
            labels={"figure": "Finite size"},
        ),
        svg=f"{RUN}/figures/scaling.svg",
    log:
        f"{RUN}/logs/figure_scaling.log",
    benchmark:
        f"{RUN}/benchmarks/figure_scaling.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(600),
        runtime=minutes(5),
    params:
        settings=PLAN.settings("report"),
        code=PLAN.code("report.stage_theory"),
    message:
        "Drawing networks of finite size"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode figure-scaling --scaling {input.scaling}"
        " --png {output.png} --svg {output.svg}"
        " --settings {params.settings:q} --log {log}"


rule figure_chaos:
    input:
        dynamics=expand(f"{RUN}/dynamics/{{variant}}.zarr", variant=NETWORKS),
    output:
        png=report(
            f"{RUN}/figures/chaos.png",
            caption="../report/chaos.rst",
            category="5 Dynamics",
            labels={"figure": "Chaos and eigenvalues"},
        ),
        svg=f"{RUN}/figures/chaos.svg",
    log:
        f"{RUN}/logs/figure_chaos.log",
    benchmark:
        f"{RUN}/benchmarks/figure_chaos.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(600),
        runtime=minutes(5),
    params:
        settings=PLAN.settings("report"),
        code=PLAN.code("report.stage_theory"),
    message:
        "Drawing Lyapunov exponents and eigenvalues"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode figure-chaos $(for store in {input.dynamics}; do echo --dynamics $store; done)"
        " --png {output.png} --svg {output.svg}"
        " --settings {params.settings:q} --log {log}"


rule theory_table:
    input:
        dynamics=expand(f"{RUN}/dynamics/{{variant}}.zarr", variant=SIMULATED),
        scaling=expand(f"{RUN}/dynamics/{{store}}.zarr", store=BY_SIZE),
    output:
        csv=f"{RUN}/dynamics/table.csv",
        html=report(
            f"{RUN}/dynamics/table.html",
            caption="../report/theory_table.rst",
            category="5 Dynamics",
            labels={"figure": "Theory and simulation (table)"},
        ),
    log:
        f"{RUN}/logs/theory_table.log",
    benchmark:
        f"{RUN}/benchmarks/theory_table.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(600),
        runtime=minutes(5),
    params:
        code=PLAN.code("report.stage_theory"),
    message:
        "Putting theory and simulation into a table"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode theory-table --csv {output.csv} --html {output.html}"
        " $(for store in {input.dynamics}; do echo --dynamics $store; done)"
        " $(for store in {input.scaling}; do echo --scaling $store; done) --log {log}"


rule figure_session:
    input:
        session=f"{RUN}/recordings/{{session}}.zarr",
    output:
        png=report(
            f"{RUN}/figures/session_{{session}}.png",
            caption="../report/session.rst",
            category="6 Recordings",
            labels={"figure": "Session {session}"},
        ),
        svg=f"{RUN}/figures/session_{{session}}.svg",
    log:
        f"{RUN}/logs/figure_session_{{session}}.log",
    benchmark:
        f"{RUN}/benchmarks/figure_session_{{session}}.tsv"
    wildcard_constraints:
        session=r"\d+|[A-Za-z][\w-]*",
    threads: 1
    resources:
        mem_mb=megabytes(700, per_input=16),
        runtime=minutes(5),
    params:
        settings=PLAN.settings("report"),
        code=PLAN.code("report.stage_comparison"),
    message:
        "Drawing the session {wildcards.session}"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode figure-session --session {input.session}"
        " --png {output.png} --svg {output.svg}"
        " --settings {params.settings:q} --log {log}"


rule figure_comparison:
    input:
        comparison=f"{RUN}/comparison.zarr",
    output:
        png=report(
            f"{RUN}/figures/comparison.png",
            caption="../report/comparison.rst",
            category="7 Comparison",
            labels={"figure": "Recordings and networks"},
        ),
        svg=f"{RUN}/figures/comparison.svg",
    log:
        f"{RUN}/logs/figure_comparison.log",
    benchmark:
        f"{RUN}/benchmarks/figure_comparison.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(600),
        runtime=minutes(5),
    params:
        settings=PLAN.settings("report"),
        code=PLAN.code("report.stage_comparison"),
    message:
        "Drawing the comparison"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode figure-comparison --comparison {input.comparison}"
        " --png {output.png} --svg {output.svg}"
        " --settings {params.settings:q} --log {log}"


rule figure_similarity:
    input:
        similarity=f"{RUN}/comparison/similarity.zarr",
    output:
        png=report(
            f"{RUN}/figures/similarity.png",
            caption="../report/similarity.rst",
            category="7 Comparison",
            labels={"figure": "Dynamical distances"},
        ),
        svg=f"{RUN}/figures/similarity.svg",
    log:
        f"{RUN}/logs/figure_similarity.log",
    benchmark:
        f"{RUN}/benchmarks/figure_similarity.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(600),
        runtime=minutes(5),
    params:
        settings=PLAN.settings("report"),
        code=PLAN.code("report.stage_comparison"),
    message:
        "Drawing the dynamical distances"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode figure-similarity --similarity {input.similarity}"
        " --png {output.png} --svg {output.svg}"
        " --settings {params.settings:q} --log {log}"


rule figure_representations:
    input:
        representations=f"{RUN}/comparison/representations.zarr",
    output:
        png=report(
            f"{RUN}/figures/representations.png",
            caption="../report/representations.rst",
            category="7 Comparison",
            labels={"figure": "Representations"},
        ),
        svg=f"{RUN}/figures/representations.svg",
    log:
        f"{RUN}/logs/figure_representations.log",
    benchmark:
        f"{RUN}/benchmarks/figure_representations.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(600),
        runtime=minutes(5),
    params:
        settings=PLAN.settings("report"),
        code=PLAN.code("report.stage_comparison"),
    message:
        "Drawing the representations"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode figure-representations --representations {input.representations}"
        " --png {output.png} --svg {output.svg}"
        " --settings {params.settings:q} --log {log}"


rule figure_intrinsic_dimension:
    input:
        systems=system_stores,
        comparison=f"{RUN}/comparison.zarr",
    output:
        png=report(
            f"{RUN}/figures/intrinsic_dimension.png",
            caption="../report/intrinsic_dimension.rst",
            category="7 Comparison",
            labels={"figure": "Intrinsic dimension"},
        ),
        svg=f"{RUN}/figures/intrinsic_dimension.svg",
    log:
        f"{RUN}/logs/figure_intrinsic_dimension.log",
    benchmark:
        f"{RUN}/benchmarks/figure_intrinsic_dimension.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(600),
        runtime=minutes(5),
    params:
        settings=PLAN.settings("report"),
        code=PLAN.code("report.stage_comparison"),
    message:
        "Drawing the intrinsic dimension"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode figure-intrinsic-dimension --comparison {input.comparison}"
        " $(printf -- '--systems %s ' {input.systems})"
        " --png {output.png} --svg {output.svg}"
        " --settings {params.settings:q} --log {log}"


rule closest_networks:
    input:
        similarity=f"{RUN}/comparison/similarity.zarr",
        comparison=f"{RUN}/comparison.zarr",
    output:
        csv=f"{RUN}/comparison/closest.csv",
        html=report(
            f"{RUN}/comparison/closest.html",
            caption="../report/closest.rst",
            category="7 Comparison",
            labels={"figure": "Closest networks (table)"},
        ),
    log:
        f"{RUN}/logs/closest_networks.log",
    benchmark:
        f"{RUN}/benchmarks/closest_networks.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(600),
        runtime=minutes(5),
    params:
        code=PLAN.code("report.stage_comparison"),
    message:
        "Listing the networks by their distance to the recordings"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode closest-networks --similarity {input.similarity}"
        " --comparison {input.comparison} --csv {output.csv} --html {output.html} --log {log}"


rule summary:
    input:
        atlas=f"{RUN}/atlas.zarr",
        tracing=f"{RUN}/tracing.zarr",
        connectome=expand(f"{RUN}/connectome/{{model}}.zarr", model=MODELS),
        network=expand(f"{RUN}/network/{{variant}}.zarr", variant=NETWORKS),
        dynamics=expand(f"{RUN}/dynamics/{{variant}}.zarr", variant=NETWORKS),
        recordings=session_stores,
        comparison=f"{RUN}/comparison.zarr",
    output:
        csv=f"{RUN}/summary.csv",
        html=report(
            f"{RUN}/summary.html",
            caption="../report/summary.rst",
            category="0 Summary",
            labels={"figure": "Key numbers"},
        ),
    log:
        f"{RUN}/logs/summary.log",
    benchmark:
        f"{RUN}/benchmarks/summary.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(600, per_input=2),
        runtime=minutes(5),
    params:
        code=PLAN.code("report"),
    message:
        "Collecting the key numbers"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode summary --atlas {input.atlas} --tracing {input.tracing}"
        " $(for store in {input.connectome}; do echo --connectome $store; done)"
        " $(for store in {input.network}; do echo --network $store; done)"
        " $(for store in {input.dynamics}; do echo --dynamics $store; done)"
        " $(for store in {input.recordings}; do echo --recordings $store; done)"
        " --comparison {input.comparison} --csv {output.csv} --html {output.html}"
        " --log {log}"
