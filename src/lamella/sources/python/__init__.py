"""Python packages: what is asked for, which files that comes to, and what a wheel puts into an image.

requirements --uv--> versions --target's tags--> wheels --pypi--> packages        wheel --> entries
"""
