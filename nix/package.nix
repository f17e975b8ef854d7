# The program. What only some commands need (uv, obstore) is up to their users; a server needs more.
{ lib, python3, withServer ? false }:
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
    ++ lib.optional (packages ? backports-zstd && lib.versionOlder packages.python.version "3.14") packages.backports-zstd
    ++ lib.optionals withServer (
      [ packages.aiohttp packages.bcrypt packages.cryptography packages.jinja2 packages.prometheus-client packages.pyjwt ]
      ++ lib.optional (packages ? obstore) packages.obstore
    );
  # Older package sets do not have it; then layers cannot be compressed with zstd.
  pythonRemoveDeps = lib.optional (!(packages ? backports-zstd)) "backports.zstd";
  pythonImportsCheck = [ "lamella" ];
  meta = {
    inherit (project) description;
    mainProgram = "lamella";
    license = lib.licenses.asl20;
  };
}
