"""Checks the packages before they are published.

The newest commit is packed twice, in two places at two times, and both must give the same bytes. The contents of the
packages are compared with git. Then the wheel is installed into an empty environment of each Python, and has to serve.
"""
