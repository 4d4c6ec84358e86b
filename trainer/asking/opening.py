"""From the bytes of a picture to the records that the builder would have made of it.

It is done in processes of their own, which a picture may end (`pipeline.workers.guarded`): this module loads no
TensorFlow.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.dataset.example import encode_example
from pipeline.dataset.rejects import DAMAGED, OUT_OF_MEMORY
from pipeline.pictures import guard
from pipeline.pictures.crops import Crop, cut, encode, window
from pipeline.pictures.decode import Painting, decode
from pipeline.pictures.fault import ImageError
from pipeline.storage import files
from pipeline.storage.web import fetch, is_web
from pipeline.workers.processes import preload
from trainer.run.expertise import Expertise

MODULE = __name__


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture, opened.

    Attributes:
      digest: hex SHA-256 of its file, which decides where its crops lie.
      examples: the records of the run's scheme, as `dataset.example` writes them; their label is 0.
      painting: all of it, where that was asked for.
    """

    digest: str
    examples: tuple[bytes, ...]
    painting: Painting | None

    @property
    def whole(self) -> Painting:
        """The painting, which must have been asked for."""
        if self.painting is None:
            raise ValueError("Expected a picture that was opened whole.")
        return self.painting


def prepare() -> None:
    """Starts to import what the processes need, while this one imports TensorFlow."""
    preload(MODULE)


def open_file(path: str, expertise: Expertise, whole: bool) -> Picture:
    """Opens a picture's file, here or in a store or on the web, as `open_picture` does its bytes.

    Raises OSError as well, and StorageError of a place that cannot be reached.
    """
    if is_web(path):
        return open_picture(fetch(path, guard.most_bytes(expertise.max_pixels)), expertise, whole)
    guard.check_file_size(files.size(path), expertise.max_pixels)
    return open_picture(files.read(path), expertise, whole)


def open_picture(data: bytes, expertise: Expertise, whole: bool) -> Picture:
    """Decodes a picture and cuts its crops as the builder did.

    Args:
      data: of the file.
      expertise: of the run that is to be asked.
      whole: whether all of it is wanted beside its crops.

    Raises:
      ImageError: what is wrong with the bytes.
    """
    digest = hashlib.sha256(data).hexdigest()
    try:
        with guard.watching(digest):
            painting = decode(data, max_pixels=expertise.max_pixels, at_least=expertise.scheme.resolution)
            crops = cut(painting, expertise.scheme, expertise.seed, digest)
            return Picture(digest, examples_of(painting, digest, crops, expertise), painting if whole else None)
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError(OUT_OF_MEMORY, "opening it asked for more memory than it may have") from error
    except Exception as error:  # of one picture, in whatever library: it must not cost the answers for all others
        raise ImageError(DAMAGED, f"{type(error).__name__}: {error}") from error


def examples_at(
    picture: Picture, boxes: Sequence[tuple[int, int, int, int]], expertise: Expertise
) -> tuple[bytes, ...]:
    """Records of windows at places of one's own choosing."""
    size = expertise.scheme.size
    places = [(float(left), float(top), float(right), float(bottom)) for left, top, right, bottom in boxes]
    crops = (Crop(index, place, window(picture.whole, place, size)) for index, place in enumerate(places))
    return examples_of(picture.whole, picture.digest, crops, expertise)


def examples_of(painting: Painting, digest: str, crops: Iterable[Crop], expertise: Expertise) -> tuple[bytes, ...]:
    """Records of some crops of a painting."""
    size = (painting.width, painting.height)
    return tuple(
        encode_example(encode(crop.pixels, expertise.encoding), 0, digest[:16], crop.index, crop.box, size)
        for crop in crops
    )
