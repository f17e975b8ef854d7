"""`python -m tools.release 3.11 3.12`: prints for each check what was checked, or what is wrong."""

import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from tools.release import installed, packages
from tools.release.checks import WrongError

Value = TypeVar("Value")


class Report:
    """Prints the result of each check at once, and counts what is wrong."""

    wrong = 0

    def check(self, name: str, what: Callable[[], Value], shown: Callable[[Value], str] = str) -> Value | None:
        """Return the result of a check, or None if it finds something wrong."""
        try:
            found = what()
        except WrongError as error:
            self.wrong += 1
            print(f"WRONG  {name}: {error}", flush=True)
            return None
        print(f"ok     {name}: {shown(found)}", flush=True)
        return found


def main(pythons: Sequence[str]) -> int:
    """Run all checks, and return how many found something wrong."""
    report = Report()
    report.check("all is committed", packages.committed)
    with tempfile.TemporaryDirectory(prefix="release-") as folder:
        made = report.check("two builds, the same bytes", lambda: packages.build(Path(folder)), packages.sums)
        if made:
            report.check("version", lambda: packages.told(made))
            report.check("sdist", lambda: packages.whole_sdist(made))
            report.check("wheel", lambda: packages.whole_wheel(made))
            report.check("metadata", lambda: packages.fit_to_publish(made))
            for number, python in enumerate(pythons):
                _on(report, python, Path(folder, str(number)), made)
    print(f"{report.wrong} wrong" if report.wrong else "fit to be released")
    return report.wrong


def _on(report: Report, python: str, folder: Path, made: packages.Packages) -> None:
    place = report.check(f"Python {python}", lambda: installed.environment(folder, python), lambda place: place.version)
    if place:
        report.check(f"Python {python}, no extras", lambda: installed.by_itself(place, made))
        report.check(f"Python {python}, all extras", lambda: installed.with_all(place, made))


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
