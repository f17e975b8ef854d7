"""What an image is made of, in the two formats that other programs read: SPDX and CycloneDX."""
