{ pkgs, tool, buildLayer, atRoot }:
let
  inherit (pkgs) lib;
in
{
  # An image.json: `layers`, and a last layer with the files of the root and what the config refers to. The
  # arguments are nix2container's; `strategy`, `maxBytes` and `compression` are ours.
  buildImage =
    {
      name,
      # The hash of the output if null.
      tag ? null,
      # The config of the image, as in OCI.
      config ? { },
      # Results of buildLayer.
      layers ? [ ],
      copyToRoot ? null,
      contents ? null,
      # The result of pullImage or pullImageFromManifest, and whether to keep its environment variables.
      fromImage ? null,
      fromImageEnv ? false,
      arch ? tool.arch,
      perms ? [ ],
      owner ? { },
      maxLayers ? 1,
      strategy ? "",
      maxBytes ? 0,
      # Whether Nix in the image knows the store paths there, and who owns its database.
      initializeNixDatabase ? false,
      nixUid ? 0,
      nixGid ? 0,
      # A time such as 2024-05-01T12:00:00Z, or "now".
      created ? "0001-01-01T00:00:00Z",
      # How layers are compressed for transfer: gzip, zstd or none.
      compression ? "gzip",
      meta ? { },
    }:
    let
      configFile = tool.text "config.json" (builtins.toJSON config);
      given = lib.toList (atRoot { inherit copyToRoot contents; });
      database = import ./database.nix { inherit tool; } { paths = [ configFile ] ++ given; ignore = [ configFile ] ++ given; inherit layers; };

      last = buildLayer {
        copyToRoot = given ++ lib.optional initializeNixDatabase database;
        deps = [ configFile ];
        ignore = configFile;
        perms = perms ++ lib.optional initializeNixDatabase { path = database; regex = ".*"; mode = "0755"; uid = nixUid; gid = nixGid; };
        inherit layers owner maxLayers strategy maxBytes;
      };

      imageName = lib.toLower name;
      imageTag = if tag != null then tag else builtins.head (lib.splitString "-" (baseNameOf image.outPath));
      reference = "${imageName}:${imageTag}";
      copy = program: kind: tool.program program [ "nix" "copy" "${image}" "${kind}${reference}" ];

      image = tool.run "image-${baseNameOf name}.json" "image" {
        config = "${configFile}";
        layers = map (layer: "${layer}") (layers ++ [ last ]);
        fromImage = if fromImage == null then "" else "${fromImage}";
        imageTag = if tag == null then "" else tag;
        inherit imageName fromImageEnv arch created compression;
      };

      passthru = {
        inherit fromImage imageName imageTag;
        # The name without its dependencies: for programs outside, as nothing of the image has to be in the store.
        imageRefUnsafe = builtins.unsafeDiscardStringContext reference;
        copyToDockerDaemon = copy "copy-to-docker-daemon" "docker-daemon:";
        copyToPodman = copy "copy-to-podman" "containers-storage:";
        copyToRegistry = copy "copy-to-registry" "docker://";
        copyTo = tool.program "copy-to" [ "nix" "copy" "${image}" ];
      };
    in
    image // passthru // { inherit meta passthru; };
}
