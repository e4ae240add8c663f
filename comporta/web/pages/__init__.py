"""Admin page: server-rendered HTML with links and forms, updated live where the browser runs its script."""
