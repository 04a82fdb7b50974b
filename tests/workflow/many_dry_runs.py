"""Dry-run the pipeline in the working folder under many configurations.

Standard input: a JSON list of configurations (YAML text). Standard output: a JSON
list of snakemake's exit status and what it printed. Each dry run is a fork of this
process, which has loaded snakemake once; a start of its own would take three
times as long. ``config.yaml`` is replaced for each dry run and restored.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import snakemake.cli
import snakemake.workflow

import mesomode.workflow  # noqa: F401


def dry_run(arguments: list[str]) -> tuple[int, str]:
    """Exit status and words of snakemake for a dry run, in a fork of this process."""
    with tempfile.TemporaryFile() as output:
        child = os.fork()
        if child == 0:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            status: object = 99
            try:
                snakemake.cli.main(["--dry-run", "--nolock", *arguments])
            except SystemExit as end:
                status = end.code
            finally:
                if isinstance(status, str):  # as Python itself does at an exit with words
                    print(status, file=sys.stderr)
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status if isinstance(status, int) else status is not None)
        _, status = os.waitpid(child, 0)
        output.seek(0)
        return os.waitstatus_to_exitcode(status), output.read().decode()


def main() -> None:
    """Dry-run once for each configuration on standard input."""
    config = Path("config.yaml")
    original = config.read_bytes()
    outputs = []
    try:
        for text in json.load(sys.stdin):
            config.write_text(text)
            outputs.append(dry_run([]))
    finally:
        config.write_bytes(original)
    json.dump(outputs, sys.stdout)


if __name__ == "__main__":
    main()
