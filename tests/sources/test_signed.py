"""An InRelease is believed if a trusted key signed it, whoever else did; keys and signatures are made with gpg."""

from pathlib import Path

import pytest
from tests.real.programs import needs

from lamella.sources.debian.archives import verified
from lamella.sources.debian.suites import ArchiveError, Suite

SIGNED_BY_TWO = b"""\
-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA256

Suite: stable
-----BEGIN PGP SIGNATURE-----

iHUEARYIAB0WIQRm9/su8eEDgM6cF2Y9BFcMIioppQUCXgvhAAAKCRA9BFcMIiop
pVisAP9zUQQBQ+jpk5AO9S3b77StlJdFmuGBF0WFBSU7rM6xxgD/XNx/YqCiWLbO
UKN14g7c7ApodUVNBKWE4MXZ12PXCQ6IdQQBFggAHRYhBBIhzPzbjADpRJU50EEf
JPqUqE2ABQJeC+EAAAoJEEEfJPqUqE2Aw98A+gN63kqUDAZfNKcW+asenSqp/WP5
HAjv/hBv3RcN+DtoAP431UDv1b39/a9ZHVlck9hIn0nWYfRBnBw5Ir7plvH7Ag==
=8tMT
-----END PGP SIGNATURE-----
"""
KEY_OF_ONE = """\
-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEXgvhABYJKwYBBAHaRw8BAQdArEpSl52qiZkaObrKiFH+QULup5H9rSyuXiOi
BOTkgeu0A29uZYiQBBMWCAA4FiEEZvf7LvHhA4DOnBdmPQRXDCIqKaUFAl4L4QAC
GwMFCwkIBwIGFQoJCAsCBBYCAwECHgECF4AACgkQPQRXDCIqKaXgNQEAsDJS1GrR
0woS7OJc7W7CJID6jotHsdMIqqM+4z/vrlMBAICA9CISF1S4GuneMHwpG5bs2NEv
vADrQmW4A1B9am0K
=JV3L
-----END PGP PUBLIC KEY BLOCK-----
"""


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    needs("gpgv")
    (tmp_path / "one.asc").write_text(KEY_OF_ONE)
    return Suite("http://example.org", "stable", ("main",), (str(tmp_path / "one.asc"),))


def test_one_good_signature_is_enough(suite: Suite) -> None:
    assert verified(SIGNED_BY_TWO, suite) == "Suite: stable\n"


FORGED = b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nSuite: evil\n"
SIGNATURES = SIGNED_BY_TWO[SIGNED_BY_TWO.index(b"-----BEGIN PGP SIGNATURE") :]


@pytest.mark.parametrize(
    "signed",
    [
        SIGNED_BY_TWO.replace(b"stable", b"stably"),
        FORGED + SIGNATURES,
        FORGED + SIGNED_BY_TWO,
        FORGED + SIGNATURES + SIGNED_BY_TWO,
        SIGNED_BY_TWO + FORGED + SIGNATURES,
        b"Suite: evil\n" + SIGNED_BY_TWO,
        SIGNED_BY_TWO.partition(b"-----BEGIN PGP SIGNATURE")[0],
        b"Suite: evil\n",
    ],
)
def test_whatever_else_is_there_is_refused(suite: Suite, signed: bytes) -> None:
    with pytest.raises(ArchiveError, match="is not trusted on this machine"):
        verified(signed, suite)
