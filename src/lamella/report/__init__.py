"""A picture of an image: a single page for people, which needs nothing but a browser.

    view, layers' bytes, packages --files--> files --stack--> what is hidden, duplicated, left over
                                                |
                 facts <--tree, treemap---------+
                   |
                 page: the facts as data, and the script and the style that show them

This computes what `inspect`, `diff` and `explain` report, and adds what the files show. The same image gives the same
bytes. The server's pages use the treemap and the style from here.
"""

from pathlib import Path

ASSETS = Path(__file__).parent / "assets"
"""The files that pages are made from."""
