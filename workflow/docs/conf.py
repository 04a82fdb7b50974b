"""Configuration of Sphinx; the pages are gathered by build.py beside it."""

import re
import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

project = "mesomode"
author = "The mesomode developers"
project_copyright = author
release = version_of("mesomode")
version = release

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "mathml",
]
html_math_renderer = "mathml"
html_theme = "furo"
html_title = f"mesomode {release}"
html_static_path = ["_static"]
html_css_files = ["mesomode.css"]
html_show_copyright = False
html_copy_source = False

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
exclude_patterns = ["_static"]

autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True  # a folder as it is written, not where it is on this machine
autodoc_mock_imports = ["allensdk"]
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_param = False
napoleon_use_ivar = True
copybutton_prompt_text = r"^\$ "
copybutton_prompt_is_regexp = True
nitpick_ignore_regex = [
    ("py:class", r"(?!mesomode\.).*"),  # types are said in words
    ("py:obj", r"numpy\..*"),
    ("py:data", r"[A-Z_]+"),  # a constant of the same module
]


def plain(app, what, name, obj, options, lines):
    """Keep what is mathematics in a docstring from being read as markup."""
    for place, line in enumerate(lines):
        parts = re.split(r"(``.*?``|:\w+(?::\w+)?:`.*?`|`.*?`)", line)
        for index in range(0, len(parts), 2):
            parts[index] = re.sub(r"\|", r"\\|", parts[index])
            parts[index] = re.sub(r"(?<=[\w})])_(?=\W|$)", r"\\_", parts[index])
            parts[index] = re.sub(r"(?<![\\*])\*(?!\*)", r"\\*", parts[index])
        lines[place] = "".join(parts)


def setup(app):
    """Connect what is above."""
    app.connect("autodoc-process-docstring", plain, priority=100)
