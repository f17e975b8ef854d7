"""The nouns of the Open Container Initiative: digests, descriptors, platforms, manifests, configs.

Nothing here knows about packages, where layers come from, or destinations.
"""
