"""How the server is watched: counters and probes for machines, and the log.

watch       each request: its number, its counters, its line in the log
lines       the log's lines         metrics     the counters, for Prometheus
health      probes                  amounts     how much the bucket holds
"""
