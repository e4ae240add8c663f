"""The admin page: server-rendered HTML that works by links and forms, and is live where the browser allows it."""
