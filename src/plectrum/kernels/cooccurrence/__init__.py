"""How often keys stand near each other, and vectors whose products say so (GloVe)."""
