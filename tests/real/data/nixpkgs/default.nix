# Where the tests' Debian packages and Python lie is told by the file beside this one, which the tests write.
{ system ? builtins.currentSystem, ... }:
let
  here = import ./here.nix;
  lib = import ./lib.nix;
  packages = import ./packages.nix { inherit (here) debs python; inherit system; };
  path = "/usr/local/bin:/usr/bin:/bin";

  runCommand = name: attributes: script: derivation ({
    inherit name system;
    builder = "/bin/sh";
    PATH = path;
    args = [ "-euc" script ];
  } // removeAttrs attributes [ "passthru" "meta" ]) // (attributes.passthru or { }) // { meta = attributes.meta or { }; };
  self = packages // {
    inherit lib system runCommand;
    stdenv = { hostPlatform = { inherit system; }; buildPlatform = { inherit system; }; };
    callPackage = file: given: let f = import file; in f (builtins.intersectAttrs (builtins.functionArgs f) self // given);
    runCommandLocal = runCommand;
    writeText = name: text: runCommand name { inherit text; } "printf %s \"$text\" > $out";
    writeTextDir = place: text: runCommand (baseNameOf place) { inherit text; } "mkdir -p $out/$(dirname ${place}); printf %s \"$text\" > $out/${place}";
    writeScript = name: text: runCommand name { inherit text; } "printf %s \"$text\" > $out; chmod +x $out";
    writeShellScript = name: text: self.writeScript name "#!${packages.bash}/bin/bash\n${text}";
    writeShellScriptBin = name: text: runCommand name { text = "#!${packages.bash}/bin/bash\n${text}"; } "mkdir -p $out/bin; printf %s \"$text\" > $out/bin/${name}; chmod +x $out/bin/${name}";
    buildEnv = { name, paths, pathsToLink ? [ "/" ] }: runCommand name { } (''
      mkdir $out
    '' + lib.concatMapStringsSep "\n" (part: lib.concatMapStringsSep "\n" (package: ''
      if [ -d ${package}${part} ]; then mkdir -p $out${part}; cp -rs ${package}${part}/. $out${part}/; fi
    '') paths) pathsToLink);
    symlinkJoin = { name, paths }: self.buildEnv { inherit name paths; };
    bashInteractive = packages.bash;
    dockerTools = { };
    python3 = packages.python3 // {
      pkgs = {
        python.version = "3.11";
        hatchling = null; click = null; isal = null; msgspec = null; packaging = null; rich = null;
        # The program, run by the Python of the tests, which has what it needs.
        buildPythonApplication = { pname, src, meta ? { }, ... }: runCommand pname { } ''
          mkdir -p $out/bin
          cp -r ${src}/src $out/lib
          chmod -R u+w $out/lib
          ${here.python} -m compileall -q --invalidation-mode unchecked-hash $out/lib
          printf "#!/bin/sh\nPYTHONPATH=$out/lib exec ${here.python} -c 'from lamella.cli.main import main; main()' \"\$@\"\n" > $out/bin/${pname}
          chmod +x $out/bin/${pname}
        '' // { inherit meta; };
      };
    };
  };
in
self
