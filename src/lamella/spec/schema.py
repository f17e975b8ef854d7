"""The JSON Schema of `lamella.toml`, with which editors complete and check keys.

A file names it in its first line: `#:schema lamella.schema.json`. It is in draft 7, which all editors support, and
checks single values; what concerns several (two layers with one name) is checked by the reader.
"""

from typing import Any

from lamella.spec.fields import Fact, Value, facts
from lamella.spec.model import Image

Document = dict[str, Any]


def schema() -> Document:
    """The whole schema, with a definition for each table."""
    definitions: dict[str, Document] = {}
    top = _table(Image, definitions)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "lamella.toml",
        **top,
        "definitions": dict(sorted(definitions.items())),
    }


def _table(kind: type[Value], definitions: dict[str, Document]) -> Document:
    properties = {}
    for fact in facts(kind):
        properties[fact.key] = _key(fact, definitions)
        for other in fact.said.also:
            properties[other] = {**properties[fact.key], "description": f"The same as `{fact.key}`."}
    required = [fact.key for fact in facts(kind) if fact.required]
    return {
        "description": kind.summary,
        "type": "object",
        "properties": properties,
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }


def _key(fact: Fact, definitions: dict[str, Document]) -> Document:
    said = fact.said
    told: Document = {"description": said.description}
    if said.kind:
        return {**told, **said.kind.schema, **_default(fact)}
    if said.table:
        return {**told, "allOf": [_reference(said.table, definitions)]}
    assert said.each
    item = _reference(said.each, definitions)
    if said.each.short:
        item = {"anyOf": [{"type": "string", "pattern": r"\S"}, item]}
    return {**told, "type": "array", "items": item}


def _default(fact: Fact) -> Document:
    plain = isinstance(fact.default, str | bool) and fact.default != ""
    return {"default": fact.default} if plain else {}


def _reference(kind: type[Value], definitions: dict[str, Document]) -> Document:
    if kind.__name__ not in definitions:
        definitions[kind.__name__] = {}
        definitions[kind.__name__] = _table(kind, definitions)
    return {"$ref": f"#/definitions/{kind.__name__}"}
