"""Rows of one table or many, laid side by side."""
