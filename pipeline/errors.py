"""The faults a caller can act on, one type each. Their text is a sentence for a person."""


class MorelliError(Exception):
    """Something the user can put right; shown without a traceback."""


class InputError(MorelliError):
    """The folder, manifest or flags given cannot be built from."""


class DatasetError(MorelliError):
    """A dataset folder is not what it should be: missing, incomplete, or of another build."""


class EngineError(MorelliError):
    """A runner has not taken any work: it cannot be started, or cannot be reached."""


class IncompleteError(DatasetError):
    """Jobs have left no result, whatever their runner said."""


class StorageError(MorelliError):
    """A file or folder cannot be written: no room, no permission, or another process is at work there."""


class DamagedShardError(DatasetError):
    """A shard's bytes are wrong. `path` and `offset` (bytes) say where."""

    def __init__(self, path: str, offset: int, what: str) -> None:
        super().__init__(
            f"{path} is damaged at byte {offset}: {what}. "
            "Delete this file and run the same pipeline.build command again: only what is missing is redone."
        )
        self.path = path
        self.offset = offset
        self.what = what

    def __reduce__(self) -> tuple[type, tuple[str, int, str]]:
        return type(self), (self.path, self.offset, self.what)
