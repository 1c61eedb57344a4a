"""Several rows summed or averaged into one vector: bags."""
