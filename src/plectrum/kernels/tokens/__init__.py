"""Bytes of text -> numbers of words, counted on the way."""
