"""The workspaces in which the pipeline runs."""

from tests.workflow.fixtures import finished_run, fresh, workspace

__all__ = ["finished_run", "fresh", "workspace"]
