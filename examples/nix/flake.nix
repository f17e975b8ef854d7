{
  description = "Images as people write them for nix2container, with lamella as the input";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
  inputs.nix2container.url = "path:../..";
  inputs.nix2container.inputs.nixpkgs.follows = "nixpkgs";

  outputs =
    { nixpkgs, nix2container, ... }:
    let
      systems = [ "x86_64-linux" "aarch64-linux" ];
      images = system: import ./images.nix {
        pkgs = nixpkgs.legacyPackages.${system};
        inherit (nix2container.packages.${system}) nix2container;
        inherit (nix2container.legacyPackages.${system}) foldImageLayers;
      };
    in
    {
      packages = builtins.listToAttrs (map (system: { name = system; value = images system; }) systems);
    };
}
