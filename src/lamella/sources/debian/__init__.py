"""Debian packages: their archives, their dependencies, and what they put into an image.

apt's sources --archives--> InRelease --> Packages --resolve--> debs --deb--> entries
"""
