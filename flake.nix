{
  description = "Container images whose layers follow change";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      systems = [ "x86_64-linux" "aarch64-linux" ];
      each = make: builtins.listToAttrs (map (system: { name = system; value = make system; }) systems);
      of = system: import ./. { pkgs = nixpkgs.legacyPackages.${system}; };
    in
    {
      packages = each (system: { inherit (of system) lamella nix2container; default = (of system).lamella; });
      legacyPackages = each of;
      nixosModules.default = ./nix/module.nix;
      overlays.default = final: _: import ./. { pkgs = final; };
    };
}
