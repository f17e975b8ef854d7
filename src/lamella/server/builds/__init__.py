"""Builds that requests wait for: one at a time for each image, on the replica that is first.

    request --> Builder --> Jobs --> worker, a separate process, which puts the image into the bucket

If a request gives up, the build goes on, and the next request finds its result.
"""
