"""HTTP server with limits: uvicorn behind bounded connections, times, rates and shares of the event loop."""
