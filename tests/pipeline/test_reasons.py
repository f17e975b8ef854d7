"""Why a layer is reused or made, compared with the previous image."""

from pathlib import Path

import msgspec

from lamella import Image, Layer, files, pipeline
from lamella.cli.why import said
from lamella.images.document import ImageItem
from lamella.pipeline.draft import Built, Draft
from lamella.pipeline.explain.reasons import reasons
from lamella.pipeline.workplace import Workplace, workplace
from lamella.spec.model import Perm, Spec

IMAGE = Image("hello", layers=[Layer("a", [files("one"), files("two")])], take=[files("three")])


def before(folder: Path, place: Workplace) -> ImageItem:
    return pipeline.remember(_built(folder, place), place)


def _built(folder: Path, place: Workplace) -> Built:
    return pipeline.build(pipeline.plan(Spec(IMAGE, folder), place), place)


def why(draft: Draft) -> list[str]:
    return [said(reason) for reason in reasons(draft)]


def test_there_is_no_image_before(folder: Path, place: Workplace) -> None:
    draft = pipeline.plan(Spec(IMAGE, folder), place)
    assert why(draft) == ["no previous image"] * 2


def test_what_changed_and_what_is_new_is_named_and_the_rest_is_as_before(folder: Path, place: Workplace) -> None:
    image = before(folder, place)
    (folder / "one" / "file").write_text("changed")
    (folder / "four").mkdir()
    more = msgspec.structs.replace(IMAGE, layers=[Layer("a", [files("one"), files("two"), files("four")])])
    draft = pipeline.plan(Spec(more, folder), place, image)
    assert why(draft) == ["one -> /one changed; four -> /four new", "unchanged"]
    assert [[p.name for p in reason.difference.moved] for reason in reasons(draft)] == [
        ["two -> /two"],
        ["three -> /three"],
    ]


def test_many_are_counted(folder: Path, place: Workplace) -> None:
    image = before(folder, place)
    for number in range(5):
        (folder / f"n{number}").mkdir()
        (folder / f"n{number}" / "file").write_bytes(bytes(number))
    more = msgspec.structs.replace(IMAGE, take=[files(f"n{number}") for number in range(5)])
    draft = pipeline.plan(Spec(more, folder), place, image)
    assert why(draft)[1] == "n4 -> /n4, n3 -> /n3 and 3 more new"


def test_rules_company_compression_and_an_empty_cache(folder: Path, place: Workplace, tmp_path: Path) -> None:
    image = before(folder, place)

    def reasons_of(other: Image, cache: Workplace) -> list[str]:
        return why(pipeline.plan(Spec(other, folder), cache, image))

    ruled = msgspec.structs.replace(
        IMAGE, layers=[Layer("a", [files("one"), files("two")], perms=[Perm(match="file", mode=0o600)])]
    )
    assert reasons_of(ruled, place)[0] == "regrouped, or under other rules"
    assert reasons_of(msgspec.structs.replace(IMAGE, compression="zstd"), place) == ["compression changed"] * 2
    assert reasons_of(IMAGE, workplace(tmp_path / "empty")) == ["not in this cache"] * 2


def test_a_layer_of_an_earlier_image_was_made_before(folder: Path, place: Workplace) -> None:
    _built(folder, place)
    text = (folder / "one" / "file").read_text()
    (folder / "one" / "file").write_text("changed")
    image = before(folder, place)
    (folder / "one" / "file").write_text(text)
    draft = pipeline.plan(Spec(IMAGE, folder), place, image)
    assert why(draft) == ["made before", "unchanged"]
