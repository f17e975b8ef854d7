{ pkgs, tool, buildImage }:
let
  inherit (pkgs) lib;

  # A base image from an archive, as made by `docker save` and dockerTools.
  unpacked =
    archive:
    tool.run "base.json" "pulled" {
      folder = "${tool.derive "base" { } [ "copy" "docker-archive:${archive}" "dir:${builtins.placeholder "out"}" ]}";
    };
in
{
  # Like dockerTools.streamLayeredImage: a program that writes the image as an archive, for `docker load`. Its
  # `image` is the image.json, for everything that needs no archive.
  streamLayeredImage =
    {
      name,
      tag ? null,
      # An image.json, or an archive.
      fromImage ? null,
      # Packages whose files are linked from the root.
      contents ? [ ],
      config ? { },
      architecture ? tool.arch,
      created ? "1970-01-01T00:00:01Z",
      # The owner of all files.
      uid ? 0,
      gid ? 0,
      uname ? "root",
      gname ? "root",
      maxLayers ? 100,
      # Commands that run in the root.
      extraCommands ? "",
      fakeRootCommands ? "",
      includeNixDB ? false,
      meta ? { },
      passthru ? { },
      # Have no effect: all files have the time 1970-01-01 00:00:01, and nothing runs as root.
      mtime ? null,
      enableFakechroot ? false,
      debug ? false,
    }:
    let
      linked = pkgs.symlinkJoin { name = "${baseNameOf name}-contents"; paths = lib.toList contents; };
      changed = pkgs.runCommand "${baseNameOf name}-root" { } ''
        mkdir $out
        cp -a ${linked}/. $out/
        chmod -R u+w $out
        cd $out
        ${extraCommands}
      '';
      image = buildImage {
        inherit name tag config created maxLayers meta;
        arch = architecture;
        copyToRoot = if extraCommands == "" then linked else changed;
        fromImage = if fromImage == null || lib.hasSuffix ".json" "${fromImage}" then fromImage else unpacked fromImage;
        initializeNixDatabase = includeNixDB;
        nixUid = uid;
        nixGid = gid;
        owner = { inherit uid gid uname gname; };
      };
      stream = tool.executable "stream-${baseNameOf name}" [ "copy" "${image}" "docker-archive:-:${image.imageName}:${image.imageTag}" ];
      own = { inherit image; inherit (image) imageName imageTag; isExe = true; } // passthru;
    in
    lib.throwIf (fakeRootCommands != "")
      "fakeRootCommands are not supported; set modes and owners in the perms of buildImage"
      (stream // own // { inherit meta; passthru = own; });
}
