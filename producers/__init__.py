"""From us to the outside."""
