"""Dry-run the pipeline in the working folder under many configurations.

Standard input: a JSON list of configurations (JSON text, which is YAML). Standard
output: a JSON list of what snakemake printed. Each dry run is a fork of this
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


def dry_run(arguments: list[str]) -> str:
    """What snakemake prints for a dry run, which happens in a fork of this process."""
    with tempfile.TemporaryFile() as output:
        child = os.fork()
        if child == 0:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            try:
                snakemake.cli.main(["--dry-run", "--nolock", *arguments])
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(1)
        os.waitpid(child, 0)
        output.seek(0)
        return output.read().decode()


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
