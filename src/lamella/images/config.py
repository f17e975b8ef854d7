"""The config of an image: how it is run, and its history; merged with that of a base image.

Environment variables are merged by name, and the last one wins; every other field that is set replaces the base's, even
an empty command. A new entry point also drops the base's command, which was meant for the old one.
"""

from collections.abc import Iterable, Sequence

import msgspec

from lamella.oci.image import Image, Layer
from lamella.oci.wire import History, ImageConfig, Platform, RootFs, RuntimeConfig


def merge_runtime(base: RuntimeConfig, given: RuntimeConfig) -> RuntimeConfig:
    """Return `given` merged into `base`."""
    fields = {name: getattr(given, name) for name in given.__struct_fields__ if getattr(given, name)}
    if given.cmd is not None:
        fields["cmd"] = given.cmd
    if given.entrypoint is not None:
        fields = {"cmd": given.cmd, **fields, "entrypoint": given.entrypoint}
    return msgspec.structs.replace(base, **{**fields, "env": merge_env(base.env, given.env)})


def merge_env(*lists: Iterable[str]) -> list[str]:
    """Merge `NAME=value` entries: each name at its first position, with its last value."""
    return list({entry.partition("=")[0]: entry for entries in lists for entry in entries}.values())


def image_config(
    layers: Sequence[Layer], runtime: RuntimeConfig, platform: Platform, created: str, base: Image | None
) -> ImageConfig:
    """Return the config of an image of `layers`, which start with the base's."""
    own = layers[len(base.layers) :] if base else layers
    return ImageConfig(
        created=created,
        author=base.config.author if base else "",
        architecture=platform.architecture,
        os=platform.os,
        variant=platform.variant,
        config=merge_runtime(base.config.config, runtime) if base else runtime,
        rootfs=RootFs(diff_ids=[layer.record.diff_id for layer in layers]),
        history=[*_base_history(base), *(layer.history for layer in own)],
    )


def _base_history(base: Image | None) -> list[History]:
    """The base's history, with one entry per layer even if the base has none."""
    if base is None:
        return []
    history = base.config.history
    told = sum(not entry.empty_layer for entry in history)
    return history if told == len(base.layers) else [History(comment="base image") for _ in base.layers]
