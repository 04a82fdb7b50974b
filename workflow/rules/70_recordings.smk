"""recordings: a two-photon session → traces, events, stimuli, responses, dimension."""

# what is measured does not depend on which other recordings there are
ANALYSIS = [key for key in PLAN.values["recordings"] if key != "files"]

TARGETS += [session_stores, f"{RUN}/recordings/sessions.csv"]


rule own_recording:
    input:
        file=PLAN.own_file,
        tables=PLAN.own_tables,
    output:
        file=OWN_RECORDING,
    log:
        f"{RUN}/logs/own_recording_{{session}}.log",
    benchmark:
        f"{RUN}/benchmarks/own_recording_{{session}}.tsv"
    wildcard_constraints:
        session=r"[A-Za-z][\w-]*",
    threads: 1
    resources:
        mem_mb=megabytes(800, per_input=8),
        runtime=minutes(10, per_megabyte=0.05),
    params:
        settings=PLAN.own_settings,
        code=PLAN.code("recordings.stage_files"),
    message:
        "Reading the recording {wildcards.session}"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode own-recording --file {input.file} --out {output.file}"
        " --settings {params.settings:q} --log {log}"


rule recordings:
    input:
        raw=session_file,
    output:
        store=directory(f"{RUN}/recordings/{{session}}.zarr"),
    log:
        f"{RUN}/logs/recordings_{{session}}.log",
    benchmark:
        f"{RUN}/benchmarks/recordings_{{session}}.tsv"
    wildcard_constraints:
        session=r"\d+|[A-Za-z][\w-]*",
    threads: 1
    resources:
        mem_mb=megabytes(800, per_input=8),
        runtime=minutes(10, per_megabyte=0.05),
    params:
        settings=PLAN.settings("recordings", *ANALYSIS),
        seed=SEED,
        code=PLAN.code("recordings"),
    message:
        "Analysing the session {wildcards.session}"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode recordings --raw {input.raw} --out {output.store}"
        " --settings {params.settings:q} --seed {params.seed} --threads {threads} --log {log}"


rule session_table:
    input:
        manifest=RECORDINGS_MANIFEST,
        recordings=session_stores,
    output:
        csv=report(
            f"{RUN}/recordings/sessions.csv",
            caption="../report/sessions.rst",
            category="6 Recordings",
            labels={"figure": "Sessions"},
        ),
    log:
        f"{RUN}/logs/session_table.log",
    benchmark:
        f"{RUN}/benchmarks/session_table.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(600),
        runtime=minutes(5),
    params:
        code=PLAN.code("recordings.stage_table"),
    message:
        "Listing the sessions"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode session-table --manifest {input.manifest} --out {output.csv}"
        " $(for store in {input.recordings}; do echo --recordings $store; done)"
        " --log {log}"
