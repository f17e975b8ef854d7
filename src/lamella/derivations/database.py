"""Nix's database of the store paths in an image, so that Nix works there: references, sizes and hashes.

nix/var/nix/db/db.sqlite        the paths
nix/var/nix/db/schema           the version of its tables
nix/var/nix/gcroots/docker/     a link to each path, so that none is garbage
nix/store/.links/               where Nix links identical files
"""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from lamella.derivations.attributes import DatabaseAttributes
from lamella.derivations.layers import with_nested
from lamella.sources.nix.graph import nar_hash

_SCHEMA = "10"
_TABLES = """
pragma page_size = 4096;
create table ValidPaths (
    id integer primary key autoincrement not null, path text unique not null, hash text not null,
    registrationTime integer not null, deriver text, narSize integer, ultimate integer, sigs text, ca text
);
create table Refs (
    referrer integer not null, reference integer not null, primary key (referrer, reference),
    foreign key (referrer) references ValidPaths(id) on delete cascade,
    foreign key (reference) references ValidPaths(id) on delete restrict
);
create index IndexReferrer on Refs(referrer);
create index IndexReference on Refs(reference);
create trigger DeleteSelfRefs before delete on ValidPaths
    begin delete from Refs where referrer = old.id and reference = old.id; end;
create table DerivationOutputs (
    drv integer not null, id text not null, path text not null, primary key (drv, id),
    foreign key (drv) references ValidPaths(id) on delete cascade
);
create index IndexDerivationOutputs on DerivationOutputs(path);
"""


def write_database(told: DatabaseAttributes) -> None:
    """Writes the files for the root of the image to the output."""
    left_out = {*told.ignore, *with_nested(told.layers)}
    paths = {str(info["path"]): info for info in told.graph if info["path"] not in left_out}
    state = told.out / "nix" / "var" / "nix"
    for folder in (state / "db", state / "gcroots" / "docker", told.out / "nix" / "store" / ".links"):
        folder.mkdir(parents=True)
    _fill(state / "db" / "db.sqlite", paths)
    (state / "db" / "schema").write_text(_SCHEMA)
    for path in paths:
        (state / "gcroots" / "docker" / Path(path).name).symlink_to(path)


def _fill(file: Path, paths: Mapping[str, Mapping[str, Any]]) -> None:
    """Sorted by path and without times, so that the same paths give the same bytes."""
    numbers = {path: number for number, path in enumerate(sorted(paths), 1)}
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.executescript(_TABLES)
        database.execute("begin")
        database.executemany(
            "insert into ValidPaths (id, path, hash, registrationTime, narSize) values (?, ?, ?, 0, ?)",
            [(numbers[path], path, f"sha256:{_hash(paths[path])}", paths[path]["narSize"]) for path in numbers],
        )
        database.executemany("insert into Refs values (?, ?)", _references(paths, numbers))
        database.execute("commit")
        database.execute("pragma journal_mode = wal")


def _hash(info: Mapping[str, Any]) -> str:
    return nar_hash(info["narHash"]).hex()


def _references(paths: Mapping[str, Mapping[str, Any]], numbers: Mapping[str, int]) -> Sequence[tuple[int, int]]:
    return [
        (numbers[path], numbers[to])
        for path in numbers
        for to in sorted(set(paths[path]["references"]))
        if to in numbers
    ]
