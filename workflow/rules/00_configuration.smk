"""The configuration that was used, with all defaults filled in."""

TARGETS += [f"{RUN}/config.yaml"]


rule configuration:
    output:
        f"{RUN}/config.yaml",
    log:
        f"{RUN}/logs/configuration.log",
    params:
        settings=PLAN.whole(),
    message:
        "Saving the configuration used"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode config --values {params.settings:q} --out {output} 2> {log}"
