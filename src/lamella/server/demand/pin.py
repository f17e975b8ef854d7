"""A pin: which packages a source has, at one moment."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Pin:
    """`what` determines everything that a source would answer, unless it is `moving`: then only where to ask.

    What is made from a moving source must not be remembered under its name.
    """

    what: str
    moving: bool
