"""Servers that tests run against: private ones, started when first asked for and gone at the end."""
