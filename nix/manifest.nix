{ pkgs, tool }:
let
  inherit (pkgs) lib;
  env = name: let value = builtins.getEnv name; in if value == "" then null else value;
  given = x: x != null && x != "";

  # Nested attributes, as a list with dots in the names.
  leaves =
    prefix: set:
    lib.concatMap (
      name:
      let
        value = set.${name};
        path = if prefix == "" then name else "${prefix}.${name}";
      in
      if builtins.isAttrs value then leaves path value else lib.optional (given value) "${path}=${toString value}"
    ) (builtins.attrNames set);

  # The place of an image for lamella: one of our files, or an archive.
  place = image: if lib.hasSuffix ".json" "${image}" then "${image}" else "docker-archive:${image}";
  quoted = text: "\"${builtins.replaceStrings [ "\\" "\"" "`" ] [ "\\\\" "\\\"" "\\`" ] text}\"";
in
{
  # A program that pushes images for several platforms to registries, under one name. The options are flocken's;
  # `$NAME` in names and passwords of users is replaced from the environment when the program runs.
  mkDockerManifest =
    {
      # Images: archives, or results of buildImage.
      imageFiles ? [ ],
      images ? [ ],
      # Programs that write an archive; for results of our buildImage and streamLayeredImage, no archive is made.
      imageStreams ? [ ],
      version ? null,
      branch ? null,
      defaultBranch ? null,
      tags ? [ ],
      autoTags ? { },
      registries ? { },
      annotations ? { },
      github ? { },
      format ? "oci",
      # flocken's name for a list on the disk; has no effect here.
      manifestName ? null,
    }:
    let
      github' = {
        enable = false;
        enableRegistry = true;
        token = "$GITHUB_TOKEN";
        actor = env "GITHUB_ACTOR";
        repo = env "GITHUB_REPOSITORY";
        branch = if env "GITHUB_REF_TYPE" == "branch" then env "GITHUB_REF_NAME" else null;
        registry = "ghcr.io";
        apiEndpoint = "https://api.github.com";
      } // github;
      branch' = if given branch || !github'.enable then branch else github'.branch;
      defaultBranch' = if given defaultBranch then defaultBranch else known.default_branch or "main";
      known = lib.optionalAttrs github'.enable (lib.importJSON (builtins.fetchurl "${github'.apiEndpoint}/repos/${github'.repo}"));
      auto = { branch = true; latest = true; version = true; majorMinor = true; major = true; } // autoTags;

      number = if given version then lib.removePrefix "v" version else null;
      released = given number && builtins.match ".*-.*" number == null;
      part = count: builtins.concatStringsSep "." (lib.take count (lib.splitString "." number));
      allTags = lib.unique (
        builtins.filter given (
          tags
          ++ lib.optional auto.branch branch'
          ++ lib.optional (auto.latest && given branch' && branch' == defaultBranch') "latest"
          ++ lib.optional auto.version number
          ++ lib.optional (auto.majorMinor && released) (part 2)
          ++ lib.optional (auto.major && released) (part 1)
        )
      );

      ofGithub = lib.optionalAttrs (github'.enable && github'.enableRegistry) {
        ${github'.registry} = { inherit (github') repo; username = github'.actor; password = github'.token; };
      };
      targets = map (
        key: let registry = (ofGithub // registries).${key}; in { name = key; enable = true; } // registry
      ) (builtins.attrNames (ofGithub // registries));
      enabled = builtins.filter (target: target.enable) targets;
      told = leaves "" annotations ++ leaves "org.opencontainers.image" {
        version = number;
        authors = known.owner.html_url or null;
        url = known.homepage or null;
        source = known.html_url or null;
        vendor = known.owner.login or null;
        licenses = known.license.spdx_id or null;
        title = known.name or null;
        description = known.description or null;
      };

      isOurs = stream: stream ? image || lib.hasSuffix ".json" "${stream}";
      ready = map place (imageFiles ++ images ++ map (stream: stream.image or stream) (builtins.filter isOurs imageStreams));
      foreign = lib.imap0 (index: stream: { inherit stream; file = "$folder/${toString index}.tar"; }) (
        builtins.filter (stream: !isOurs stream) imageStreams
      );
      words =
        map (target: "${target.name}/${target.repo}:${builtins.head allTags}") (lib.take 1 enabled)
        ++ ready;
      options =
        lib.concatMap (target: [ "--also" "${target.name}/${target.repo}" ]) (lib.drop 1 enabled)
        ++ lib.concatMap (tag: [ "--tag" tag ]) (lib.drop 1 allTags)
        ++ lib.concatMap (text: [ "--annotation" text ]) told
        ++ [ "--format" format ];
    in
    lib.throwIf (allTags == [ ]) "mkDockerManifest: no tag follows from version, branch or tags; set one of them"
      lib.throwIf (ready == [ ] && foreign == [ ]) "mkDockerManifest: no images; set imageFiles, imageStreams or images"
      lib.throwIf (enabled == [ ]) "mkDockerManifest: no registry to push to; set registries"
      (tool.script "docker-manifest" ''
        set -eu
        folder=$(mktemp -d)
        trap 'rm -rf "$folder"' EXIT
        ${lib.concatMapStringsSep "\n" ({ stream, file }: "${stream} > ${quoted file}") foreign}
        LAMELLA_CREDS="''${LAMELLA_CREDS-}
        ${lib.concatMapStringsSep "\n" (
          target: lib.optionalString (target ? username) "${target.name}=${target.username}:${target.password}"
        ) enabled}"
        export LAMELLA_CREDS
        revision=$(git rev-parse HEAD 2>/dev/null || :)
        ${lib.getExe' tool.lamella "lamella"} index ${lib.escapeShellArgs words} ${
          lib.concatMapStringsSep " " ({ file, ... }: quoted "docker-archive:${file}") foreign
        } ${lib.escapeShellArgs options} \
          --annotation "org.opencontainers.image.created=$(date -u +%Y-%m-%dT%H:%M:%SZ)" \
          ''${revision:+--annotation "org.opencontainers.image.revision=$revision"} "$@"
      '');
}
