"""The page in a real browser, with the real parts behind it."""
