"""fetch: raw files exactly as served (or made by the phantom), verified, then read once."""

import json
import os

ENVIRONMENT = ".envs/allensdk"
TRACING_KEYS = ("resolution_um", "regions", "transgenic_lines")
RECORDING_KEYS = [
    *("sessions", "cell_specimens", "session_areas", "session_depths_um", "session_lines"),
    *("session_stimuli", "session_needs", "most_sessions"),
]
TRACING_MANIFEST = f"{RAW}/tracing{PLAN.selection(*TRACING_KEYS)}.json"
CONNECTIVITY = f"{RAW}/connectivity{PLAN.selection(*TRACING_KEYS)}.h5"
RECORDINGS_MANIFEST = f"{RAW}/recordings{PLAN.selection(*RECORDING_KEYS)}.json"
SESSION = f"{RAW}/session_{{session}}{PLAN.selection(*RECORDING_KEYS)}.h5"
# the SDK reads what Allen serves; the phantom's files need nothing but the core environment
READER = "allensdk" if PLAN.source == "allen" else "direct"
READY_PYTHON = config["access"]["allensdk_python"]
# how data are fetched and by which interpreter they are read is not what they are: this reaches
# the jobs through their environment, which Snakemake does not track, so that it reruns nothing
os.environ.update(
    MESOMODE_ACCESS=json.dumps(config["access"]),
    MESOMODE_ALLENSDK_PYTHON=READY_PYTHON or f"{ENVIRONMENT}/bin/python",
)


if PLAN.source == "phantom":

    rule phantom_tracing:
        output:
            manifest=TRACING_MANIFEST,
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
            code=PLAN.code("phantom"),
        message:
            "Making the phantom's tracer experiments"
        conda:
            "../../envs/core.yaml"
        shell:
            "mesomode phantom-tracing --out {output.manifest}"
            " --settings {params.settings:q} --seed {params.seed} --log {log}"

    rule phantom_recordings:
        output:
            manifest=RECORDINGS_MANIFEST,
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
            code=PLAN.code("phantom"),
        message:
            "Making the phantom's recordings"
        conda:
            "../../envs/core.yaml"
        shell:
            "mesomode phantom-recordings --out {output.manifest}"
            " --settings {params.settings:q} --seed {params.seed} --log {log}"

else:

    localrules:
        allensdk_environment,
        fetch_tracing,
        fetch_recordings,

    rule fetch_tracing:
        output:
            manifest=TRACING_MANIFEST,
        log:
            f"{RUN}/logs/fetch_tracing.log",
        benchmark:
            f"{RUN}/benchmarks/fetch_tracing.tsv"
        threads: 1
        resources:
            mem_mb=megabytes(800),
            runtime=minutes(600),
        params:
            settings=PLAN.settings("fetch", *TRACING_KEYS),
            code=PLAN.code("fetch.catalogue"),
        message:
            "Downloading the tracer experiments"
        conda:
            "../../envs/core.yaml"
        shell:
            "mesomode fetch-tracing --out {output.manifest}"
            ' --settings {params.settings:q} --access "$MESOMODE_ACCESS" --log {log}'

    # a checkpoint: which sessions there are may be known only afterwards
    checkpoint fetch_recordings:
        input:
            # not read: the services are asked by one job at a time
            after=ancient(TRACING_MANIFEST),
        output:
            manifest=RECORDINGS_MANIFEST,
        log:
            f"{RUN}/logs/fetch_recordings.log",
        benchmark:
            f"{RUN}/benchmarks/fetch_recordings.tsv"
        threads: 1
        resources:
            mem_mb=megabytes(800),
            runtime=minutes(600),
        params:
            settings=PLAN.settings("fetch", *RECORDING_KEYS),
            code=PLAN.code("fetch.catalogue"),
        message:
            "Downloading the recordings"
        conda:
            "../../envs/core.yaml"
        shell:
            "mesomode fetch-recordings --out {output.manifest}"
            ' --settings {params.settings:q} --access "$MESOMODE_ACCESS" --log {log}'

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
            "mesomode allensdk-environment --lock {input.lock} --out {output.ready} --log {log}"


rule read_tracing:
    input:
        manifest=TRACING_MANIFEST,
        environment=(
            [] if READER == "direct" or READY_PYTHON else ancient(f"{ENVIRONMENT}/ready.json")
        ),
    output:
        file=CONNECTIVITY,
    log:
        f"{RUN}/logs/read_tracing.log",
    benchmark:
        f"{RUN}/benchmarks/read_tracing.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(1500),
        runtime=minutes(60),
    params:
        reader=READER,
        code=PLAN.code("fetch.reading"),
        sdk=PLAN.code("fetch.read_allensdk"),
    message:
        "Reading the tracer experiments ({params.reader})"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode read-tracing --manifest {input.manifest} --out {output.file}"
        ' --reader {params.reader} --allensdk-python "$MESOMODE_ALLENSDK_PYTHON" --log {log}'


rule read_recordings:
    input:
        manifest=RECORDINGS_MANIFEST,
        environment=(
            [] if READER == "direct" or READY_PYTHON else ancient(f"{ENVIRONMENT}/ready.json")
        ),
    output:
        file=SESSION,
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
        reader=READER,
        code=PLAN.code("fetch.reading"),
        sdk=PLAN.code("fetch.read_allensdk"),
    message:
        "Reading the session {wildcards.session} ({params.reader})"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode read-recordings --manifest {input.manifest} --session {wildcards.session}"
        " --out {output.file} --reader {params.reader}"
        ' --allensdk-python "$MESOMODE_ALLENSDK_PYTHON" --log {log}'
