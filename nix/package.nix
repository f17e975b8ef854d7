# The program. What only some commands need (uv, obstore) is left to those who call them.
{ lib, python3 }:
let
  packages = python3.pkgs;
  project = (lib.importTOML ../pyproject.toml).project;
in
packages.buildPythonApplication {
  pname = "lamella";
  inherit (project) version;
  pyproject = true;
  src = lib.fileset.toSource {
    root = ../.;
    fileset = lib.fileset.unions [ ../src ../pyproject.toml ../README.md ../LICENSE ];
  };
  build-system = [ packages.hatchling ];
  dependencies =
    [ packages.click packages.isal packages.msgspec packages.packaging packages.rich ]
    ++ lib.optional (packages ? backports-zstd && lib.versionOlder packages.python.version "3.14") packages.backports-zstd;
  # Older sets of packages do not have it; then layers are not compressed by zstd.
  pythonRemoveDeps = lib.optional (!(packages ? backports-zstd)) "backports.zstd";
  pythonImportsCheck = [ "lamella" ];
  meta = {
    inherit (project) description;
    mainProgram = "lamella";
    license = lib.licenses.asl20;
  };
}
