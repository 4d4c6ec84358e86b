"""A file system that only Beam can reach: a local folder behind an address such as test://folder."""

from pathlib import Path

from apache_beam.io.filesystem import FileMetadata, MatchResult
from apache_beam.io.localfilesystem import LocalFileSystem

SCHEME = "test"


def _local(path: str) -> str:
    return path.removeprefix(f"{SCHEME}:/")


class FakeRemote(LocalFileSystem):
    """Beam's local file system under the scheme `test`; a path is test:/ and the absolute local path."""

    @classmethod
    def scheme(cls) -> str:
        return SCHEME

    @staticmethod
    def address(folder: Path) -> str:
        folder.mkdir(parents=True, exist_ok=True)
        return f"{SCHEME}:/{folder}"

    def mkdirs(self, path):
        return super().mkdirs(_local(path))

    def match(self, patterns, limits=None):
        results = super().match([_local(pattern) for pattern in patterns], limits)
        return [
            MatchResult(
                f"{SCHEME}:/{result.pattern}",
                [
                    FileMetadata(f"{SCHEME}:/{meta.path}", meta.size_in_bytes, meta.last_updated_in_seconds)
                    for meta in result.metadata_list
                ],
            )
            for result in results
        ]

    def open(self, path, *arguments, **named):
        return super().open(_local(path), *arguments, **named)

    def create(self, path, *arguments, **named):
        return super().create(_local(path), *arguments, **named)

    def rename(self, sources, destinations):
        return super().rename([_local(path) for path in sources], [_local(path) for path in destinations])

    def exists(self, path):
        return super().exists(_local(path))

    def delete(self, paths):
        for path in paths:
            Path(_local(path)).unlink()
