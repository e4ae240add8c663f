"""Messages of the contract: frozen models and names, no input or output."""
