"""The nouns of the Open Container Initiative: digests, descriptors, platforms, manifests, configs.

Nothing here knows of packages, layers' origins or destinations.
"""
