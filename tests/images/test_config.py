"""The config of an image, merged with its base's."""

from lamella.images.config import merge_runtime
from lamella.oci.wire import RuntimeConfig

BASE = RuntimeConfig(cmd=["bash"], user="app")


def test_an_empty_command_clears_that_of_the_base() -> None:
    assert merge_runtime(BASE, RuntimeConfig(cmd=[])) == RuntimeConfig(cmd=[], user="app")
    assert merge_runtime(BASE, RuntimeConfig()) == BASE
