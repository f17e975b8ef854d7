"""Nix packages: what a store or a cache tells of closures, and what lies in store paths and NARs.

installables --nix--> paths --graph or narinfos--> packages        store path or NAR --> entries
"""
