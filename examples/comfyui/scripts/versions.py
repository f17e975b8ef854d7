"""Says which versions of the main libraries are here, and that they work."""

import importlib

import torch

for name in ("torch", "torchvision", "torchaudio", "diffusers", "transformers"):
    print(name, importlib.import_module(name).__version__)
print("CUDA" if torch.cuda.is_available() else "no CUDA device; the CPU does it")
print(torch.ones(2, 2) @ torch.ones(2, 2))
