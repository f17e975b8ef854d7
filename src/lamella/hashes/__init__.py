"""Hashes of what Nix files fetch: which are missing, and what they are.

file --syntax--> calls of fetchers --wanted--> what is fetched --fetch--> hashes, written to their places
"""
