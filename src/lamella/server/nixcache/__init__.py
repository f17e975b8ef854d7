"""Binary caches of Nix out of the server's bucket: what was pushed, what this machine's store has, what others have.

hash --> narinfo in the bucket --> the local store --> caches beside it --> 404
"""
