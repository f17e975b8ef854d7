"""Nix binary caches from the server's bucket: what was pushed, what this machine's store has, what other caches have.

hash --> narinfo in the bucket --> the local store --> other caches --> 404
"""
