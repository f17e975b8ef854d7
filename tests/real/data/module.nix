# What NixOS makes of the module, with as much of it as the module uses: definitions of `services.lamella` are merged,
# one that says mkDefault giving way; what mkIf stands before is left out if it is false.
{ given, folder }:
let
  b = builtins;
  nixpkgs = import (folder + "/tests/real/data/nixpkgs/lib.nix");
  kind = value: if b.isAttrs value then value._type or "" else "";
  lib = nixpkgs // {
    mkOption = declared: declared // { _type = "option"; };
    mkEnableOption = what: { _type = "option"; default = false; description = what; type = lib.types.bool; };
    mkIf = condition: content: { _type = "if"; inherit condition content; };
    mkDefault = content: { _type = "default"; inherit content; };
    literalExpression = text: text;
    literalMD = text: text;
    last = xs: b.elemAt xs (b.length xs - 1);
    toInt = b.fromJSON;
    types = rec {
      bool = { name = "a boolean"; check = b.isBool; };
      str = { name = "a string"; check = b.isString; };
      package = { name = "a package"; check = value: b.isAttrs value && value ? outPath; };
      nullOr = inner: { name = "null or ${inner.name}"; check = value: value == null || inner.check value; };
      attrsOf = inner: { name = "a set"; check = value: b.isAttrs value && b.all inner.check (b.attrValues value); };
    };
  };
  # The values, and which of them are only there for want of others.
  plain = value:
    if kind value == "if" then if value.condition then plain value.content else null
    else if kind value == "default" then plain value.content
    else if b.isAttrs value && !(value ? outPath) then b.mapAttrs (_: plain) value
    else value;
  merged = first: second:
    if b.isAttrs first && b.isAttrs second
    then first // b.mapAttrs (name: value: if first ? ${name} then merged first.${name} value else value) second
    else second;

  pkgs = {
    git = "/git";
    gnupg = "/gnupg";
    uv = "/uv";
    callPackage = file: arguments: { outPath = "/lamella"; name = "lamella-1"; meta.mainProgram = "lamella"; inherit file arguments; };
    formats.toml = { }: { type = { name = "TOML"; check = b.isAttrs; }; generate = name: _: "/etc/${name}"; };
  };
  module = import (folder + "/nix/module.nix") { inherit config lib pkgs; };
  options = module.options.services.lamella;
  defined = plain module.config;
  usual = name: option: if name == "settings" && defined != null then defined.services.lamella.settings else option.default;
  chosen = name: option:
    let
      told = if !(given ? ${name}) then usual name option
        else if name == "settings" then merged (usual name option) given.settings
        else given.${name};
    in
    if option.type.check told then told else throw "services.lamella.${name} must be ${option.type.name}";
  config = { nix.package = "/nix"; services.lamella = b.mapAttrs chosen options; };
in
assert b.all (name: options ? ${name}) (b.attrNames given);
if defined == null then null else {
  inherit (config.services.lamella) settings;
  package = config.services.lamella.package.arguments or "given";
  service = defined.systemd.services.lamella;
  ports = defined.networking.firewall.allowedTCPPorts;
}
