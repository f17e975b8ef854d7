{ pkgs, tool }:
let
  inherit (pkgs) lib;
  plain = builtins.replaceStrings [ "/" ":" ] [ "-" "-" ];

  # What comes from a registry is known by its hash, so that it may be fetched at all. Credentials are those of
  # /etc/skopeo/auth.json, where builds can see that, or of $LAMELLA_CREDS, as the daemon has it.
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
  # A base image: all of it in one store path, whose hash is `sha256`.
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

  # A base image by its manifest, which is a file: each blob is a store path of its own, known by its digest.
  # `imageTag`, `os` and `arch` are for the program that fetches the manifest: `nix run .#base.getManifest`.
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
