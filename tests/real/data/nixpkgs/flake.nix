{
  description = "As much of nixpkgs as the tests need, made from Debian's packages and the Python that runs them";
  outputs =
    { self }:
    {
      legacyPackages = builtins.listToAttrs (map (system: { name = system; value = import ./. { inherit system; }; }) [ "x86_64-linux" "aarch64-linux" ]);
    };
}
