"""What is remembered of images and layers, and how far it is trusted."""
