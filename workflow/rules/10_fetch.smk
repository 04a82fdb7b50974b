"""fetch: raw files exactly as served (or made by the phantom), verified, then read once."""

import json

ACCESS = json.dumps(config["access"])
ENVIRONMENT = ".envs/allensdk"
# the SDK reads what Allen serves; the phantom's files need nothing but the core environment
READER = "allensdk" if PLAN.source == "allen" else "direct"
READY_PYTHON = config["access"]["allensdk_python"]
ALLENSDK_PYTHON = READY_PYTHON or f"{ENVIRONMENT}/bin/python"


if PLAN.source == "phantom":

    rule phantom_tracing:
        output:
            manifest=f"{RAW}/tracing.json",
            truth=f"{RAW}/truth.h5",
        log:
            f"{RUN}/logs/phantom_tracing.log",
        benchmark:
            f"{RUN}/benchmarks/phantom_tracing.tsv"
        threads: 1
        resources:
            mem_mb=megabytes(2000),
            runtime=minutes(20),
        params:
            settings=PLAN.settings("phantom"),
            seed=SEED,
            code=PLAN.code("fetch"),
        message:
            "Making the phantom's tracer experiments"
        conda:
            "../../envs/core.yaml"
        shell:
            "{MESOMODE} phantom-tracing --out {output.manifest}"
            " --settings {params.settings:q} --seed {params.seed} --log {log}"

    rule phantom_recordings:
        output:
            manifest=f"{RAW}/recordings.json",
        log:
            f"{RUN}/logs/phantom_recordings.log",
        benchmark:
            f"{RUN}/benchmarks/phantom_recordings.tsv"
        threads: 1
        resources:
            mem_mb=megabytes(2000),
            runtime=minutes(20),
        params:
            settings=PLAN.settings("phantom"),
            seed=SEED,
            code=PLAN.code("fetch"),
        message:
            "Making the phantom's recordings"
        conda:
            "../../envs/core.yaml"
        shell:
            "{MESOMODE} phantom-recordings --out {output.manifest}"
            " --settings {params.settings:q} --seed {params.seed} --log {log}"

else:

    localrules:
        allensdk_environment,
        fetch_tracing,
        fetch_recordings,

    rule fetch_tracing:
        output:
            manifest=f"{RAW}/tracing.json",
        log:
            f"{RUN}/logs/fetch_tracing.log",
        benchmark:
            f"{RUN}/benchmarks/fetch_tracing.tsv"
        threads: 1
        resources:
            mem_mb=megabytes(800),
            runtime=minutes(600),
        params:
            settings=PLAN.settings("fetch"),
            code=PLAN.code("fetch"),
        message:
            "Downloading the tracer experiments"
        conda:
            "../../envs/core.yaml"
        shell:
            "{MESOMODE} fetch-tracing --out {output.manifest}"
            " --settings {params.settings:q} --access {ACCESS:q} --log {log}"

    rule fetch_recordings:
        output:
            manifest=f"{RAW}/recordings.json",
        log:
            f"{RUN}/logs/fetch_recordings.log",
        benchmark:
            f"{RUN}/benchmarks/fetch_recordings.tsv"
        threads: 1
        resources:
            mem_mb=megabytes(800),
            runtime=minutes(600),
        params:
            settings=PLAN.settings("fetch"),
            code=PLAN.code("fetch"),
        message:
            "Downloading the recordings"
        conda:
            "../../envs/core.yaml"
        shell:
            "{MESOMODE} fetch-recordings --out {output.manifest}"
            " --settings {params.settings:q} --access {ACCESS:q} --log {log}"

    rule allensdk_environment:
        input:
            lock="envs/allensdk.lock",
        output:
            ready=f"{ENVIRONMENT}/ready.json",
        log:
            f"{RUN}/logs/allensdk_environment.log",
        message:
            "Making the environment of allensdk (once; 1 GB, a few minutes)"
        conda:
            "../../envs/core.yaml"
        shell:
            "{MESOMODE} allensdk-environment --lock {input.lock} --out {output.ready}"
            " --log {log}"


rule read_tracing:
    input:
        manifest=f"{RAW}/tracing.json",
        environment=(
            [] if READER == "direct" or READY_PYTHON else ancient(f"{ENVIRONMENT}/ready.json")
        ),
    output:
        file=f"{RAW}/connectivity.h5",
    log:
        f"{RUN}/logs/read_tracing.log",
    benchmark:
        f"{RUN}/benchmarks/read_tracing.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(1500),
        runtime=minutes(60),
    params:
        code=PLAN.code("fetch"),
    message:
        "Reading the tracer experiments ({READER})"
    conda:
        "../../envs/core.yaml"
    shell:
        "{MESOMODE} read-tracing --manifest {input.manifest} --out {output.file}"
        " --reader {READER} --allensdk-python {ALLENSDK_PYTHON:q} --log {log}"


rule read_recordings:
    input:
        manifest=f"{RAW}/recordings.json",
        environment=(
            [] if READER == "direct" or READY_PYTHON else ancient(f"{ENVIRONMENT}/ready.json")
        ),
    output:
        file=f"{RAW}/session_{{session}}.h5",
    log:
        f"{RUN}/logs/read_recordings_{{session}}.log",
    benchmark:
        f"{RUN}/benchmarks/read_recordings_{{session}}.tsv"
    wildcard_constraints:
        session=r"\d+",
    threads: 1
    resources:
        mem_mb=megabytes(3000),
        runtime=minutes(60),
    params:
        code=PLAN.code("fetch"),
    message:
        "Reading the session {wildcards.session} ({READER})"
    conda:
        "../../envs/core.yaml"
    shell:
        "{MESOMODE} read-recordings --manifest {input.manifest} --session {wildcards.session}"
        " --out {output.file} --reader {READER} --allensdk-python {ALLENSDK_PYTHON:q} --log {log}"
