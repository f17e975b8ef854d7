"""Errors between this machine and another."""

from lamella.errors import LamellaError


class LostError(Exception):
    """A connection failed. The request may be repeated; the cause says how it failed."""


class TransportError(LamellaError):
    """Another machine cannot be reached, or does not do what was requested."""

    exit_code = 6


class GoneError(TransportError):
    """There is nothing at an address."""


class ForbiddenError(GoneError):
    """There is nothing at an address, or we may not read it: many buckets do not tell which."""


class BeyondError(TransportError):
    """A file ends before the bytes that were requested."""
