#!/bin/sh
# Installs the Debian packages that tests use; on other systems, or without root, lists the programs that are missing.
set -eu
missing=""
for program in chromium-headless-shell docker dockerd podman containerd ctr runc skopeo umoci nix nix-build \
    nix-instantiate patchelf busybox curl systemd-analyze docker-registry nginx gpgv openssl pigz igzip zstd qemu-aarch64-static zsh fish mandoc; do
    command -v "$program" >/dev/null 2>&1 || missing="$missing $program"
done
for module in github.com/rhysd/actionlint/cmd/actionlint@v1.7.7 sigs.k8s.io/kustomize/kustomize/v5@v5.7.1; do
    program=$(echo "$module" | cut -d/ -f3)
    if ! command -v "$program" >/dev/null 2>&1 && [ ! -x "$HOME/go/bin/$program" ]; then
        if command -v go >/dev/null 2>&1; then GOBIN="$HOME/go/bin" go install "$module" >/dev/null 2>&1 &
        else missing="$missing $program"; fi
    fi
done

if [ -n "$missing" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    apt-get update -qq
    packages=$(cat "$(dirname "$0")/debian-packages.txt")
    if command -v go >/dev/null 2>&1; then packages=$(echo "$packages" | grep -v '^golang'); fi
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $packages >/dev/null
elif [ -n "$missing" ]; then
    echo "these programs are missing, and the tests that need them are skipped:$missing"
fi
wait
