"""Hashes of what Nix files fetch: which are not filled in yet, and what they are.

file --syntax--> calls of fetchers --wanted--> what is fetched --fetch--> hashes, written where they are wanted
"""
