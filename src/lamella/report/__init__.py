"""A picture of an image: one page of its own, for people, that needs nothing but a browser.

    view, layers' bytes, packages --files--> files --stack--> what is hidden, doubled, left over
                                                |
                 facts <--tree, treemap---------+
                   |
                 page: the facts as data, and the script and the style that show them

What is computed here is what `inspect`, `diff` and `explain` tell, and what the files say. The same image gives the
same bytes. The pages of the server take the treemap and the style from here.
"""

from pathlib import Path

ASSETS = Path(__file__).parent / "assets"
"""The files that pages are made with."""
