"""The commands behind the Nix library, which its derivations run instead of a shell.

    buildLayer  --graph, options-->  layers     layers.json, and nested.json beside it
    buildImage  --layers, config-->  image      image.json
    pullImage, pullImageFromManifest            image.json, of a fetched base image

Each reads the attributes of its derivation, and writes one output.
"""
