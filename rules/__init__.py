"""What we decide: pure functions; time and state are passed in."""
