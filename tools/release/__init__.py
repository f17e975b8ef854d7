"""Looks at what would be published, before it is.

The newest commit is packed twice, at two places and hours, and both must give the same bytes. What the packages hold is
compared with what git keeps. Then the wheel is installed into an empty environment of each Python, and has to serve.
"""
