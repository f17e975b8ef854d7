"""Debian packages: the archives they come from, which of them go together, and what they put into an image.

apt's sources --archives--> InRelease --> Packages --resolve--> debs --deb--> entries
"""
