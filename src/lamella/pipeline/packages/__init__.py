"""Packages of every kind: what a spec's words come to, where their files are fetched, and what is made of them here."""
