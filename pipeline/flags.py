"""The flags of pipeline.build: its own, and those that are passed on to Beam."""

from __future__ import annotations

import argparse
import difflib
import math
import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.dataset.contract import SPLITS, Encoding
from pipeline.dataset.schemes import SCHEMES, Scheme
from pipeline.errors import EngineError, InputError
from pipeline.gallery.layouts import LAYOUTS, Layout
from pipeline.pictures.guard import MAX_SECONDS, Limits, memory_for
from pipeline.storage.files import is_remote
from pipeline.workers.beam import import_beam
from pipeline.workers.dask import import_dask
from pipeline.workers.dataflow import check_dataflow
from pipeline.workers.engines import DASK, DATAFLOW, is_local, runner_name

DESCRIPTION = """\
Builds TFRecord datasets from a folder of paintings, one dataset per scheme, in OUTPUT_DIR/SCHEME/1.0.0/.

  python -m pipeline.build --crop=64 --samples=16
      16 windows of 64 x 64 pixels of every painting of the embedded gallery, into datasets/crop64x16/1.0.0/

  python -m pipeline.build --data_dir=best-artworks --crop=64 --samples=16 --reshape=256
      from a folder of your own, two schemes in one pass

  python -m pipeline.build --data_dir=gs://B/art --output_dir=gs://B/sets --crop=64 --samples=16 \\
      --runner=DataflowRunner --project=P --region=R --temp_location=gs://B/tmp
      on Dataflow; every flag that is not listed below goes to Beam

Killed at any moment, the same command resumes where it was. Exit status: 0 built, or left running by --detach;
1 not built; 2 wrong flags."""


GIVEN = "given"  # of --splits


@dataclass(frozen=True, slots=True)
class Settings:
    """The build's own flags, checked. See `parser` for what each means."""

    schemes: tuple[Scheme, ...]
    data_dir: str | None
    output_dir: str
    manifest: str | None
    layout: Layout | None
    ratios: tuple[float, ...]
    keep_splits: bool
    seed: int
    dedup: Any
    encoding: Encoding | None
    shard_mib: float
    workers: int
    max_rejects: float
    max_pixels: int
    max_seconds: float
    max_picture_mib: int | None
    overwrite: bool
    dry_run: bool
    detach: bool
    beam: tuple[str, ...]

    @property
    def limits(self) -> Limits:
        """Of the work on one picture."""
        return Limits(self.max_seconds, self.max_picture_mib or memory_for(self.max_pixels))


