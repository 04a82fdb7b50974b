"""From tracer data to dynamics. Start with: snakemake --cores 2"""

import os
import sys
from pathlib import Path
from snakemake.utils import min_version

from mesomode.config import check_yaml
from mesomode.errors import MesomodeError
from mesomode.workflow import Plan, check_writable, megabytes, minutes

min_version("9.27")

try:
    check_yaml("config.yaml")
except MesomodeError as error:
    sys.exit(f"ERROR: {error}")


configfile: "config.yaml"


try:
    PLAN = Plan(config)
    check_writable("results")
except MesomodeError as error:
    sys.exit(f"ERROR: {error}")

config.update(PLAN.values)
RAW, RUN, SEED = PLAN.raw, PLAN.run, PLAN.seed
# the command `mesomode` of every rule: with --sdm conda that of the rule's environment,
# otherwise that of the interpreter that runs snakemake
if not workflow.deployment_settings.deployment_method:
    shell.prefix(f'mesomode() {{{{ {PLAN.python} -m mesomode "$@"; }}}}; ')
# results that `snakemake` makes; every rule file adds its own
TARGETS = []

for rules_file in sorted(Path(workflow.basedir, "workflow/rules").glob("*.smk")):

    include: rules_file


localrules:
    all,
    configuration,


rule all:
    default_target: True
    input:
        TARGETS,


onsuccess:
    # the report needs the finished run, so it is made after the last job
    sessions = Path(RUN, "recordings").glob("*.zarr")
    needed = [target for target in TARGETS if isinstance(target, str)]
    needed += [f"{RUN}/figures/session_{store.stem}.svg" for store in sessions]
    if all(map(os.path.exists, needed)):
        shell(
            "{PLAN.python} -m snakemake --snakefile {workflow.main_snakefile:q} --nolock --quiet"
            " --configfile {RUN}/config.yaml --report {RUN}/report.zip"
            " && echo 'The report is {RUN}/report.zip'"
        )
    else:
        print(f"No {RUN}/report.zip: that needs the whole run (see: mesomode status)")
