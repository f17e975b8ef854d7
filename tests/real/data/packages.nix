# A few real packages, made from Debian's: each has its own store path, and its programs find their loader and
# libraries by store paths alone, so a closure that lacks one of them does not run. `debs` is a
# folder of .deb files, `python` one that runs here.
{ debs, python, system ? builtins.currentSystem }:
let
  machine = builtins.head (builtins.match "([^-]*)-.*" system);
  triple = "${machine}-linux-gnu";
  loader = if machine == "aarch64" then "ld-linux-aarch64.so.1" else "ld-linux-x86-64.so.2";

  # Store names may not hold the '%' that names of .deb files can hold.
  deb = name:
    let
      ours = file: builtins.match "${name}_.*" file != null;
      found = builtins.filter ours (builtins.attrNames (builtins.readDir debs));
    in builtins.path { path = debs + "/${builtins.head found}"; name = "${name}.deb"; };

  package = { name, from, needs ? [ ], libc ? glibc, after ? "" }: derivation {
    inherit name system libc after;
    debs = map deb from;
    rpath = builtins.concatStringsSep ":" (map (need: "${need}/lib") needs);
    PATH = "/usr/sbin:/usr/bin:/sbin:/bin";
    builder = "/bin/sh";
    args = [ "-euc" ''
      mkdir -p tree $out/bin $out/lib
      for deb in $debs; do dpkg-deb -x $deb tree; done
      for folder in bin usr/bin; do [ ! -d tree/$folder ] || cp -a tree/$folder/. $out/bin; done
      for folder in lib/${triple} usr/lib/${triple}; do [ ! -d tree/$folder ] || cp -a tree/$folder/. $out/lib; done
      for folder in tree/usr/lib/python3*; do [ ! -d $folder ] || cp -a $folder $out/lib; done
      eval "$after"
      rmdir $out/bin $out/lib 2>/dev/null || true
      [ -n "$libc" ] || exit 0
      find $out -type f | while read -r file; do
        [ "$(head -c4 "$file" | tail -c3)" = ELF ] || continue
        chmod u+w "$file"
        patchelf --force-rpath --set-rpath "$libc/lib:$out/lib:$rpath" "$file" 2>/dev/null || continue
        ! patchelf --print-interpreter "$file" >/dev/null 2>&1 || patchelf --set-interpreter $libc/lib/${loader} "$file"
        patchelf --shrink-rpath "$file"
      done
    '' ];
  };

  glibc = package { name = "glibc-2.36"; from = [ "libc6" ]; libc = ""; after = "rm -r $out/bin $out/lib/gconv"; };
  ncurses = package { name = "ncurses-6.4"; from = [ "libtinfo6" ]; };
  attr = package { name = "attr-2.5"; from = [ "libattr1" ]; };
  acl = package { name = "acl-2.3"; from = [ "libacl1" ]; needs = [ attr ]; };
  gmp = package { name = "gmp-6.2"; from = [ "libgmp10" ]; };
  pcre2 = package { name = "pcre2-10.42"; from = [ "libpcre2-8-0" ]; };
  selinux = package { name = "libselinux-3.4"; from = [ "libselinux1" ]; needs = [ pcre2 ]; };
  zlib = package { name = "zlib-1.2"; from = [ "zlib1g" ]; };
  expat = package { name = "expat-2.5"; from = [ "libexpat1" ]; };
  libffi = package { name = "libffi-3.4"; from = [ "libffi8" ]; };
in rec {
  inherit glibc;
  bash = package {
    name = "bash-5.2"; from = [ "bash" ]; needs = [ ncurses ];
    after = "rm -f $out/bin/bashbug; ln -s bash $out/bin/sh";
  };
  coreutils = package { name = "coreutils-9.1"; from = [ "coreutils" ]; needs = [ acl attr gmp selinux ]; };
  hello = package { name = "hello-2.10"; from = [ "hello" ]; };
  python3 = package {
    name = "python3-3.11"; needs = [ zlib expat libffi ];
    from = [ "python3.11-minimal" "libpython3.11-minimal" "libpython3.11-stdlib" ];
    after = ''
      ln -s python3.11 $out/bin/python3
      modules=$out/lib/python3.11/lib-dynload
      rm -rf $out/lib/python3 $out/lib/python3.11/sitecustomize.py
      for name in _ssl _hashlib _crypt _curses _dbm _lzma _bz2 _sqlite3 _uuid nis readline; do rm -f $modules/$name*; done
    '';
  };

  # What Nix itself tells of a closure, as an image builder in Nix asks for it.
  graph = derivation {
    name = "closure.json";
    inherit system;
    __structuredAttrs = true;
    exportReferencesGraph.closure = [ bash coreutils hello python3 ];
    builder = "/bin/sh";
    args = [ "-euc" ''
      ${python} -c "
      import json
      told = json.load(open('.attrs.json'))
      json.dump(told['closure'], open(told['outputs']['out'], 'w'))"
    '' ];
  };
}
