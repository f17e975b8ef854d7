"""Where reports get files from: each layer is read once, and what is not here is not downloaded."""

import io
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from tests.made import held, image_with, layer_of, tar_of

from lamella.images.stored import ImageError
from lamella.oci.digest import sha256
from lamella.package import Package
from lamella.pipeline.explain.view import ImageView, LayerView, of_image
from lamella.pipeline.workplace import workplace
from lamella.plan import LayerPlan, Part
from lamella.report.files import Sort, files_of

TAR = tar_of({"srv/a/one": b"1", "srv/a/deep/two": b"22", "srv/b": b"333", "srv/.wh.gone": b""})


def of_packages(view: ImageView, *packages: Package) -> ImageView:
    """The same image, with the contents of its layer known."""
    (layer,) = view.layers
    return replace(view, layers=(replace(layer, plan=LayerPlan("srv", tuple(map(Part, packages)))),))


def test_a_layer_that_is_known_is_not_read_again(tmp_path: Path) -> None:
    image = image_with(layer_of(TAR))
    place, view = workplace(tmp_path), of_image(image)
    (first,) = files_of(view, image.layers, place, {})
    assert first is not None
    asked = held(image.layers[0]).asked
    assert files_of(view, image.layers, place, {view.layers[0].identity: first}) == (first,)
    assert held(image.layers[0]).asked == asked


def test_a_tar_that_is_none_is_named(tmp_path: Path) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as tar:
        member = tarfile.TarInfo("a")
        member.pax_headers = {"GNU.sparse.map": "here,there"}
        tar.addfile(member)
    for wrong in (data.getvalue(), b"no tar at all" * 100):
        image = image_with(layer_of(wrong))
        with pytest.raises(ImageError, match=f"the layer {image.layers[0].record.digest} cannot be read"):
            files_of(of_image(image), image.layers, workplace(tmp_path), {})


def test_files_are_of_the_package_whose_place_they_are_in(tmp_path: Path) -> None:
    image = image_with(layer_of(TAR))
    one, two = (Package(name, name, sha256(b""), 1, at=f"/srv/{name}/") for name in ("a", "b"))
    (found,) = files_of(of_packages(of_image(image), one, two), image.layers, workplace(tmp_path), {})
    assert [(file.path, file.package, file.size) for file in found or () if file.sort is Sort.FILE] == [
        ("/srv/a/one", "a", 1),
        ("/srv/a/deep/two", "a", 2),
        ("/srv/b", "b", 3),
    ]
    together = replace(two, at="/srv/a")
    (found,) = files_of(of_packages(of_image(image), one, together), image.layers, workplace(tmp_path), {})
    assert {file.package for file in found or ()} == {""}, "a folder that two packages share belongs to neither"


def test_packages_that_are_not_here_have_no_files(tmp_path: Path) -> None:
    (tmp_path / "here").write_text("x")
    here = Package("here", "here", sha256(b""), 1, source="files", path=str(tmp_path / "here"), at="/here")
    gone, told_nowhere = replace(here, path=str(tmp_path / "gone")), replace(here, path="")
    base = of_image(image_with(layer_of(TAR)))
    found = {
        one.path: files_of(of_packages(base, one), (None,), workplace(tmp_path), {})[0]
        for one in (here, gone, told_nowhere)
    }
    assert [file.path for file in found[here.path] or ()] == ["/here"]
    assert found[gone.path] is None
    assert found[""] is None
    assert files_of(replace(base, layers=(LayerView("a", None),)), (None,), workplace(tmp_path), {}) == (None,)
