"""Broker access: connections, their errors, the topology."""
