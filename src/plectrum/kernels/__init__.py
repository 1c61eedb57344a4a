"""The numeric core: arrays in, arrays out. One folder per operation, its NumPy definition beside the rest."""
