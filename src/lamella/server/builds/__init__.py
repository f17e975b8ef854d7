"""Builds that requests wait for: one at a time for each image, by whoever of the replicas is first.

    request --> Builder --> Jobs --> worker, a process of its own, which puts the image into the bucket

A request that gives up leaves the build alone, and finds its result when it comes again.
"""
