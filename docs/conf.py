"""How Sphinx makes the site out of the pages: `make docs`. Neither making it nor reading it needs the network."""

import re
from pathlib import Path

from sphinx.application import Sphinx

from lamella import __version__

project = "lamella"
release = __version__
html_title = f"lamella {release}"
root_doc = "index"
extensions = ["myst_parser"]
myst_heading_anchors = 3
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False

_SECTION = re.compile(r"^## (.+)\n\n((?:- .*\n(?:  .*\n)*)+)", re.MULTILINE)
_PAGE = re.compile(r"^- \[[^]]+\]\(([^)#]+)\.md\)", re.MULTILINE)
_OUTSIDE = re.compile(r"(?<!!)\[([^]]+)\]\(((?:\.\./)+[^)#]+)\)")


def navigation(_app: Sphinx, page: str, source: list[str]) -> None:
    """Makes the lists of the first page the order of the site: said once, where people without a site read it too."""
    if page == root_doc:
        for title, links in _SECTION.findall(source[0]):
            pages = "\n".join(_PAGE.findall(links))
            source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {title}\n\n{pages}\n```\n"


def folders(app: Sphinx, page: str, source: list[str]) -> None:
    """Names the folders of the repository that pages link to: a site cannot show them as a code host does."""
    here = Path(app.env.doc2path(page)).parent

    def named(link: re.Match[str]) -> str:
        target = (here / link[2]).resolve()
        return f"{link[1]} (`{target.relative_to(app.srcdir.parent)}`)" if target.is_dir() else link[0]

    source[0] = _OUTSIDE.sub(named, source[0])


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", navigation)
    app.connect("source-read", folders)
