"""Names inside an archive, which are bytes whatever system reads them."""


def clean(path: bytes) -> bytes:
    """The shortest name for the same place, as Go's `filepath.Clean` gives it: no `//`, no `.`, `..` only in front.

    Nothing climbs above `/`, and the empty name becomes `.`.
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
