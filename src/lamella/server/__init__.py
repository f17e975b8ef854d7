"""The server: registries of images and binary caches of Nix, made of what the pipeline makes. All of it is async."""
