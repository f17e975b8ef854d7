# Packages by name, as Nixery finds them: dots select from nested sets, a name that begins with a digit may have `_` before
# it, and if no name matches exactly, upper and lower case are the same.
#
# Names come as JSON, so that they never become part of an expression. Those in `added` may be missing.
{
  # The place of the set: a folder with a default.nix, or a flake.
  folder ? "",
  flake ? "",
  system,
  names,
  added,
}:
let
  b = builtins;
  loaded = import (/. + folder);
  outputs = b.getFlake flake;
  set =
    if folder == "" then (outputs.legacyPackages.${system} or { }) // (outputs.packages.${system} or { })
    else if b.isFunction loaded then loaded { inherit system; }
    else loaded;

  letters = text: b.genList (n: b.substring n 1 text) 26;
  lower = b.replaceStrings (letters "ABCDEFGHIJKLMNOPQRSTUVWXYZ") (letters "abcdefghijklmnopqrstuvwxyz");
  # The names in a set by their lower-case form; of several, the first.
  namesIn = of: if b.isAttrs of then b.attrNames of else [ ];
  lowered = of: b.listToAttrs (map (name: { name = lower name; value = name; }) (namesIn of));

  # What a name selects in a set; `null` if nothing.
  select =
    of: byLower: name:
    let
      spellings = [ name ] ++ (if b.match "[0-9].*" name != null then [ "_${name}" ] else [ ]);
      exact = b.filter (spelling: b.hasAttr spelling of) spellings;
      alike = map (spelling: byLower.${spelling}) (b.filter (spelling: b.hasAttr spelling byLower) spellings);
    in
    if !b.isAttrs of then null
    else if exact != [ ] then of.${b.head exact}
    else if alike != [ ] then of.${b.head alike}
    else null;

  walk =
    of: byLower: words:
    let
      next = select of byLower (b.head words);
    in
    if words == [ ] then { found = of; }
    else if next == null then { among = namesIn of; }
    else walk next (lowered next) (b.tail words);

  topLowered = lowered set;
  find =
    name:
    let
      end = walk set topLowered (b.filter b.isString (b.split "\\." name));
      package = end.found or null;
    in
    { inherit name; }
    // (
      if package.type or "" == "derivation" then { drv = package.drvPath; output = package.outputName or "out"; }
      else { among = end.among or (namesIn package); isThere = end ? found; }
    );
in
map find (b.fromJSON names) ++ b.filter (one: one ? drv) (map find (b.fromJSON added))
