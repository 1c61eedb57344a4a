"""Writing a run folder: all the work in ``RUN.partial``, then one rename, so that RUN is whole or absent."""

import contextlib
import json
import os
import platform
import shutil
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from plectrum._version import __version__
from plectrum.errors import PlectrumError, RunError, RunExistsError
from plectrum.runs._names import file_name
from plectrum.runs._schema import SCHEMA_VERSION, check_record

RECORD = "run.json"
STATE = "state"  # below RUN.partial only: what `resume` goes on from
SETTINGS = "settings"  # the state that says what was asked for
_LOCK = ".lock"
_PACKAGES = ("numpy", "torch", "scikit-learn", "numba", "pyarrow", "narwhals")


def open_run(folder: str | os.PathLike[str], *, resume: bool = False, force: bool = False) -> "RunWriter":
    """Return the writer of a new run folder, or of one that was left unfinished.

    Nothing appears under `folder` until `RunWriter.complete`: until then all of it is in `folder` +
    ``.partial``.

    Parameters
    ----------
    folder : path
        Where the run shall be.
    resume : bool
        Go on with ``folder.partial`` where there is one; begin anew where there is none.
    force : bool
        Replace a finished run, and throw an unfinished one away (unless `resume`). The finished one stays
        until the new one is whole.

    Raises
    ------
    RunExistsError
        There is a run, or an unfinished one, and neither `resume` nor `force` allows for it.
    RunError
        Another process is writing to it.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "flights"
    >>> with open_run(target) as run:
    ...     _ = run.path("model", "note.txt").write_text("kept", encoding="utf-8")
    >>> target.exists(), target.with_name("flights.partial").exists()
    (False, True)
    """
    folder = Path(folder)
    partial = folder.with_name(folder.name + ".partial")
    if folder.exists() and not force:
        raise RunExistsError(
            f"`folder` of `open_run` (--out) must be free; {str(folder)!r} exists. "
            "Choose another name, or replace it with --force (force=True)."
        )
    resumed = resume and partial.is_dir()
    if partial.exists() and not resumed:
        if not force:
            raise RunExistsError(
                f"`folder` of `open_run` (--out) must be free; {str(partial)!r} is a run that was not "
                "finished. "
                "Go on with it with --resume (resume=True), or begin anew with --force (force=True)."
            )
        _Lock(partial).release()  # raises where somebody is still at work on it
        # renamed first: a process that is killed while it deletes must not leave half of a run to be resumed
        dropped = partial.with_name(partial.name + ".dropped")
        shutil.rmtree(dropped, ignore_errors=True)
        partial.rename(dropped)
        shutil.rmtree(dropped)
    return RunWriter(folder, partial, resumed=resumed, force=force)


