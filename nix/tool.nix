# Derivations that lamella builds itself: no shell, no stdenv, only the program and its inputs.
{ pkgs, lamella }:
let
  inherit (pkgs) lib;
  host = pkgs.stdenv.hostPlatform;
in
rec {
  inherit lamella;

  # The output that lamella makes with these arguments.
  derive =
    name: attributes: arguments:
    derivation (
      {
        inherit name;
        system = pkgs.stdenv.buildPlatform.system;
        builder = lib.getExe' lamella "lamella";
        args = arguments;
        preferLocalBuild = true;
        LAMELLA_CACHE = "cache";
      }
      // attributes
    );

  # What `lamella nix COMMAND` makes from `attributes`, which it reads from .attrs.json.
  run =
    name: command: attributes:
    derive name ({ __structuredAttrs = true; allowSubstitutes = false; } // attributes) [ "nix" command ];

  text = name: text: run name "text" { inherit text; };

  # A program, as a shell script.
  script = name: lines: run name "text" { program = "bin/${name}"; text = "#!/bin/sh\n${lines}"; };

  # A program that runs lamella with these arguments, followed by its own.
  program = name: arguments: script name (call arguments);

  # The same, without a folder around it.
  executable = name: arguments: run name "text" { executable = true; text = "#!/bin/sh\n${call arguments}"; };

  call = arguments: "exec ${lib.getExe' lamella "lamella"} ${lib.escapeShellArgs arguments} \"$@\"\n";

  # The architecture, as OCI calls it.
  arch =
    let
      names = { x86_64 = "amd64"; aarch64 = "arm64"; i686 = "386"; armv7l = "arm"; armv6l = "arm"; powerpc64le = "ppc64le"; };
      machine = builtins.head (lib.splitString "-" host.system);
    in
    names.${machine} or machine;
}
