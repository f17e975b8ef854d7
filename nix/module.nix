# services.lamella: a registry that builds what is pulled, and Nix binary caches.
{ config, lib, pkgs, ... }:
let
  cfg = config.services.lamella;
  format = pkgs.formats.toml { };
  file = format.generate "lamella-server.toml" cfg.settings;
  port = lib.toInt (lib.last (lib.splitString ":" cfg.settings.listen));
  capabilities = if port < 1024 then "CAP_NET_BIND_SERVICE" else "";
in
{
  options.services.lamella = {
    enable = lib.mkEnableOption "lamella, a registry that builds what is pulled";

    package = lib.mkOption {
      type = lib.types.package;
      default = pkgs.callPackage ./package.nix { withServer = true; };
      defaultText = lib.literalMD "lamella, with what its server needs";
      description = "The lamella package.";
    };

    settings = lib.mkOption {
      inherit (format) type;
      default = { };
      example = lib.literalExpression ''
        {
          listen = "0.0.0.0:8080";
          writable = true;
          access.anonymous = [ "pull" ];
          access.htpasswd = "/run/credentials/lamella.service/htpasswd";
          access.user = [ { name = "*"; rights = [ "build" "push" ]; } ];
          source = [ { name = "nix"; kind = "nix"; from = "nixos-unstable"; } ];
          nix = [ { name = "main"; store = true; } ];
        }
      '';
      description = "The server's settings, as described in docs/reference/server.md.";
    };

    credentials = lib.mkOption {
      type = lib.types.attrsOf lib.types.str;
      default = { };
      example = { htpasswd = "/run/secrets/lamella-htpasswd"; };
      description = "Files with secrets; in the settings, each is /run/credentials/lamella.service/NAME.";
    };

    environmentFile = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      default = null;
      example = "/run/secrets/lamella-environment";
      description = "A file with the server's credentials for a remote bucket: AWS_ACCESS_KEY_ID and the like.";
    };

    user = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      default = null;
      description = "The user that the server runs as; if null, one that exists only while the server runs.";
    };

    openFirewall = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = "Whether to open the port in the firewall.";
    };
  };

  config = lib.mkIf cfg.enable {
    services.lamella.settings = {
      listen = lib.mkDefault "127.0.0.1:8080";
      bucket = lib.mkDefault "/var/lib/lamella/bucket";
      stop_seconds = lib.mkDefault 30;
    };

    networking.firewall.allowedTCPPorts = lib.mkIf cfg.openFirewall [ port ];

    systemd.services.lamella = {
      description = "Registry that builds what is pulled";
      wantedBy = [ "multi-user.target" ];
      wants = [ "network-online.target" ];
      after = [ "network-online.target" ];
      path = [ config.nix.package pkgs.git pkgs.gnupg pkgs.uv ];
      environment = {
        HOME = "/var/lib/lamella";
        XDG_DATA_HOME = "/var/lib";
        LAMELLA_CACHE = "/var/cache/lamella";
      };
      serviceConfig = {
        Type = "notify";
        ExecStart = "${lib.getExe cfg.package} serve --config ${file}";
        LoadCredential = lib.mapAttrsToList (name: path: "${name}:${path}") cfg.credentials;
        StateDirectory = "lamella";
        CacheDirectory = "lamella";
        LogsDirectory = "lamella";
        WorkingDirectory = "/var/lib/lamella";

        # Only the server gets the signal to stop, not its builders, which finish their work.
        KillMode = "mixed";
        TimeoutStopSec = cfg.settings.stop_seconds + 15;
        Restart = "on-failure";
        RestartSec = 2;
        LimitNOFILE = 65536;

        AmbientCapabilities = capabilities;
        CapabilityBoundingSet = capabilities;
        LockPersonality = true;
        NoNewPrivileges = true;
        PrivateDevices = true;
        PrivateTmp = true;
        ProcSubset = "pid";
        ProtectClock = true;
        ProtectControlGroups = true;
        ProtectHome = true;
        ProtectHostname = true;
        ProtectKernelLogs = true;
        ProtectKernelModules = true;
        ProtectKernelTunables = true;
        ProtectProc = "invisible";
        ProtectSystem = "strict";
        RemoveIPC = true;
        RestrictAddressFamilies = [ "AF_INET" "AF_INET6" "AF_UNIX" ];
        RestrictNamespaces = true;
        RestrictRealtime = true;
        RestrictSUIDSGID = true;
        SystemCallArchitectures = "native";
        SystemCallErrorNumber = "EPERM";
        SystemCallFilter = [ "@system-service" "~@privileged" ];
        UMask = "0077";
      }
      // (if cfg.user == null then { DynamicUser = true; } else { User = cfg.user; })
      // lib.optionalAttrs (cfg.environmentFile != null) { EnvironmentFile = cfg.environmentFile; };
    };
  };
}
