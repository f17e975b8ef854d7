# The database of store paths that Nix in the image needs, for its root.
{ tool }:
{ paths, ignore, layers }:
tool.run "nix-database" "database" {
  exportReferencesGraph.graph = map (path: "${path}") (paths ++ layers);
  ignore = map (path: "${path}") ignore;
  layers = map (layer: "${layer}") layers;
}
