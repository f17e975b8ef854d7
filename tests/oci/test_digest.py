"""Bytes that have passed are compared with their digest."""

import hashlib

import pytest

from lamella.oci.digest import Digest, DigestError, Passed, sha256


def test_bytes_are_what_their_digest_says() -> None:
    passed = Passed()
    passed.add(b"data")
    passed.check(sha256(b"data"), 4)
    with pytest.raises(DigestError, match="which they are not"):
        passed.check(sha256(b"other"), 4)


def test_another_hash_than_sha256_is_said_to_be_that() -> None:
    passed = Passed()
    passed.add(b"data")
    with pytest.raises(DigestError, match="supports only images that use sha256"):
        passed.check(Digest(f"sha512:{hashlib.sha512(b'data').hexdigest()}"), 4)
