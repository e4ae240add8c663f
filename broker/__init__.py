"""The way to the broker: connections, their errors, the topology."""
