"""Images that are made when they are asked for: their names say what is in them.

    name and tag --names--> request --pins--> pin --nix, deb, pypi, specs--> spec --build--> image, by its digest

Nothing here knows of HTTP, or of who builds when. What a request is built of is decided by its pin alone, so builds of
one request at one pin give the same bytes, wherever they run; but for specs that ask for layers as the image before
has them (`steady`).
"""
