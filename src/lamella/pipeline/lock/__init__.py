"""The lock: its file, how it is decided, and what is different between two.

spec --decide--> wheels, debs, the base's digest --file--> lamella.lock --changes--> what is told of it
"""
