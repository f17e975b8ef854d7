"""How an image is run and what is told of its making: the config, on top of a base image's.

Environment variables merge by name, the last one wins; every other field that is given replaces the base's, even
an empty command. A new entry point also drops the base's command, which was written for another one.
"""

from collections.abc import Iterable, Sequence

import msgspec

from lamella.oci.image import Image, Layer
from lamella.oci.wire import History, ImageConfig, Platform, RootFs, RuntimeConfig


def merge_runtime(base: RuntimeConfig, given: RuntimeConfig) -> RuntimeConfig:
    """`given` on top of `base`."""
    fields = {name: getattr(given, name) for name in given.__struct_fields__ if getattr(given, name)}
    if given.cmd is not None:
        fields["cmd"] = given.cmd
    if given.entrypoint is not None:
        fields = {"cmd": given.cmd, **fields, "entrypoint": given.entrypoint}
    return msgspec.structs.replace(base, **{**fields, "env": merge_env(base.env, given.env)})


def merge_env(*lists: Iterable[str]) -> list[str]:
    """`NAME=value` entries, each name where it first stood, with its last value."""
    return list({entry.partition("=")[0]: entry for entries in lists for entry in entries}.values())


def image_config(
    layers: Sequence[Layer], runtime: RuntimeConfig, platform: Platform, created: str, base: Image | None
) -> ImageConfig:
    """The config of an image of `layers`, of which the first ones are the base's."""
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
    """The base's history, with one entry a layer even where the base told none."""
    if base is None:
        return []
    history = base.config.history
    told = sum(not entry.empty_layer for entry in history)
    return history if told == len(base.layers) else [History(comment="base image") for _ in base.layers]
