"""The server: images and Nix packages over HTTP, from one bucket."""
