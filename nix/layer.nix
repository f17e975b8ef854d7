{ pkgs, tool }:
let
  inherit (pkgs) lib;

  # Layers of the closure of the arguments, without what is in `layers`. The arguments are nix2container's;
  # `strategy` and `maxBytes` are ours.
  buildLayer =
    {
      # Store paths, which keep their place.
      deps ? [ ],
      # A derivation, or several, whose files go to the root.
      copyToRoot ? null,
      # The old name of copyToRoot.
      contents ? null,
      # A store path to leave out.
      ignore ? null,
      # Other layers: what they contain is left out here.
      layers ? [ ],
      # Whether the files are the same each time they are built; if not, the tar is kept.
      reproducible ? true,
      # Modes and owners: [ { path; regex; mode; uid; gid; uname; gname; } ]
      perms ? [ ],
      # The same in a JSON file, if a build has to compute them.
      permsFile ? null,
      # The owner of files that perms do not mention: { uid; gid; uname; gname; }
      owner ? { },
      # The largest number of layers.
      maxLayers ? 1,
      # A JSON file of lists of store paths, each list a layer; then maxLayers is ignored.
      layersFile ? null,
      # How packages are spread over layers; by default as in nix2container.
      strategy ? "",
      # The largest size of a layer in bytes, before compression; 0 means no limit.
      maxBytes ? 0,
      # The entry in the image's history: created_by, author, comment.
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

  # What goes to the root, by either name.
  atRoot =
    { copyToRoot, contents }:
    let
      found = if copyToRoot != null then copyToRoot else contents;
    in
    lib.throwIf (copyToRoot != null && contents != null)
      "copyToRoot and contents are two names for the same option: set only copyToRoot"
      lib.warnIf (contents != null)
      "contents is an old name: use copyToRoot, and buildEnv for programs that belong in /bin"
      (if found == null then [ ] else found);

  # Layers, each without what the ones before it contain: `foldImageLayers [ { deps = [ ... ]; } ... ]`, lowest first.
  foldImageLayers = lib.foldl' (lower: layer: lower ++ [ (buildLayer (layer // { layers = lower; })) ]) [ ];
in
{
  inherit buildLayer foldImageLayers atRoot;
}
