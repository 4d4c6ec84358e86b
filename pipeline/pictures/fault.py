"""What is wrong with a picture, as an exception."""

from __future__ import annotations


class ImageError(Exception):
    """Bytes that cannot be made a picture.

    Attributes:
      reason: one of `pipeline.dataset.rejects`.
      detail: what was found, for a person.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"
