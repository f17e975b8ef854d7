"""A server of S3 on this machine."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator

from tests.real.programs import free_port, run

AWS = {"AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "secret"}

_MAKE_BUCKET = """\
import boto3, sys, time
s3 = boto3.client('s3', endpoint_url=sys.argv[1], region_name='us-east-1')
for _ in range(200):
    try:
        s3.create_bucket(Bucket=sys.argv[2])
        sys.exit()
    except Exception:
        time.sleep(0.1)
sys.exit(1)
"""


@contextlib.contextmanager
def objects(name: str) -> Iterator[str]:
    """A new bucket called `name`; gives the part of its address that says how to reach it."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        run(sys.executable, "-c", _MAKE_BUCKET, f"http://127.0.0.1:{port}", name, **AWS)
        yield f"?endpoint=127.0.0.1:{port}&scheme=http&region=us-east-1"
    finally:
        server.terminate()
        server.wait(60)
