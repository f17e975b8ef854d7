"""Debian packages: their archives, their dependencies, and what they put into an image.

a spec, or apt --suites--> archives --archives--> InRelease --> Packages --resolve--> debs
a lock --recipe--> packages --deb--> entries
"""
