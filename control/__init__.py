"""Control plane: pause and resume, the operators' other actions, and their credentials."""