class _Scheme(argparse.Action):
    """--crop=N --samples=K --crop=M --samples=L --reshape=R, in the order given: a scheme's first flag starts it."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, value: Any, *_: Any) -> None:
        schemes = namespace.schemes = getattr(namespace, "schemes", None) or []
        owner = next(each for each in SCHEMES if self.dest in [flag.name for flag in each.flags])
        kind, values = getattr(namespace, "unfinished", None) or (owner, ())  # a scheme that still lacks flags
        if self.dest != kind.flags[len(values)].name:
            if values:
                parser.error(_lacks(kind, values))
            parser.error(f"--{self.dest}={value}: give it right after the --{owner.flags[0].name} that it belongs to")
        values = (*values, value)
        namespace.unfinished = None if len(values) == len(kind.flags) else (kind, values)
        if namespace.unfinished is None:
            try:
                schemes.append(kind(*values))
            except ValueError as error:
                parser.error(f"--{self.dest}={value}: {error}")


def _lacks(kind: type[Scheme], values: Sequence[int]) -> str:
    """What to say of a scheme that is not given whole."""
    first, needed = kind.flags[0], kind.flags[len(values)]
    return f"--{first.name}={values[0]} needs --{needed.name}={needed.metavar} right after it"


def _folder(text: str) -> str:
    # An empty one is a shell variable that is not set: it must not mean another folder.
    if not text:
        raise argparse.ArgumentTypeError("expected a folder; received nothing")
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise argparse.ArgumentTypeError(f"expected a name in UTF-8; received {os.fsencode(text)!r}. Rename it")
    return text if is_remote(text) else os.path.expanduser(text)  # keeps what the user wrote


def _seed(text: str) -> int:
    value = int(text)
    if not -(2**63) <= value < 2**63:
        raise argparse.ArgumentTypeError(f"expected a whole number of at most 64 bits; received {text}")
    return value


def _ratios(text: str) -> tuple[float, ...]:
    if text == GIVEN:
        return ()
    shares = [float(share) for share in text.split("/")]
    if len(shares) != len(SPLITS) or min(shares) < 0 or shares[0] == 0 or not math.isfinite(sum(shares)):
        raise argparse.ArgumentTypeError(
            f"expected shares of {', '.join(SPLITS)} such as 80/10/10, the first above 0, or {GIVEN}; received {text!r}"
        )
    return tuple(share / sum(shares) for share in shares)


def show_ratios(ratios: Sequence[float]) -> str:
    """The inverse of parsing --splits, for people: "80/10/10"."""
    if not ratios:
        return GIVEN
    return "/".join(f"{100 * ratio:g}" for ratio in ratios)


def _positive(kind: type) -> Any:
    def parse(text: str) -> Any:
        value = kind(text)
        if not 0 < value < math.inf:
            raise argparse.ArgumentTypeError(f"expected a number above 0; received {text}")
        return value

    parse.__name__ = kind.__name__
    return parse


def _fraction(text: str) -> float:
    value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"expected a fraction such as 0.05 or 5%; received {text}")
    return value


def parser(default_workers: int, default_max_pixels: int) -> argparse.ArgumentParser:
    """The command line of pipeline.build."""
    result = argparse.ArgumentParser(
        "python -m pipeline.build",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    scheme = result.add_argument_group("schemes, any number")
    for kind in SCHEMES:
        for flag in kind.flags:
            scheme.add_argument(f"--{flag.name}", action=_Scheme, type=int, metavar=flag.metavar, help=flag.help)
    add = result.add_argument_group("paintings").add_argument
    add("--data_dir", type=_folder, help="folder of paintings: Kaggle's layout, a folder per artist, or flat; default: "
        "a gallery of procedural painters, made in OUTPUT_DIR/gallery")  # fmt: skip
    add("--manifest", type=_folder, metavar="CSV", help="a table with columns path and artist, instead of a layout; "
        "its paths are looked for in --data_dir and beside it; a column split is kept")  # fmt: skip
    add("--layout", choices=LAYOUTS, help="how --data_dir is laid out, where it is not found out: kaggle "
        "(images/images/ARTIST/), folders (ARTIST/), nested (train/ARTIST/), flat (ARTIST_12.jpg)")  # fmt: skip
    add("--dedup", choices=("near", "exact", "off"), default="near", help="near: exact copies count once, near copies "
        "stay in one split (default); exact: only the former; off: every file counts")  # fmt: skip
    add("--max_rejects", type=_fraction, default=0.05, metavar="FRACTION", help="stop when more than this share of "
        "the files cannot be read (default 0.05): a wrong folder, or a broken download")  # fmt: skip
    add("--max_pixels", type=_positive(int), default=default_max_pixels, metavar="N", help="reject larger pictures "
        f"unopened (default {default_max_pixels:,}); a worker holds 3 bytes of each pixel")  # fmt: skip
    add("--max_seconds", type=_positive(float), default=MAX_SECONDS, metavar="S", help="reject a picture that takes "
        f"more processor time at once (default {MAX_SECONDS:g}); one of 100 megapixels takes about two")  # fmt: skip
    add("--max_picture_mib", type=_positive(int), metavar="MIB", help="reject a picture that asks for more memory "
        "(default: 512 MiB and 32 bytes for each of --max_pixels)")  # fmt: skip
    add = result.add_argument_group("dataset").add_argument
    add("--output_dir", type=_folder, default="datasets", help="where datasets go (default: datasets)")
    add("--splits", type=_ratios, default="80/10/10", metavar="T/V/T", help="shares of train, validation and test "
        f"within each artist (default 80/10/10); {GIVEN}: those of the folders train, val and test")  # fmt: skip
    add("--seed", type=_seed, default=0, help="of splits, crop places and orders (default 0)")
    add("--encoding", choices=("raw", "png", "jpeg"), help="of the pictures in the records; default: raw up to 256 "
        "pixels a side, which reads fastest, and jpeg (quality 95) above, a seventh of the size")  # fmt: skip
    add("--shard_mib", type=_positive(float), default=16.0, metavar="MIB", help="the most a shard holds (default 16); "
        "a worker holds one of each scheme in memory")  # fmt: skip
    add("--overwrite", action="store_true", help="delete another build's dataset that is in the way")
    add = result.add_argument_group("running").add_argument
    add("--workers", type=_positive(int), default=default_workers, help="processes on this machine "
        f"(default: all cores, {default_workers})")  # fmt: skip
    add("--dry_run", action="store_true", help="look at the paintings and say what would be written, write no dataset")
    add("--detach", action="store_true", help="leave each job running on Dataflow and end; the same command takes the "
        "next step once it is done")  # fmt: skip
    return result


def parse(argv: Sequence[str] | None, default_workers: int, default_max_pixels: int) -> Settings:
    """The settings of a command line. Exits with status 2, as argparse does, where it is wrong."""
    commands = parser(default_workers, default_max_pixels)
    flags, beam = commands.parse_known_args(argv)
    if flags.detach and runner_name(beam) != DATAFLOW:
        commands.error("--detach is for --runner=DataflowRunner, whose jobs run on by themselves")
    if beam:
        try:
            check_beam_flags(beam, [option for action in commands._actions for option in action.option_strings])
            places = {"--output_dir": flags.output_dir, "--data_dir": flags.data_dir, "--manifest": flags.manifest}
            if flags.manifest and not flags.data_dir:
                del places["--data_dir"]
            check_dataflow(beam, places)
        except (EngineError, InputError) as error:
            commands.error(str(error))
        if not is_local(beam):  # a worker may run in another folder
            for name in ("output_dir", "data_dir", "manifest"):
                if (place := getattr(flags, name)) and not is_remote(place):
                    setattr(flags, name, os.path.abspath(place))
    schemes = getattr(flags, "schemes", None) or []
    if unfinished := getattr(flags, "unfinished", None):
        commands.error(_lacks(*unfinished))
    if not schemes:
        commands.error("name at least one scheme, for example --crop=64 --samples=16")
    if len({scheme.name for scheme in schemes}) < len(schemes):
        commands.error("the same scheme is given twice")
    return Settings(
        schemes=tuple(schemes),
        data_dir=flags.data_dir,
        output_dir=flags.output_dir.rstrip("/") or "/",
        manifest=flags.manifest,
        layout=flags.layout,
        ratios=flags.splits,
        keep_splits=not flags.splits,
        seed=flags.seed,
        dedup=flags.dedup,
        encoding=flags.encoding,
        shard_mib=flags.shard_mib,
        workers=flags.workers,
        max_rejects=flags.max_rejects,
        max_pixels=flags.max_pixels,
        max_seconds=flags.max_seconds,
        max_picture_mib=flags.max_picture_mib,
        overwrite=flags.overwrite,
        dry_run=flags.dry_run,
        detach=flags.detach,
        beam=tuple(beam),
    )


def command(settings: Settings, data_dir: str, scheme: Scheme, encoding: Encoding) -> str:
    """The command line, to paste into a shell, that builds the dataset of one scheme again, whatever the defaults."""
    words = (
        f"--data_dir={data_dir}",
        *((f"--manifest={settings.manifest}",) if settings.manifest else ()),
        *scheme.command,
        *((f"--layout={settings.layout}",) if settings.layout else ()),
        f"--splits={show_ratios(settings.ratios)}",
        f"--seed={settings.seed}",
        f"--dedup={settings.dedup}",
        f"--encoding={encoding}",
        f"--shard_mib={settings.shard_mib:g}",
        f"--max_pixels={settings.max_pixels}",
    )
    return shlex.join(("python", "-m", "pipeline.build", *words))


def check_beam_flags(beam: Sequence[str], ours: Sequence[str]) -> None:
    """Raises InputError for a flag that neither this project nor Beam knows, with the nearest that one of them does."""
    import_beam()
    if runner_name(beam) == DASK:
        import_dask()  # makes its flags known
    from apache_beam.options.pipeline_options import PipelineOptions

    # Some of Beam's groups define the same flag; which of them wins does not matter here.
    known = argparse.ArgumentParser(add_help=False, allow_abbrev=False, conflict_handler="resolve")
    for options in PipelineOptions.__subclasses__():
        options._add_argparse_args(known)  # type: ignore[arg-type]  # any parser will do
    _, unknown = known.parse_known_args(list(beam))
    if not unknown:
        return
    word = unknown[0].split("=")[0]
    names = [*ours, *(option for action in known._actions for option in action.option_strings)]
    near = difflib.get_close_matches(word, names, n=1)
    raise InputError(
        f"neither this project nor Beam knows {unknown[0]}" + (f"; did you mean {near[0]}?" if near else "")
    )
