"""The rows of a matrix that point most nearly where queries point."""
