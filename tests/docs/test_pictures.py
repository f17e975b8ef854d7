"""The README's pictures are whole, tell what they show to who cannot see them, and fetch nothing from elsewhere."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from tools.recording.drawing import draw
from tools.recording.terminal import record

ROOT = Path(__file__).parents[2]
SVG = "{http://www.w3.org/2000/svg}"
DRAWN = sorted((ROOT / "docs" / "pictures").glob("*.svg"))


@pytest.mark.parametrize("picture", DRAWN, ids=lambda picture: picture.name)
def test_pictures_have_a_title_and_need_nothing_else(picture: Path) -> None:
    text = picture.read_text()
    title = ElementTree.fromstring(text).find(f"{SVG}title")
    assert title is not None
    assert title.text
    assert re.findall(r"https?://[^\"' )<]+", text.replace(SVG[1:-1], "")) == []
    assert text.count("<script") == 0


def test_a_recording_plays_what_was_typed_and_said(tmp_path: Path) -> None:
    frames = record(["printf '\\033[31mred <b>\\033[0m'; echo done >there"], tmp_path, {"PATH": "/usr/bin:/bin"})
    assert (tmp_path / "there").read_text() == "done\n"
    typed = ["".join(cell[0] for cell in frame.rows[0]) for frame in frames]
    assert typed[0] == "$"
    assert typed[-1].startswith("$ printf")
    last = [cell for cell in frames[-1].rows[1] if cell[1] == "red"]
    assert "".join(cell[0] for cell in last) == "red <b>"
    drawn = ElementTree.fromstring(draw("a title", frames))
    assert len(drawn.findall(f".//{SVG}g[@class='strip']")) == 1
    assert "red <b>" in {text.text for text in drawn.iter(f"{SVG}text")}


def test_a_command_that_fails_ends_the_recording(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="'exit 3' ended with 3"):
        record(["exit 3"], tmp_path, {"PATH": "/usr/bin:/bin"})
