"""Packages that are only available as source, whose build code leaves a trace."""

import io
import tarfile
from pathlib import Path

_BACKEND = """
import json, os, zipfile

def build_wheel(folder, config_settings=None, metadata_directory=None):
    with open({ran!r}, "w") as out:
        json.dump(dict(os.environ), out)
    info = "{name}-{version}.dist-info"
    told = "Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n"
    wheel = "Wheel-Version: 1.0\\nGenerator: t\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    files = {{"{name}.py": "", info + "/METADATA": told, info + "/WHEEL": wheel, info + "/RECORD": ""}}
    with zipfile.ZipFile(folder + "/{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    return "{name}-{version}-py3-none-any.whl"
"""


def make_sdist(folder: Path, name: str, version: str, ran: Path) -> Path:
    """An sdist that builds without anything from an index; its build code writes its environment to `ran`."""
    told = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    files = {
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        "pyproject.toml": f'{told}[project]\nname = "{name}"\ndynamic = ["version", "dependencies"]\n',
        "backend.py": _BACKEND.format(name=name, version=version, ran=str(ran)),
    }
    made = folder / f"{name}-{version}.tar.gz"
    with tarfile.open(made, "w:gz") as archive:
        for path, text in files.items():
            member = tarfile.TarInfo(f"{name}-{version}/{path}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return made
