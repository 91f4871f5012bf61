"""How the documentation is built: Sphinx, MyST pages whose code is run, the pydata theme."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from sphinx.application import Sphinx

import fascicle

HERE = Path(__file__).resolve().parent
BUILD = HERE / "_build"

project = "fascicle"
author = "The fascicle developers"
project_copyright = f"2026, {author}"
version = release = fascicle.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_click",
]
exclude_patterns = ["_build", "**/.ipynb_checkpoints"]
templates_path: list[str] = []
smartquotes_action = "qe"  # quotes and dots; two hyphens before an option stay two hyphens

# -- pages ----------------------------------------------------------------------------------------

myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3
# The code of the pages runs at each build, in a home of its own, on a small synthetic lab: what
# they show is what this version does. The tutorials stand as they are committed, with outputs that
# the tests hold them to: one takes real files, which not every machine that builds pages has.
nb_execution_excludepatterns = ["tutorials/*"]
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 180
nb_execution_show_tb = True
nb_merge_streams = True

# -- reference ------------------------------------------------------------------------------------

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say types, shapes and units
autodoc_class_signature = "mixed"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_param = False  # types are words ("path-like"), not names to be looked up
# The ONE interface has the same classes under ONE's module paths: either target will do.
suppress_warnings = ["ref.python"]
napoleon_use_ivar = True

# -- looks ----------------------------------------------------------------------------------------

html_theme = "pydata_sphinx_theme"
html_title = "fascicle"
html_static_path = ["_static"]
html_css_files = ["fascicle.css"]
html_show_sourcelink = False
# The reference alone has pages below pages to list at the side.
html_sidebars: dict[str, list[str]] = {"*": [], "tutorials/*": []}
html_theme_options = {
    "show_prev_next": False,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}


def _prepare_home(app: Sphinx) -> None:
    """Give the pages' code a home with a synthetic lab, so that no build touches the user's own."""
    if app.config.nb_execution_mode == "off":
        return
    from fascicle import demo

    home = BUILD / "home"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True, exist_ok=True)
    os.environ["HOME"] = os.environ["USERPROFILE"] = str(home)
    os.environ["FASCICLE_CACHE"] = str(home / "cache")
    os.environ["FASCICLE_PROGRESS"] = "0"
    os.environ["TQDM_DISABLE"] = "1"
    os.environ["FASCICLE_ARCHIVES"] = str(home / "lab")
    demo.make_lab(home / "lab", size="tiny")
    demo.index_lab(home / "lab")


def _as_typed(app: Sphinx, ctx: object, lines: list[str]) -> None:
    """Set the examples of help texts as code, and keep the asterisks of the others.

    Examples are lines that stand as they are (``| text``) below a heading. As text, their options
    would get a dash for two hyphens, and could not be copied into a shell.
    """
    text: list[str] = []
    for line in lines:
        if line.startswith("|   "):
            if text and text[-1].startswith("| "):  # the heading
                text[-1:] = [text[-1].removeprefix("| "), "", ".. code-block:: text", ""]
            text.append("   " + line.removeprefix("|   "))
        else:
            text.append(line.replace("*", r"\*"))
    lines[:] = text


def _skip(app: Sphinx, what: str, name: str, member: object, skip: bool, options: object) -> bool:
    """Leave out the slots of a class: its docstring describes them already."""
    return skip or repr(member) == "SLOTS_ATTR"


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("builder-inited", _prepare_home)
    app.connect("autodoc-skip-member", _skip)
    app.connect("sphinx-click-process-description", _as_typed)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
