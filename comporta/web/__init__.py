"""The API, and the place for the page."""
