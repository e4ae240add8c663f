"""Who may look and who may act: the operators file, tokens, sessions and the link that is printed at start."""
