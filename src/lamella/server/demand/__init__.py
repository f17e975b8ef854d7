"""Images that are made when they are pulled: their names say what is in them.

    name and tag --names--> request --pins--> pin --nix, deb, pypi, specs--> spec --build--> image, by its digest

Nothing here knows about HTTP, or about which replica builds when. The pin alone decides what a request is built from,
so builds of one request at one pin give the same bytes everywhere, except for specs that keep the layers of the
previous image (`steady`).
"""
