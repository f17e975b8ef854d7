"""CycloneDX 1.6, as JSON."""

import uuid
from typing import Any

from lamella.sbom.contents import Component, Contents

MEDIA_TYPE = "application/vnd.cyclonedx+json"
_SPACE = uuid.UUID("6ba7b812-9dad-11d1-80b4-00c04fd430c8")


def cyclonedx(contents: Contents) -> dict[str, Any]:
    """The document; equal images give equal documents."""
    layers = {one.id: layer for layer in reversed(contents.layers) for one in layer.components}
    known = set(layers)
    image = f"{contents.name}@{contents.digest}"
    depends = [{"ref": image, "dependsOn": [one.id for one in contents.components]}]
    depends += [
        {"ref": one.id, "dependsOn": [other for other in one.references if other in known]}
        for one in contents.components
    ]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_SPACE, image)}",
        "version": 1,
        "metadata": {
            "timestamp": contents.created,
            "tools": {"components": [{"type": "application", "name": "lamella"}]},
            "component": {"type": "container", "bom-ref": image, "name": contents.name, "version": contents.tag},
        },
        "components": [_component(one, layers[one.id].name, layers[one.id].digest) for one in contents.components],
        "dependencies": depends,
    }


def _component(one: Component, layer: str, digest: str) -> dict[str, Any]:
    told: dict[str, Any] = {"type": "library", "bom-ref": one.id, "name": one.name}
    if one.version:
        told["version"] = one.version
    if one.sha256:
        told["hashes"] = [{"alg": "SHA-256", "content": one.sha256}]
    if one.licence:
        told["licenses"] = [{"license": {"name": one.licence}}]
    if one.purl:
        told["purl"] = one.purl
    properties = {"lamella:source": one.kind, "lamella:layer": layer, "lamella:layer:digest": digest}
    told["properties"] = [{"name": name, "value": value} for name, value in properties.items() if value]
    return told
