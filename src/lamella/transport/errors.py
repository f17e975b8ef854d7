"""Errors between this machine and another."""

from lamella.errors import LamellaError


class LostError(Exception):
    """A connection failed. The request may be repeated; the cause says how it failed."""


class TransportError(LamellaError):
    """Another machine cannot be reached, or does not do what was requested."""

    exit_code = 6


class GoneError(TransportError):
    """There is nothing at an address."""
