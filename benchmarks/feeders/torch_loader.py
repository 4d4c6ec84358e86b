"""PyTorch's DataLoader, decoding and augmenting in worker processes with Albumentations and OpenCV."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np

from benchmarks.feeders import ASPECT, ERASED, JITTER, SMALLEST, Feed, records


def transforms(feed: Feed, size: int) -> list[Any]:
    """Albumentations' transforms of one picture, uint8 in and out."""
    import albumentations

    made: list[Any] = []
    if feed.windows:
        made.append(
            albumentations.RandomResizedCrop(
                (feed.side, feed.side), (SMALLEST, 1.0), ASPECT, interpolation=cv2.INTER_AREA
            )
        )
    elif feed.side != size:
        made.append(albumentations.Resize(feed.side, feed.side, interpolation=cv2.INTER_AREA))
    if feed.augment != "none":
        strength = JITTER[feed.augment]
        spread = (1 - strength, 1 + strength)
        made.append(albumentations.HorizontalFlip(p=0.5))
        made.append(albumentations.ColorJitter(spread, spread, spread, hue=(0, 0), p=1))
    if feed.augment == "strong":
        made.append(albumentations.Erasing(scale=(0.02, 0.33), p=ERASED))
    return made


class Pictures:
    """A map-style dataset of records in memory."""

    def __init__(self, feed: Feed) -> None:
        import albumentations

        dataset = feed.dataset
        self.size, self.classes = dataset.contract.scheme.size, len(dataset.contract.labels)
        self.raw, self.held = dataset.contract.encoding == "raw", list(records(dataset))
        self.transform = albumentations.Compose(transforms(feed, self.size))

    def __len__(self) -> int:
        return len(self.held)

    def __getitem__(self, at: int) -> tuple[np.ndarray, int]:
        stored, label = self.held[at]
        data = np.frombuffer(stored, np.uint8)
        pixels = data.reshape(self.size, self.size, 3) if self.raw else cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)
        return self.transform(image=pixels)["image"], label


def batches(feed: Feed) -> Iterator[Any]:
    """As many worker processes as cores; mixing on the batch, after them, as torchvision's guide has it."""
    import torch

    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    pictures = Pictures(feed)
    loader = torch.utils.data.DataLoader(
        pictures, feed.batch, shuffle=True, num_workers=feed.cores, drop_last=True, persistent_workers=True
    )
    generator = np.random.default_rng(0)
    while True:
        for pixels, labels in loader:
            targets = torch.nn.functional.one_hot(labels, pictures.classes).float()
            if feed.augment == "strong":
                share, partners, other = float(generator.random()), pixels.flip(0), targets.flip(0)
                if generator.random() < 0.5:
                    yield share * pixels + (1 - share) * partners, share * targets + (1 - share) * other
                    continue
                side = round(share**0.5 * feed.side)
                top, left = generator.integers(0, feed.side - side + 1, 2)
                pixels = pixels.clone()
                pixels[:, top : top + side, left : left + side] = partners[:, top : top + side, left : left + side]
                targets = (1 - share) * targets + share * other
            yield pixels, targets
