"""Fingerprints of code, so that an edit reruns exactly the stages it affects.

Snakemake does not see changes in imported modules. Each rule therefore carries
the digest computed here among its parameters: of the stage's own modules and of
everything in the package that they import, comments and docstrings left out.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import os
import sys
from dataclasses import astuple, dataclass
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# where it is kept what was read of the package's files, beside their compiled code
MEMORY = Path(__file__).parent / "__pycache__" / f"fingerprints.{sys.implementation.cache_tag}.json"


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
    _MEMORY.save()
    return digest.hexdigest()[:16]


def imported_modules(module: str, root: Path) -> set[str]:
    """Names of the package's modules reachable from ``module`` by import statements."""
    package = module.split(".")[0]
    queue, seen, found = [module], set(), set()
    start = _file(root, module)
    if start is not None and start.stem == "__init__":
        siblings = start.parent.glob("*.py")
        queue += [f"{module}.{file.stem}" for file in siblings if file.stem != "__init__"]
    while queue:
        name = queue.pop()
        if name in seen:
            continue
        seen.add(name)
        file = _file(root, name)
        if file is None:
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

    content: str
    imports: tuple[str, ...]
    meaning: str


def _source(file: Path, module: str) -> _Source:
    return _of_time(file, module, file.stat().st_mtime_ns)


class _Memory:
    """What was read of the package's own files, by their content, kept from process to process."""

    def __init__(self) -> None:
        self.sources: dict[str, _Source] | None = None
        self.new = False

    def source(self, file: Path, module: str) -> _Source:
        if self.sources is None:
            self.sources = self._saved()
        text = file.read_bytes()
        content = hashlib.sha256(text).hexdigest()
        known = self.sources.get(module)
        if known is None or known.content != content:
            known = self.sources[module] = _read(text, content, file, module)
            self.new = True
        return known

    def save(self) -> None:
        """Write down what is new; where that is not allowed, it is read again next time."""
        if self.new and self.sources is not None and not sys.dont_write_bytecode:
            saved = {
                "reader": _reader(),
                "sources": {m: astuple(s) for m, s in self.sources.items()},
            }
            temporary = MEMORY.with_suffix(f".{os.getpid()}")
            with contextlib.suppress(OSError):
                MEMORY.parent.mkdir(exist_ok=True)
                temporary.write_text(json.dumps(saved))
                temporary.replace(MEMORY)
        self.new = False

    @staticmethod
    def _saved() -> dict[str, _Source]:
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            saved = json.loads(MEMORY.read_text())
            if saved["reader"] == _reader():
                return {m: _Source(c, tuple(i), d) for m, (c, i, d) in saved["sources"].items()}
        return {}


_MEMORY = _Memory()


def _reader() -> str:
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()


@lru_cache(maxsize=1024)
def _of_time(file: Path, module: str, modified: int) -> _Source:
    """What counts of a file; ``modified`` keys this process's memory only."""
    if file.is_relative_to(ROOT):
        return _MEMORY.source(file, module)
    return _read(file.read_bytes(), "", file, module)


def _read(text: bytes, content: str, file: Path, module: str) -> _Source:
    """Read a file, docstrings of any kind left out."""
    tree = ast.parse(text)
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
    return _Source(content, tuple(names), hashlib.sha256(ast.dump(tree).encode()).hexdigest())


def _is_text(statement: ast.AST) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
