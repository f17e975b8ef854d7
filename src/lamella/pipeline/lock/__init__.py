"""The lock: its file, how it is decided, and the differences between two.

spec --decide--> wheels, debs, store paths, the base's digest --file--> lamella.lock --changes--> a changelog
"""
