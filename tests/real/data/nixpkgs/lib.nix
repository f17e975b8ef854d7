# The functions of nixpkgs' lib that are called here, by their names and with their meaning.
let
  b = builtins;
in
rec {
  inherit (b) genList toJSON fromJSON listToAttrs concatMap elem isList attrNames hasAttr foldl' head tail;
  importJSON = path: b.fromJSON (b.readFile path);
  importTOML = path: b.fromTOML (b.readFile path);
  toList = x: if b.isList x then x else [ x ];
  optional = condition: x: if condition then [ x ] else [ ];
  optionals = condition: xs: if condition then xs else [ ];
  optionalAttrs = condition: xs: if condition then xs else { };
  optionalString = condition: text: if condition then text else "";
  concatStringsSep = b.concatStringsSep;
  concatMapStringsSep = separator: f: xs: b.concatStringsSep separator (map f xs);
  escapeShellArg = text: "'${b.replaceStrings [ "'" ] [ "'\\''" ] (toString text)}'";
  escapeShellArgs = concatMapStringsSep " " escapeShellArg;
  splitString = separator: text: b.filter b.isString (b.split (b.replaceStrings [ "." ] [ "\\." ] separator) text);
  take = count: xs: b.genList (i: b.elemAt xs i) (if count < b.length xs then count else b.length xs);
  drop = count: xs: if count >= b.length xs then [ ] else b.genList (i: b.elemAt xs (i + count)) (b.length xs - count);
  unique = b.foldl' (found: x: if b.elem x found then found else found ++ [ x ]) [ ];
  imap0 = f: xs: b.genList (i: f i (b.elemAt xs i)) (b.length xs);
  removePrefix = prefix: text: let n = b.stringLength prefix; in if b.substring 0 n text == prefix then b.substring n (-1) text else text;
  hasSuffix = suffix: text: let n = b.stringLength text - b.stringLength suffix; in n >= 0 && b.substring n (-1) text == suffix;
  toLower =
    let
      letters = text: b.genList (n: b.substring n 1 text) 26;
    in
    b.replaceStrings (letters "ABCDEFGHIJKLMNOPQRSTUVWXYZ") (letters "abcdefghijklmnopqrstuvwxyz");
  genAttrs = names: f: b.listToAttrs (map (name: { inherit name; value = f name; }) names);
  mapAttrs = b.mapAttrs;
  mapAttrsToList = f: set: map (name: f name set.${name}) (b.attrNames set);
  throwIf = condition: message: if condition then throw message else (x: x);
  warnIf = condition: message: if condition then b.trace "warning: ${message}" else (x: x);
  versionOlder = a: c: b.compareVersions a c < 0;
  getExe' = package: name: "${package}/bin/${name}";
  getExe = package: getExe' package (package.meta.mainProgram or (b.parseDrvName package.name).name);
  licenses = { asl20 = { }; };
  fileset = {
    unions = paths: paths;
    toSource = { root, fileset }: b.path {
      name = "source";
      path = root;
      filter = path: type: b.any (part: let text = toString part; in path == text || removePrefix "${text}/" path != path) fileset
        && b.match ".*/__pycache__.*" path == null;
    };
  };
}
