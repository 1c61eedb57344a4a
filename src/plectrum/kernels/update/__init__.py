"""One optimizer step on the rows of a batch, and the catching up of rows that were absent."""
