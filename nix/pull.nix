{ pkgs, tool }:
let
  inherit (pkgs) lib;
  plain = builtins.replaceStrings [ "/" ":" ] [ "-" "-" ];

  # What comes from a registry has a known hash, without which Nix would not download it. Credentials come from
  # /etc/skopeo/auth.json, if builds can see it, or from the daemon's $LAMELLA_CREDS.
  fetch =
    name: hash: arguments:
    tool.derive name (
      {
        REGISTRY_AUTH_FILE = "/etc/skopeo/auth.json";
        impureEnvVars = [ "http_proxy" "https_proxy" "no_proxy" "NO_PROXY" "LAMELLA_CREDS" ];
      }
      // lib.optionalAttrs (pkgs ? cacert) { SSL_CERT_FILE = "${pkgs.cacert}/etc/ssl/certs/ca-bundle.crt"; }
      // hash
    ) arguments;
  insecure = tlsVerify: lib.optional (!tlsVerify) "--insecure";
  out = builtins.placeholder "out";
in
{
  # A base image, in one store path with the hash `sha256`.
  pullImage =
    {
      imageName,
      imageDigest,
      sha256,
      os ? "linux",
      arch ? tool.arch,
      tlsVerify ? true,
      name ? plain "docker-image-${imageName}",
    }:
    let
      folder = fetch name { outputHashMode = "recursive"; outputHashAlgo = "sha256"; outputHash = sha256; } (
        [ "copy" "docker://${imageName}@${imageDigest}" "dir:${out}" "--platform" "${os}/${arch}" ] ++ insecure tlsVerify
      );
    in
    tool.run "nix2container-${plain imageName}.json" "pulled" { folder = "${folder}"; };

  # A base image by its manifest, which is a file: each blob has its own store path, known by its digest.
  # `imageTag`, `os` and `arch` are for the program that downloads the manifest: `nix run .#base.getManifest`.
  pullImageFromManifest =
    {
      imageName,
      imageManifest ? null,
      imageTag ? "latest",
      os ? "linux",
      arch ? tool.arch,
      tlsVerify ? true,
      registryUrl ? "registry-1.docker.io",
    }:
    let
      place = "docker://${registryUrl}/${imageName}";
      manifest = lib.importJSON imageManifest;
      blobs = map (blob: { name = blob.digest; value = "${fetchBlob blob}"; }) ([ manifest.config ] ++ manifest.layers);
      fetchBlob =
        { digest, size, ... }:
        fetch (lib.removePrefix "sha256:" digest) { outputHash = digest; } (
          [ "nix" "blob" place digest (toString size) out ] ++ insecure tlsVerify
        );
      passthru.getManifest = tool.program "get-manifest" (
        [ "nix" "manifest" "${place}:${imageTag}" "--platform" "${os}/${arch}" ] ++ insecure tlsVerify
      );
    in
    tool.run "nix2container-${plain imageName}.json" "pulled" {
      manifest = "${imageManifest}";
      blobs = builtins.listToAttrs blobs;
    }
    // passthru
    // { inherit passthru; };
}
