"""Equations as MathML: drawn by the browser itself, without a script, a font or a network."""

from __future__ import annotations

from docutils.utils.math import latex2mathml
from sphinx.util.math import get_node_equation_number


def mathml(latex: str, display: bool) -> str:
    """Translate an equation into MathML."""
    lines = [line for line in latex.strip().splitlines() if line.strip()]
    if display and any(r"\\" in line or "&" in line for line in lines):
        return latex2mathml.tex2mathml("\n".join(lines), as_block=True)
    return latex2mathml.tex2mathml(" ".join(lines), as_block=display)


def visit_inline(translator, node):
    """Write an equation within a line."""
    translator.body.append(mathml(node.astext(), display=False))
    from docutils import nodes

    raise nodes.SkipNode


def visit_block(translator, node):
    """Write an equation on lines of its own, with its number if it has a label."""
    from docutils import nodes

    identity = f' id="{node["ids"][0]}"' if node["ids"] else ""
    translator.body.append(f'<div class="equation"{identity}>')
    if node["number"]:
        number = get_node_equation_number(translator, node)
        translator.body.append(f'<span class="eqno">({number})</span>')
    translator.body.append(mathml(node.astext(), display=True))
    translator.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app):
    """Register the renderer."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
