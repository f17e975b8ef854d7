"""What an image is made of, in the two languages that others read: SPDX and CycloneDX."""
