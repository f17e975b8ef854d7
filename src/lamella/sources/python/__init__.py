"""Python packages: what is requested, which files provide it, and what a wheel puts into an image.

requirements --uv--> versions --target's tags--> wheels --pypi--> packages        wheel --> entries
"""
