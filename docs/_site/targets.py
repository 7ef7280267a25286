"""Where a link leads that leads to no page: a file of docs/ is in the site, all else is in the repository."""

from __future__ import annotations

from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms import SphinxTransform

DOCS = Path(__file__).resolve().parents[1]


class LinksToCode(SphinxTransform):
    """Lets links to the code lead to the repository; while that has no address, they are text."""

    default_priority = 5  # before Sphinx looks for what is linked to

    def apply(self, **_: object) -> None:
        """Change the links of one page."""
        for kind in (addnodes.download_reference, addnodes.pending_xref):
            for link in list(self.document.findall(kind)):
                path = self._path_of(link)
                if path is not None:
                    link.replace_self(self._to_code(link, path))

    def _path_of(self, link: nodes.Element) -> Path | None:
        """Tell to what of the repository a link leads, or None if the site has it, or there is no such thing."""
        if link.get("refdomain") == "doc":  # its name has no ending, and begins at the root
            page = Path(f"{link['reftarget']}.md")
            is_there = link["reftarget"] not in self.env.found_docs and (self.env.srcdir / page).is_file()
            return page if is_there else None
        _, full = self.env.relfn2path(link["reftarget"], self.env.docname)
        path = Path(full)
        is_in_site = path.is_file() and path.is_relative_to(DOCS)
        return None if is_in_site or not path.exists() else path.relative_to(self.env.srcdir)

    def _to_code(self, link: nodes.Element, path: Path) -> nodes.Element:
        if not self.config.code_url:
            return nodes.inline("", "", *link.children, title=str(path))
        kind = "tree" if (self.env.srcdir / path).is_dir() else "blob"
        url = f"{self.config.code_url}/{kind}/main/{path.as_posix()}"
        return nodes.reference("", "", *link.children, refuri=url, internal=False)
