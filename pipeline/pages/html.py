"""The templates of pages, and the pictures within them: what is put into a page is escaped, or was made here."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import jinja2
    from PIL import Image


def environment(templates: Path) -> jinja2.Environment:
    """The templates of a folder; everything put into them is escaped, and nothing may be missing."""
    import jinja2  # here, so that build workers, who make no page, do not hold it

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def data_uri(image: Image.Image, longest: int, quality: int) -> str:
    """An RGB image as a JPEG data URI, at most `longest` pixels on its longer side, without what its file said of it.

    Args:
      image: to show. It stays as it is.
      longest: pixels.
      quality: of the JPEG, 1..95.
    """
    from PIL.Image import Resampling

    small = image.copy()
    small.thumbnail((longest, longest), Resampling.LANCZOS)
    small.info.clear()
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
