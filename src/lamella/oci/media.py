"""Media types of OCI and Docker."""

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
LAYER_GZIP = LAYER + "+gzip"
LAYER_ZSTD = LAYER + "+zstd"

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"
DOCKER_LAYER_GZIP = DOCKER_LAYER + ".gzip"

MANIFESTS = frozenset({MANIFEST, DOCKER_MANIFEST})
INDEXES = frozenset({INDEX, DOCKER_INDEX})
CONFIGS = frozenset({CONFIG, DOCKER_CONFIG})

_UNDISTRIBUTABLE = "application/vnd.oci.image.layer.nondistributable.v1.tar"
_FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar"
LAYERS = frozenset(
    {kind + ending for kind in (LAYER, _UNDISTRIBUTABLE) for ending in ("", "+gzip", "+zstd")}
    | {kind + ending for kind in (DOCKER_LAYER, _FOREIGN) for ending in ("", ".gzip", ".zstd")}
)


def is_manifest(media_type: str) -> bool:
    """Whether this is a manifest or an index, which registries keep separate from other blobs."""
    return media_type in MANIFESTS or media_type in INDEXES


def compression(media_type: str) -> str:
    """Return how a layer of this media type is compressed: `none`, `gzip` or `zstd`."""
    if media_type.endswith("gzip"):
        return "gzip"
    return "zstd" if media_type.endswith("zstd") else "none"
