"""Names inside an archive, which are bytes on every system."""


def clean(path: bytes) -> bytes:
    """Return the shortest name for the same place, like Go's `filepath.Clean`: no `//`, no `.`, `..` only in front.

    Nothing leads above `/`, and the empty name becomes `.`.
    """
    rooted = path.startswith(b"/")
    kept: list[bytes] = []
    for part in path.split(b"/"):
        if part in (b"", b"."):
            continue
        if part != b"..":
            kept.append(part)
        elif kept and kept[-1] != b"..":
            kept.pop()
        elif not rooted:
            kept.append(part)
    short = b"/".join(kept)
    return b"/" + short if rooted else short or b"."
