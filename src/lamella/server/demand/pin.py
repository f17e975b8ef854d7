"""A pin: which packages a source has, at one moment."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Pin:
    """All that a source would answer follows from `what`, unless it is `moving`: then only where to ask.

    What is made of a moving target must not be remembered under its name.
    """

    what: str
    moving: bool
