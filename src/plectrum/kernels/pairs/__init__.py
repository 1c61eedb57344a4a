"""Learning from pairs: a key, the keys around it, and keys drawn by chance."""
