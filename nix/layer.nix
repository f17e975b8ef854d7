{ pkgs, tool }:
let
  inherit (pkgs) lib;

  # Layers of the closure of what is named, minus what lies in `layers`. The arguments are nix2container's;
  # `strategy` and `maxBytes` are ours.
  buildLayer =
    {
      # Store paths, which stay where they are.
      deps ? [ ],
      # A derivation, or several, whose files lie at the root.
      copyToRoot ? null,
      # The old name for it.
      contents ? null,
      # A store path to leave out.
      ignore ? null,
      # Other layers: what they hold comes from there.
      layers ? [ ],
      # Whether the files are the same each time they are made; if not, the tar is kept.
      reproducible ? true,
      # Modes and owners: [ { path; regex; mode; uid; gid; uname; gname; } ]
      perms ? [ ],
      # The same in a JSON file, where a build has to find them out.
      permsFile ? null,
      # Who owns files of which perms say nothing: { uid; gid; uname; gname; }
      owner ? { },
      # How many layers there may be.
      maxLayers ? 1,
      # A JSON file of lists of store paths, each list a layer; then maxLayers does not count.
      layersFile ? null,
      # How packages are spread over them; nix2container's way if none is named.
      strategy ? "",
      # How many bytes a layer may have, before compression; 0 is any number.
      maxBytes ? 0,
      # What the image's history says: created_by, author, comment.
      metadata ? { created_by = "nix2container"; },
    }:
    let
      roots = map toString' (lib.toList (atRoot { inherit copyToRoot contents; }));
    in
    tool.run "layers.json" "layers" {
      exportReferencesGraph.graph = map toString' deps ++ roots;
      ignore = map toString' (lib.toList (if ignore == null then [ ] else ignore));
      rewrites = map (path: { inherit path; regex = "^${path}"; repl = ""; }) roots;
      perms = map (perm: perm // { path = toString' perm.path; }) perms;
      parents = map toString' layers;
      history = metadata;
      permsFile = if permsFile == null then "" else "${permsFile}";
      layersFile = if layersFile == null then "" else "${layersFile}";
      inherit owner reproducible maxLayers strategy maxBytes;
    };

  # The path of a derivation or of a file, which is copied into the store.
  toString' = path: "${path}";

  # What lies at the root, by either name.
  atRoot =
    { copyToRoot, contents }:
    let
      found = if copyToRoot != null then copyToRoot else contents;
    in
    lib.throwIf (copyToRoot != null && contents != null)
      "copyToRoot and contents are two names for one thing: give copyToRoot alone"
      lib.warnIf (contents != null)
      "contents is an old name: call it copyToRoot, and use buildEnv for programs that belong into /bin"
      (if found == null then [ ] else found);

  # Layers, each minus what those before it hold: `foldImageLayers [ { deps = [ ... ]; } ... ]`, lowest first.
  foldImageLayers = lib.foldl' (lower: layer: lower ++ [ (buildLayer (layer // { layers = lower; })) ]) [ ];
in
{
  inherit buildLayer foldImageLayers atRoot;
}
