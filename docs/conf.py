"""The site of these pages: `make docs` builds it into docs/_build. Its sources are the pages that GitHub shows.

The repository itself is the folder of sources, so that a relative link such as `../README.md` is right in both
places. docs/index.md is the one list of all pages: its headings and tables are the site's menu, too.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from shutil import copyfile
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from docs._site.menu import with_menu  # noqa: E402 - from the folder above
from docs._site.targets import LinksToCode  # noqa: E402

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))

project = "f2b"
author = "the authors of f2b"
release = _PYPROJECT["project"]["version"]
root_doc = "docs/index"
extensions = ["myst_parser", "sphinx_copybutton"]
include_patterns = ["*.md", "producer/README.md", "docs/**/*.md", "docs/*.md"]
# Not ".*": Sphinx would leave out the scripts of extensions, too, which to it are "./copybutton.js" and the like.
exclude_patterns = sorted({each.name for each in ROOT.iterdir() if each.is_dir()} - {"docs", "producer"})
exclude_patterns += ["docs/_*", "producer/[!R]*"]
templates_path = ["_site/templates"]

nitpicky = True
myst_heading_anchors = 6  # as GitHub names them
pygments_style = "default"

html_theme = "furo"
html_title = f"f2b {release}"
html_use_index = False
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_additional_pages = {"index": "to_the_index.html"}
html_static_path: list[str] = []
copybutton_exclude = ".linenos, .gp, .go"


def _copy_pictures(app: Sphinx, failed: Exception | None) -> None:
    """Copy what HTML in a page names: Sphinx finds only the pictures of Markdown."""
    if failed is None:
        for picture in (ROOT / "docs" / "pictures").glob("dashboard-*.png"):
            target = app.outdir / "docs" / "pictures" / picture.name
            target.parent.mkdir(exist_ok=True)
            copyfile(picture, target)


def _add_menu(_app: Sphinx, name: str, text: list[str]) -> None:
    if name == root_doc:
        text[0] = with_menu(text[0])


def setup(app: Sphinx) -> dict[str, Any]:
    """Add what is ours."""
    app.add_config_value("code_url", _PYPROJECT["project"].get("urls", {}).get("Source", ""), "env")
    app.add_transform(LinksToCode)
    app.connect("source-read", _add_menu)
    app.connect("build-finished", _copy_pictures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
