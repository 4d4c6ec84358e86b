"""img2dataset on local files: it fetches addresses, and file:// is one. It cannot crop at random, nor squash.

A picture is its painting's middle square, scaled to the size, as JPEG: the nearest it has to a reshape.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.builders.pictures import Painting
from pipeline.dataset.schemes import Scheme


def build(paintings: list[Painting], output: Path, scheme: Scheme, workers: int) -> None:
    """Writes tar files; of a reshape only."""
    import img2dataset
    import pandas

    output.mkdir(parents=True, exist_ok=True)
    urls = output / "urls.parquet"
    rows = [{"url": Path(painting.path).as_uri(), "caption": str(painting.label)} for painting in paintings]
    pandas.DataFrame(rows).to_parquet(urls)
    img2dataset.download(
        url_list=str(urls),
        input_format="parquet",
        caption_col="caption",
        output_folder=str(output / "shards"),
        output_format="webdataset",
        image_size=scheme.size,
        resize_mode="center_crop",
        number_sample_per_shard=256,
        processes_count=workers,
        thread_count=4,
        enable_wandb=False,
    )
