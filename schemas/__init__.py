"""What messages say: frozen models and names, no input or output."""
