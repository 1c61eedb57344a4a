"""Writing files and folders whole: beside their place first, then renamed into it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a path beside `path` to write to, and rename it into place when the block ends well.

    What is written may be a file or a folder (make it with ``mkdir``). Readers see the old content or the
    new, never a part: the new file reaches the disk before it takes the name. When the block raises, `path`
    is left as it was and nothing stays beside it.

    Parameters
    ----------
    path : path
        Where the file or folder shall stand. Its parent is made when it does not exist.

    Yields
    ------
    Path
        A path in the same folder (so that renaming is one step of the file system).

    Examples
    --------
    >>> import tempfile, pathlib
    >>> place = pathlib.Path(tempfile.mkdtemp()) / "a.txt"
    >>> with atomic_path(place) as beside:
    ...     _ = beside.write_text("whole")
    >>> place.read_text()
    'whole'
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.{os.getpid()}.{os.urandom(4).hex()}.partial")
    try:
        yield beside
        if beside.is_dir():
            _replace_folder(beside, target)
        else:
            with beside.open("rb") as written:
                os.fsync(written.fileno())
            beside.replace(target)
    finally:
        if beside.is_dir():
            shutil.rmtree(beside)
        else:
            beside.unlink(missing_ok=True)


def _replace_folder(beside: Path, target: Path) -> None:
    """Rename a folder into place; an old folder of that name is moved aside first, then removed."""
    if not target.exists():
        beside.rename(target)
        return
    aside = beside.with_suffix(".old")
    target.rename(aside)
    try:
        beside.rename(target)
    except OSError:
        aside.rename(target)
        raise
    if aside.is_dir():
        shutil.rmtree(aside)
    else:
        aside.unlink()
