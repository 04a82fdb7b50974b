"""Fingerprints of code, so that an edit reruns exactly the stages it affects.

Snakemake does not see changes in imported modules. Each rule therefore carries
the digest computed here among its parameters: of the stage's own modules and of
everything in the package that they import, comments and docstrings left out.
"""

from __future__ import annotations

import ast
import hashlib
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def code_digest(module: str, root: Path | None = None) -> str:
    """Fingerprint of a module and of all package modules it imports.

    Parameters
    ----------
    module : str
        Dotted name, for example ``"mesomode.atlas.stage"``. A ``stage`` and a
        package count as importing all modules of their folder.
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
        digest.update(f"{name}\0{_meaning(_file(root, name))}\0".encode())
    return digest.hexdigest()[:16]


def imported_modules(module: str, root: Path) -> set[str]:
    """Names of the package's modules reachable from ``module`` by import statements."""
    package = module.split(".")[0]
    queue, found = [module], set()
    start = _file(root, module)
    if start is not None and start.stem in ("stage", "__init__"):
        prefix = module.removesuffix(".stage")
        siblings = start.parent.glob("*.py")
        queue += [f"{prefix}.{file.stem}" for file in siblings if file.stem != "__init__"]
    while queue:
        name = queue.pop()
        file = _file(root, name)
        if name in found or file is None:
            continue
        found.add(name)
        parts = name.split(".")
        queue += [".".join(parts[:i]) for i in range(1, len(parts))]
        queue += [m for m in _imports(file, name) if m.split(".")[0] == package]
    return found


def _file(root: Path, module: str) -> Path | None:
    path = root.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.exists():
            return candidate
    return None


def _imports(file: Path, module: str) -> list[str]:
    names: list[str] = []
    package = module.split(".") if file.name == "__init__.py" else module.split(".")[:-1]
    for node in ast.walk(_parsed(file, file.stat().st_mtime_ns)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return names


def _meaning(file: Path | None) -> str:
    return "" if file is None else ast.dump(_parsed(file, file.stat().st_mtime_ns))


@lru_cache(maxsize=512)
def _parsed(file: Path, modified: int) -> ast.Module:
    """Syntax tree without docstrings of any kind; ``modified`` keys the cache only."""
    tree = ast.parse(file.read_text())
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [s for s in body if not _is_text(s)] or [ast.Pass()]  # type: ignore[attr-defined]
    return tree


def _is_text(statement: ast.AST) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
