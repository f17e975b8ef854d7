"""Packages of every kind: which ones a spec means, how their files get here, and packages that are generated."""
