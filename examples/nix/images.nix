{ pkgs, nix2container, foldImageLayers }:
let
  inherit (nix2container) buildImage buildLayer;

  # A folder of links to programs, for the image's /bin.
  tools = pkgs.buildEnv {
    name = "root";
    paths = [ pkgs.bashInteractive pkgs.coreutils ];
    pathsToLink = [ "/bin" ];
  };
  app = pkgs.writeText "hello.py" ''
    print("hello from python")
  '';
  # Tools that share what lies below: whoever has one of the images fetches only the tool of the next.
  shared = buildLayer { deps = [ pkgs.bash pkgs.coreutils ]; };
  tool = name: package: buildImage {
    inherit name;
    layers = [ shared ];
    copyToRoot = pkgs.buildEnv { name = "root"; paths = [ package ]; pathsToLink = [ "/bin" ]; };
    config.entrypoint = [ "${package}/bin/${name}" ];
    maxLayers = 2;
  };
  # A folder that the app may write to, and a file that only its user may read.
  state = pkgs.runCommand "state" { } ''
    mkdir -p $out/var/cache $out/etc/app
    echo secret > $out/etc/app/key
  '';
  open = pkgs.runCommand "open" { } "mkdir -p $out/open; touch $out/open/file";
in
{
  # A program, and what it refers to.
  basic = buildImage {
    name = "basic";
    config.entrypoint = [ "${pkgs.hello}/bin/hello" ];
  };

  # Programs at the root.
  bash = buildImage {
    name = "bash";
    tag = "v1";
    copyToRoot = tools;
    config.Cmd = [ "/bin/bash" ];
  };

  # One layer for each of the most popular packages, and one for the rest.
  layered = buildImage {
    name = "layered";
    config.entrypoint = [ "${pkgs.hello}/bin/hello" ];
    maxLayers = 3;
  };

  # What changes seldom lies in layers of its own.
  nested = buildImage {
    name = "nested";
    config.entrypoint = [ "${pkgs.bash}/bin/bash" "-c" "${pkgs.hello}/bin/hello -g nested" ];
    layers = [ (buildLayer { deps = [ pkgs.hello ]; layers = [ (buildLayer { deps = [ pkgs.bash ]; }) ]; }) ];
  };

  # The same as a list, lowest first.
  chained = buildImage {
    name = "chained";
    config.entrypoint = [ "${pkgs.python3}/bin/python3" app ];
    layers = foldImageLayers [
      { deps = [ pkgs.bash ]; }
      { deps = [ pkgs.coreutils ]; metadata = { created_by = "lamella"; comment = "tools"; }; }
      { deps = [ pkgs.python3 ]; maxLayers = 3; }
    ];
  };

  # Python below, the script above: a change of the script moves the script.
  uwsgi = buildImage {
    name = "uwsgi";
    config.entrypoint = [ "${pkgs.python3}/bin/python3" app ];
    layers = [ (buildLayer { deps = [ pkgs.python3 ]; }) ];
  };

  # A server with its pages and folders at the root.
  nginx = buildImage {
    name = "nginx";
    copyToRoot = [
      tools
      (pkgs.runCommand "site" { } "mkdir -p $out/srv $out/tmp; echo '<p>hello</p>' > $out/srv/index.html")
    ];
    config = {
      Cmd = [ "${pkgs.python3}/bin/python3" "-m" "http.server" "--directory" "/srv" "8080" ];
      ExposedPorts."8080/tcp" = { };
    };
  };

  hello = tool "hello" pkgs.hello;
  python3 = tool "python3" pkgs.python3;

  # Modes and owners that the store has not.
  perms = buildImage {
    name = "perms";
    copyToRoot = [ tools state ];
    config.Cmd = [ "/bin/stat" "-c" "%a %u:%g %n" "/etc/app/key" "/var/cache" ];
    perms = [
      { path = state; regex = "/key$"; mode = "0400"; uid = 1000; gid = 100; uname = "app"; gname = "users"; }
      { path = state; regex = "/var/cache$"; mode = "1777"; }
    ];
  };

  # Everything for everybody.
  openbar = buildImage {
    name = "openbar";
    copyToRoot = [ tools open ];
    config.Cmd = [ "/bin/stat" "-c" "%a" "/open/file" ];
    perms = [ { path = open; regex = ".*"; mode = "0777"; } ];
  };

  ownership = buildImage {
    name = "ownership";
    copyToRoot = [ tools state ];
    config.Cmd = [ "/bin/stat" "-c" "%u:%g" "/etc/app" ];
    perms = [ { path = state; regex = ".*"; uid = 7; gid = 8; } ];
  };

  metadata = buildImage {
    name = "metadata";
    config.entrypoint = [ "${pkgs.hello}/bin/hello" ];
    layers = [ (buildLayer { deps = [ pkgs.hello ]; metadata = { author = "us"; created_by = "hands"; comment = "with care"; }; }) ];
  };

  created = buildImage {
    name = "created";
    config.entrypoint = [ "${pkgs.hello}/bin/hello" ];
    created = "2024-05-13T09:30:10Z";
  };

  # For images in which Nix runs: its database knows the paths.
  nix = buildImage {
    name = "nix";
    copyToRoot = tools;
    initializeNixDatabase = true;
    nixUid = 1000;
    nixGid = 100;
    config.Cmd = [ "/bin/bash" ];
  };

  # What differs each time it is made: the layer is kept as it was.
  nonReproducible = buildImage {
    name = "non-reproducible";
    config.entrypoint = [ "${pkgs.coreutils}/bin/wc" "-c" "/random" ];
    layers = [
      (buildLayer {
        reproducible = false;
        copyToRoot = pkgs.runCommand "random" { } "mkdir $out; head -c16 /dev/urandom | base64 > $out/random";
      })
    ];
  };
}
