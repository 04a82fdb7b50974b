"""Fingerprints of code, so that an edit reruns exactly the stages it affects.

Snakemake does not see changes in imported modules. Each rule therefore carries
the digest computed here among its parameters: of the stage's own modules and of
everything in the package that they import, comments and docstrings left out.
"""

from __future__ import annotations

import ast
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def code_digest(module: str, root: Path | None = None) -> str:
    """Fingerprint of a module and of all package modules it imports.

    Parameters
    ----------
    module : str
        Dotted name, for example ``"mesomode.atlas.stage"``. A package counts
        as importing all modules of its folder.
    root : Path, optional
        Folder that holds the package; by default the one this file is in.

    Returns
    -------
    str
        16 hexadecimal digits; unchanged by comments, docstrings, layout and
        time stamps.
    """
    root = ROOT if root is None else root
    digest = hashlib.sha256()
    for name in sorted(imported_modules(module, root)):
        file = _file(root, name)
        if file is not None:
            digest.update(f"{name}\0{_source(file, name).meaning}\0".encode())
    return digest.hexdigest()[:16]


def imported_modules(module: str, root: Path) -> set[str]:
    """Names of the package's modules reachable from ``module`` by import statements."""
    package = module.split(".")[0]
    queue, found = [module], set()
    start = _file(root, module)
    if start is not None and start.stem == "__init__":
        siblings = start.parent.glob("*.py")
        queue += [f"{module}.{file.stem}" for file in siblings if file.stem != "__init__"]
    while queue:
        name = queue.pop()
        file = _file(root, name)
        if name in found or file is None:
            continue
        found.add(name)
        parts = name.split(".")
        queue += [".".join(parts[:i]) for i in range(1, len(parts))]
        queue += [m for m in _source(file, name).imports if m.split(".")[0] == package]
    return found


def _file(root: Path, module: str) -> Path | None:
    path = root.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.exists():
            return candidate
    return None


@dataclass(frozen=True)
class _Source:
    """What counts of a file: the modules it names in import statements, and its meaning."""

    imports: tuple[str, ...]
    meaning: str


def _source(file: Path, module: str) -> _Source:
    return _read(file, module, file.stat().st_mtime_ns)


@lru_cache(maxsize=1024)
def _read(file: Path, module: str, modified: int) -> _Source:
    """Read a file, docstrings of any kind left out; ``modified`` keys the cache only."""
    tree = ast.parse(file.read_text())
    package = module.split(".") if file.name == "__init__.py" else module.split(".")[:-1]
    names: list[str] = []
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [s for s in body if not _is_text(s)] or [ast.Pass()]  # type: ignore[attr-defined]
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return _Source(tuple(names), hashlib.sha256(ast.dump(tree).encode()).hexdigest())


def _is_text(statement: ast.AST) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
