"""Consumers from the broker to the storage: the only package that acknowledges deliveries."""
