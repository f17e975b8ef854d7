"""`buildLayer`: layers of a closure, minus what parent layers contain under the same rules.

As in nix2container, a package is identified by its path and its rules, whatever wrote the parents.
"""

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec

from lamella.closure import Closure, without
from lamella.derivations.attributes import LayerAttributes, Owned, PathPerm
from lamella.images.document import LayerItem, encode_document, layer_item, permission, plan_of, read_layers
from lamella.layering import NOTHING, Budget, Group, LayeringError, strategy
from lamella.layering.limits import one_each
from lamella.layers.split import split
from lamella.oci.image import Record
from lamella.oci.wire import decode
from lamella.package import NO_RULES, Package, Permission, Rewrite, Rules
from lamella.pipeline.arrange import title
from lamella.pipeline.make import look_up, make_missing
from lamella.pipeline.workplace import Workplace, entries
from lamella.plan import LayerPlan, Part
from lamella.sources.nix.graph import closure_of, paths_in

LAYERS = "layers.json"
NESTED = "nested.json"
_PLAIN = "none"


def write_layers(told: LayerAttributes, place: Workplace) -> None:
    """Writes the layers and the list of layers below them to the output."""
    told.out.mkdir()
    layers = make_layers(told, place)
    (told.out / LAYERS).write_bytes(encode_document(layers))
    (told.out / NESTED).write_text(json.dumps(with_nested(told.parents)))


def make_layers(told: LayerAttributes, place: Workplace) -> list[LayerItem]:
    """The layers with their hashes; tars that cannot be made again are put beside them."""
    if told.perms_file:
        more = decode(Path(told.perms_file).read_bytes(), list[PathPerm], told.perms_file)
        told = msgspec.structs.replace(told, perms=[*told.perms, *more])
    whole = _closure(told, place)
    held = {_known(part) for parent in told.parents for part in _parts(Path(parent, LAYERS))}
    parts = {package.id: Part(package, _rules(package, told)) for package in whole.packages}
    taken = {name for name, part in parts.items() if _known(part) in held}
    plans = [
        LayerPlan(title(cut), cut, told.history.created_by, told.reproducible)
        for group in _groups(whole, taken, told)
        for cut in split([parts[package.id] for package in group], told.max_bytes, entries)
    ]
    made = make_missing([look_up(plan, _PLAIN, place) for plan in plans], _PLAIN, place, entries, ())
    return [_item(one.plan, one.record, told, place) for one in made if one.record]


def with_nested(layers: Sequence[str]) -> list[str]:
    """Outputs of `buildLayer`, after those of the layers below them; each once."""
    files = [file for layer in layers if (file := Path(layer, NESTED)).exists()]
    nested = [path for file in files for path in json.loads(file.read_bytes())]
    return list(dict.fromkeys([*nested, *layers]))


def _closure(told: LayerAttributes, place: Workplace) -> Closure:
    """Sorted by path as in nix2container, because this order decides between equally popular paths."""
    graph = [
        {**info, "references": sorted(info["references"])}
        for info in sorted(told.graph, key=lambda info: str(info["path"]))
        if info["path"] not in told.ignore
    ]
    return closure_of(paths_in(msgspec.json.encode(graph), "the graph"), (), place.records)


def _groups(whole: Closure, taken: set[str], told: LayerAttributes) -> Sequence[Group]:
    if told.layers_file:
        return _as_listed(whole, taken, told.layers_file)
    if told.strategy:
        return strategy(told.strategy)(without(whole, taken), Budget(told.max_layers, told.max_bytes), NOTHING)
    ordered = [group[0] for group in strategy("popularity")(whole, Budget(len(whole.packages)), NOTHING)]
    left = [package for package in ordered if package.id not in taken]
    return one_each(left, told.max_layers)


def _as_listed(whole: Closure, taken: set[str], file: str) -> Sequence[Group]:
    """The layers in a file, which must list each path of the closure once."""
    listed = decode(Path(file).read_bytes(), list[list[str]], file)
    every = Counter(path for paths in listed for path in paths)
    wrong = next((path for path in [*whole.by_id, *every] if every[path] != 1 or path not in whole.by_id), "")
    if wrong:
        raise LayeringError(f"{file} must list each path of the closure exactly once, and nothing else; check {wrong}")
    groups = [tuple(whole.by_id[path] for path in paths if path not in taken) for paths in listed]
    return [group for group in groups if group]


def _rules(package: Package, told: LayerAttributes) -> Rules:
    rewrites = [Rewrite(rule.regex, rule.repl) for rule in told.rewrites if rule.path == package.path]
    owner = told.owner
    permissions = (
        [Permission(".*", None, 0, owner.uid, owner.gid, owner.uname, owner.gname)] if owner != Owned() else []
    )
    permissions += [permission(rule, "perms") for rule in told.perms if rule.path == package.path]
    return Rules(tuple(rewrites[-1:]), tuple(permissions)) if rewrites or permissions else NO_RULES


def _parts(file: Path) -> list[Part]:
    layers = read_layers(file.read_bytes(), str(file))
    return [part for number, layer in enumerate(layers) for part in plan_of(layer, number, str(file)).parts]


def _known(part: Part) -> tuple[str, Rules]:
    return part.package.path, part.rules


def _item(plan: LayerPlan, record: Record, told: LayerAttributes, place: Workplace) -> LayerItem:
    kept = ""
    if not plan.reproducible:
        kept = str(told.out / f"{record.diff_id.removeprefix('sha256:')}.tar")
        shutil.copyfile(place.blobs.path(record.diff_id), kept)
    return layer_item(plan, record, told.history, kept)
