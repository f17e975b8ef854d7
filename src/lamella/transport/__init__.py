"""HTTP: connections, whom they believe, the way through proxies, and files that are fetched by their hash."""
