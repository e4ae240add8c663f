"""HTTP server: the API and the admin page."""
