"""Types are decoded for the first time by many threads at once, as happens in builds and in the server."""

import re
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "lamella"

RACE = """
import sys, threading
import msgspec
from lamella.oci.typed import decode_as

sys.setswitchinterval(1e-7)

def kind(number):
    inner = msgspec.defstruct(f"Inner{number}", [(f"a{i}", dict[str, list[int]]) for i in range(30)])
    return msgspec.defstruct(f"Outer{number}", [(f"f{i}", list[inner]) for i in range(20)])

data = msgspec.json.encode({f"f{i}": [] for i in range(20)})
for one in [kind(number) for number in range(30)]:
    start = threading.Barrier(6)

    def decode():
        start.wait()
        decode_as(data, one)

    threads = [threading.Thread(target=decode) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


def test_a_type_may_be_new_to_many_threads() -> None:
    assert subprocess.run([sys.executable, "-c", RACE], check=False).returncode == 0


def test_nobody_decodes_types_in_another_way() -> None:
    wrong = re.compile(r"json\.decode\([^\n]*type=|json\.Decoder\(|msgspec\.convert\(")
    places = [path for path in SOURCE.rglob("*.py") if wrong.search(path.read_text())]
    assert [path.name for path in places] == ["typed.py"]
