"""The character n-grams of words, hashed to rows as fastText hashes them."""
