"""What must hold when processes, connections and servers die or hang."""
