"""What a monitor sees of real processes, and what it makes of it."""
