"""network: what of the connectome can matter for dynamics, and networks that share it step by
step, also of further connectomes."""

from mesomode.files import canonical_json
from mesomode.network.settings import NETWORK_KEYS, STRUCTURE_KEYS, VARIANTS

OTHERS = config["network"]["others"]
NETWORKS = config["network"]["variants"]
# networks of the further connectomes: <name>/<variant>
OTHER_NETWORKS = expand("{name}/{variant}", name=OTHERS, variant=VARIANTS)
PLACES = ["", *expand("{name}/", name=OTHERS)]
PLACE = f"(?:{'|'.join(PLACES)})"

# the connectome that the networks in a folder are made from
CONNECTOME_AT = {f"{name}/": f"{RUN}/connectome/others/{name}.zarr" for name in OTHERS}
CONNECTOME_AT[""] = f"{RUN}/connectome/{CONNECTOME}.zarr"

TARGETS += expand(f"{RUN}/network/{{place}}structure.zarr", place=PLACES)
TARGETS += expand(f"{RUN}/network/{{variant}}.zarr", variant=[*NETWORKS, *OTHER_NETWORKS])


if OTHERS:

    rule network_file:
        input:
            file=lambda wildcards: OTHERS[wildcards.name]["file"],
        output:
            store=directory(f"{RUN}/connectome/others/{{name}}.zarr"),
        log:
            f"{RUN}/logs/network_file_{{name}}.log",
        benchmark:
            f"{RUN}/benchmarks/network_file_{{name}}.tsv"
        wildcard_constraints:
            name="|".join(OTHERS),
        threads: 1
        resources:
            mem_mb=megabytes(1000, per_input=20),
            runtime=minutes(5),
        params:
            settings=lambda wildcards: canonical_json(
                {"others": {wildcards.name: OTHERS[wildcards.name]}}
            ),
            code=PLAN.code("network"),
        message:
            "Reading the connectome {wildcards.name} from {input.file}"
        conda:
            "../../envs/core.yaml"
        shell:
            "mesomode network-file --file {input.file:q} --out {output.store}"
            " --name {wildcards.name} --settings {params.settings:q} --log {log}"


rule network_structure:
    input:
        connectome=lambda wildcards: CONNECTOME_AT[wildcards.place],
    output:
        store=directory(f"{RUN}/network/{{place}}structure.zarr"),
    log:
        f"{RUN}/logs/network_{{place}}structure.log",
    benchmark:
        f"{RUN}/benchmarks/network_{{place}}structure.tsv"
    wildcard_constraints:
        place=PLACE,
    threads: 2
    resources:
        mem_mb=megabytes(800, per_input=60),
        runtime=minutes(30),
    params:
        settings=PLAN.settings("network", *STRUCTURE_KEYS),
        seed=SEED,
        code=PLAN.code("network"),
    message:
        "Measuring the structure of the connectome {input.connectome}"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode network-structure --connectome {input.connectome} --out {output.store}"
        " --settings {params.settings:q} --seed {params.seed} --threads {threads} --log {log}"


rule network:
    input:
        structure=f"{RUN}/network/{{place}}structure.zarr",
    output:
        store=directory(f"{RUN}/network/{{place}}{{variant}}.zarr"),
    log:
        f"{RUN}/logs/network_{{place}}{{variant}}.log",
    benchmark:
        f"{RUN}/benchmarks/network_{{place}}{{variant}}.tsv"
    wildcard_constraints:
        place=PLACE,
        variant="|".join(VARIANTS),
    threads: 2
    resources:
        mem_mb=megabytes(800, per_input=20),
        runtime=minutes(10),
    params:
        settings=PLAN.settings("network", *NETWORK_KEYS),
        seed=SEED,
        code=PLAN.code("network"),
    message:
        "Building the network {wildcards.place}{wildcards.variant}"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode network-variant --structure {input.structure} --out {output.store}"
        " --variant {wildcards.variant} --settings {params.settings:q} --seed {params.seed}"
        " --threads {threads} --log {log}"