class RunWriter:
    """A run in the making.

    Attributes
    ----------
    folder, partial : Path
        The folder it will be, and the one it is until `complete`.
    resumed : bool
        Whether `partial` was there before.
    record : dict
        The `RunRecord` so far; `complete` checks and writes it.
    """

    def __init__(self, folder: Path, partial: Path, *, resumed: bool = False, force: bool = False) -> None:
        self.folder, self.partial, self.resumed, self._force = folder, partial, resumed, force
        partial.mkdir(parents=True, exist_ok=True)
        self._lock = _Lock(partial)
        self.record: dict[str, Any] = new_record()
        self._files: dict[str, str] = {}  # lower-case file name -> what it belongs to

    def path(self, *parts: str) -> Path:
        """Return a path inside the unfinished run; its folder is made."""
        path = self.partial.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def file_of(self, column: str, *, room: str, suffix: str) -> str:
        """Return the path, below the run folder and with ``/``, for the file of `column` in `room`.

        Two columns that differ in case only get two names even where the file system does not tell them
        apart.
        """
        name = file_name(column, suffix)
        n = 1
        while self._files.setdefault(f"{room}/{name}".lower(), column) != column:
            n += 1
            name = file_name(column, f"~{n}{suffix}")  # no column can end so: file_name encodes the tilde
        return f"{room}/{name}"

    # ------------------------------------------------------------------ what resume goes on from

    def load_state(self, name: str) -> Any:
        """Return what `save_state` last kept under `name`, None when there is nothing."""
        path = self.partial / STATE / f"{name}.json"
        if not path.exists():
            return None
        return json.loads(path.read_text(encoding="utf-8"))

    def save_state(self, name: str, value: Any) -> None:
        """Keep `value` (plain JSON) for `load_state` of a resumed run; not part of the finished run."""
        write_json(self.path(STATE, f"{name}.json"), value)

    def state_path(self, *parts: str) -> Path:
        """Return a path for files that only a resumed run needs; gone once the run is complete."""
        return self.path(STATE, *parts)

    # ------------------------------------------------------------------ the end

    @property
    def is_whole(self) -> bool:
        """Whether the record is written, so that only the page and the rename can be missing."""
        return (self.partial / RECORD).is_file()

    def write_record(self) -> Path:
        """Check the record and write it, the last file but for the page; return the unfinished folder.

        From here on `read_run` can read the unfinished folder, as the report does.
        """
        write_json(
            self.path(RECORD), check_record(plain(self.record), source=f"the record of {self.folder.name}")
        )
        return self.partial

    def complete(self) -> Path:
        """Write the record unless that was done, drop what only resuming needed, rename; return the
        folder."""
        if not self.is_whole:
            self.write_record()
        shutil.rmtree(self.partial / STATE, ignore_errors=True)
        replaced = self.folder.with_name(self.folder.name + ".replaced")
        if self.folder.exists():
            if not self._force:
                raise RunExistsError(
                    f"`folder` of `open_run` (--out) must be free; {str(self.folder)!r} appeared meanwhile. "
                    "The new "
                    f"run is whole in {str(self.partial)!r}: rename it by hand."
                )
            shutil.rmtree(replaced, ignore_errors=True)
            self.folder.rename(replaced)
        self._lock.release(remove=True)
        self.partial.rename(self.folder)
        shutil.rmtree(replaced, ignore_errors=True)
        return self.folder

    def close(self) -> None:
        """Let go of the unfinished run; it stays where it is, for `resume`.

        At the end of a ``with`` block that one of plectrum's errors has ended (a fault of the data, say)
        before anything was made, the folder goes too: the next try needs neither `resume` nor `force`.
        """
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, PlectrumError) and not self.resumed and not self._holds_work():
            self._lock.release(remove=True)
            shutil.rmtree(self.partial)
        self.close()

    def _holds_work(self) -> bool:
        """True when there is more than what was asked for: nothing is gone when the rest is."""
        asked = {self.partial / _LOCK, self.partial / STATE / f"{SETTINGS}.json"}
        return any(path not in asked for path in self.partial.rglob("*") if not path.is_dir())


def new_record() -> dict[str, Any]:
    """Return a record with what is known before anything is read; the rest is filled in by the job."""
    return {
        "schema_version": SCHEMA_VERSION,
        "plectrum": __version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": list(sys.argv),
        "versions": {"python": platform.python_version()} | _package_versions(),
        "machine": {"cores": os.cpu_count() or 1, "system": f"{platform.system()} {platform.machine()}"},
        "target": None,
        "columns": [],
        "results": [],
        "verdict": "",
        "history": [],
        "findings": [],
        "next": [],
        "film": None,
        "checks": {},
    }


def _package_versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON beside `path`, then rename: a reader sees the old file or the new, never half."""
    beside = path.with_name(path.name + ".new")
    with beside.open("w", encoding="utf-8") as file:
        json.dump(plain(value), file, ensure_ascii=False, indent=1, allow_nan=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def plain(value: Any) -> Any:
    """Return `value` as JSON knows it: NumPy's as Python's, NaN and infinity as null, anything else as
    text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if value is None or isinstance(value, str | int | bool):
        return value
    return str(value)


class _Lock:
    """Keeps a second process out of an unfinished run; the system lets go of it when the process dies."""

    def __init__(self, partial: Path) -> None:
        self._path = partial / _LOCK
        self._file: int | None = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            import fcntl
        except ImportError:  # Windows: no such lock, and no harm to a single user
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            self._file = None
            raise RunError(
                "`folder` of `open_run` (--out) must be free; another process is writing to "
                f"{str(partial)!r}. "
                "Wait for it, stop it, or choose another name."
            ) from None

    def release(self, *, remove: bool = False) -> None:
        if remove:
            self._path.unlink(missing_ok=True)
        if self._file is not None:
            os.close(self._file)
            self._file = None
