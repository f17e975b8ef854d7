"""Nix packages: closures as a store or a cache describes them, and the files in store paths and NARs.

installables --nix--> paths --graph or narinfos--> packages        store path or NAR --> entries
"""
