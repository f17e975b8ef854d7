"""SPDX 2.3, as JSON."""

import hashlib
import re
from typing import Any

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from lamella.sbom.contents import Component, Contents, Part

MEDIA_TYPE = "application/spdx+json"
_NOTHING = "NOASSERTION"


def spdx(contents: Contents) -> dict[str, Any]:
    """The document; equal images give equal documents."""
    root = _id("image", contents.digest)
    relations = [_relation("SPDXRef-DOCUMENT", "DESCRIBES", root)]
    packages = [_image(root, contents)]
    for layer in contents.layers:
        own = _id("layer", f"{layer.name}{layer.digest}")
        packages.append(_layer(own, layer))
        relations.append(_relation(root, "CONTAINS", own))
        relations += [_relation(own, "CONTAINS", _id("package", one.id)) for one in layer.components]
    known = {one.id for one in contents.components}
    for one in contents.components:
        packages.append(_package(one))
        told = [_id("package", other) for other in one.references if other in known]
        relations += [_relation(_id("package", one.id), "DEPENDS_ON", other) for other in told]
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"{contents.name}:{contents.tag}",
        "documentNamespace": f"urn:lamella:{contents.name}:{contents.digest}",
        "creationInfo": {"created": contents.created, "creators": ["Tool: lamella"]},
        "packages": packages,
        "relationships": relations,
    }


def _id(kind: str, text: str) -> str:
    """An identifier that is the same in every document; SPDX allows only few characters in one."""
    plain = re.sub(r"[^A-Za-z0-9.-]+", "-", text).strip("-")[:60]
    return f"SPDXRef-{kind}-{plain}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _relation(one: str, kind: str, other: str) -> dict[str, str]:
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}


def _image(own: str, contents: Contents) -> dict[str, Any]:
    told = {"SPDXID": own, "name": contents.name, "versionInfo": contents.tag, "primaryPackagePurpose": "CONTAINER"}
    return {**told, "downloadLocation": _NOTHING, "filesAnalyzed": False}


def _layer(own: str, layer: Part) -> dict[str, Any]:
    told: dict[str, Any] = {"SPDXID": own, "name": layer.name, "downloadLocation": _NOTHING, "filesAnalyzed": False}
    if layer.digest:
        told["checksums"] = [{"algorithm": "SHA256", "checksumValue": layer.digest.partition(":")[2]}]
    return told


def _is_expression(licence: str) -> bool:
    """Whether it is a valid SPDX licence expression."""
    try:
        canonicalize_license_expression(licence)
    except InvalidLicenseExpression:
        return False
    return True


def _package(one: Component) -> dict[str, Any]:
    # A licence that SPDX does not know goes into a comment.
    fits = _is_expression(one.licence)
    told: dict[str, Any] = {
        "SPDXID": _id("package", one.id),
        "name": one.name,
        "downloadLocation": _NOTHING,
        "filesAnalyzed": False,
        "licenseConcluded": _NOTHING,
        "licenseDeclared": canonicalize_license_expression(one.licence) if fits else _NOTHING,
    }
    if one.version:
        told["versionInfo"] = one.version
    if one.licence and not fits:
        told["licenseComments"] = one.licence
    if one.sha256:
        told["checksums"] = [{"algorithm": "SHA256", "checksumValue": one.sha256}]
    if one.purl:
        purl = {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": one.purl}
        told["externalRefs"] = [purl]
    return told
