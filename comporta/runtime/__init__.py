"""One process: settings, logging, threads, bootstrap, health, metrics."""
