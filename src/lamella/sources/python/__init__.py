"""Python packages: what is requested, which files provide it, and what a wheel puts into an image.

requirements --uv--> versions --target's tags--> files --pypi--> references and sizes, for the lock
a lock --recipe--> packages --wheel--> entries
"""
