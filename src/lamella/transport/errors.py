"""What goes wrong between this machine and another."""

from lamella.errors import LamellaError


class LostError(Exception):
    """A connection failed. What was asked may be asked again; the cause says how it failed."""


class TransportError(LamellaError):
    """Another machine cannot be reached, or does not give what is asked of it."""

    exit_code = 6
