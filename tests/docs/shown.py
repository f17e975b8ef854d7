"""The workflows that the pages show: a page's `yaml` that begins with the name of its file."""

import re
from pathlib import Path

_SHOWN = re.compile(r"^```yaml\n# (\S+\.yml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def workflows() -> list[tuple[Path, str]]:
    """Each file with what stands in it."""
    pages = sorted((Path(__file__).parents[2] / "docs").rglob("*.md"))
    return [(Path(match[1]), match[2]) for page in pages for match in _SHOWN.finditer(page.read_text())]
