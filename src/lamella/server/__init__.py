"""`lamella serve`: a registry that builds what is pulled, and Nix binary caches, from one bucket."""
