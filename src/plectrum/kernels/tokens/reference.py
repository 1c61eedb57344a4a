"""What the scanner of text does, in Python: the definition that the compiled one is held to."""

from collections.abc import Iterable


def scan_text(text: bytes) -> tuple[list[bytes], list[int], list[int]]:
    """Return the distinct words in order of first appearance, their counts, and the text as their numbers.

    A word is a run of bytes other than ASCII white space; -1 stands at the end of every line that has words.

    Examples
    --------
    >>> scan_text(b"to be or\\nnot to be")
    ([b'to', b'be', b'or', b'not'], [2, 2, 1, 1], [0, 1, 2, -1, 3, 0, 1, -1])
    """
    return number_lines(line.split() for line in text.split(b"\n"))


def number_lines(lines: Iterable[list[bytes]]) -> tuple[list[bytes], list[int], list[int]]:
    """The same for lines that are split already."""
    numbers: dict[bytes, int] = {}
    counts: list[int] = []
    tokens: list[int] = []
    for line in lines:
        for word in line:
            number = numbers.setdefault(word, len(numbers))
            if number == len(counts):
                counts.append(0)
            counts[number] += 1
            tokens.append(number)
        if line:
            tokens.append(-1)
    return list(numbers), counts, tokens
