# lamella for Nix: the program, and functions that make images with it.
#
#   lamella             the program
#   nix2container       buildImage, buildLayer, pullImage, pullImageFromManifest, as nix2container has them
#   foldImageLayers     a chain of layers, each minus what is below it
#   streamLayeredImage  as dockerTools has it
#   mkDockerManifest    as flocken has it
{
  pkgs ? import <nixpkgs> { },
  lamella ? pkgs.callPackage ./nix/package.nix { },
}:
let
  tool = import ./nix/tool.nix { inherit pkgs lamella; };
  layer = import ./nix/layer.nix { inherit pkgs tool; };
  image = import ./nix/image.nix { inherit pkgs tool; inherit (layer) buildLayer atRoot; };
  pull = import ./nix/pull.nix { inherit pkgs tool; };
  stream = import ./nix/stream.nix { inherit pkgs tool; inherit (image) buildImage; };
  manifest = import ./nix/manifest.nix { inherit pkgs tool; };
in
{
  inherit lamella;
  inherit (layer) foldImageLayers;
  inherit (stream) streamLayeredImage;
  inherit (manifest) mkDockerManifest;
  nix2container = { inherit (layer) buildLayer; inherit (image) buildImage; inherit (pull) pullImage pullImageFromManifest; };
}
