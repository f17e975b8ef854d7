# lamella for Nix: the program, and functions that make images with it.
#
#   lamella             the program
#   nix2container       buildImage, buildLayer, pullImage, pullImageFromManifest, as in nix2container
#   foldImageLayers     a chain of layers, each without what is below it
#   streamLayeredImage  as in dockerTools
#   mkDockerManifest    as in flocken
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
