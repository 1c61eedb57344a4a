"""`plectrum convert`: vectors from one format to another."""

from typing import Annotated

import typer

from plectrum.cli._output import emit_json, say


def convert(
    source: Annotated[str, typer.Argument(metavar="IN", help="Vectors in any known format.")],
    destination: Annotated[str, typer.Argument(metavar="OUT", help="Its suffix chooses the format.")],
    read_as: Annotated[
        str | None, typer.Option("--from", metavar="FORMAT", help="Instead of sniffing.")
    ] = None,
    write_as: Annotated[
        str | None, typer.Option("--to", metavar="FORMAT", help="Instead of going by the suffix.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Read vectors from IN and write them to OUT."""
    import plectrum

    vectors = plectrum.load(source, format=read_as)
    vectors.save(destination, format=write_as)
    about = {"keys": len(vectors), "embedding_dim": vectors.embedding_dim, "out": destination}
    if as_json:
        emit_json(about)
    else:
        say(f"{len(vectors):,} vectors of {vectors.embedding_dim} numbers written to {destination}")
