"""Text lines of a key and its numbers, and binary records of a key and its floats, into keys and a matrix."""
