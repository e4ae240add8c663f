"""From the broker to the storage: the only place that acknowledges."""
