"""recordings: a two-photon session → traces, events, stimuli, responses, dimension."""

TARGETS += expand(f"{RUN}/recordings/{{session}}.zarr", session=PLAN.sessions)


rule recordings:
    input:
        raw=SESSION,
    output:
        store=directory(f"{RUN}/recordings/{{session}}.zarr"),
    log:
        f"{RUN}/logs/recordings_{{session}}.log",
    benchmark:
        f"{RUN}/benchmarks/recordings_{{session}}.tsv"
    wildcard_constraints:
        session=r"\d+",
    threads: 1
    resources:
        mem_mb=megabytes(800, per_input=8),
        runtime=minutes(10, per_megabyte=0.05),
    params:
        settings=PLAN.settings("recordings"),
        seed=SEED,
        code=PLAN.code("recordings"),
    message:
        "Reading the session {wildcards.session}"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode recordings --raw {input.raw} --out {output.store}"
        " --settings {params.settings:q} --seed {params.seed} --threads {threads} --log {log}"
