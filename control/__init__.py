"""What an operator does: switch, look, run; settings and wiring."""
