"""HTTP: connections, certificates, proxies, and files that are downloaded by their hash."""
