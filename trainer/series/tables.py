"""Every recipe's scores in one table, seeds put together: as Markdown, CSV and a page."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pipeline.storage import cells, files
from trainer.run import outcomes
from trainer.run.folder import RunFolder
from trainer.series import originals
from trainer.series.recipe import FROM_NOTHING
from trainer.series.rows import MEASURES, Data, Measure, Row, rows

NOTHING = "–"
SPREAD = "± is the standard deviation over seeds."
INTERVAL = "Brackets: 95% bootstrap interval over the test works; of several seeds, the mean of their bounds."
CROPS = "Training, validation and test count crops, as the original table does; training is scored without dropout."
FOLDS = "Folds: every painting judged once, by a head fitted to the other folds; near copies stay in one fold."
INSTEAD = f"A name that ends in {FROM_NOTHING}: trained without the ImageNet weights that its recipe asks for."


def write_tables(runs: Iterable[RunFolder], folder: Path) -> list[Row]:
    """Writes table.md, table.csv and table.html of these runs into a folder, and returns their rows."""
    found = rows(map(outcomes.read, runs), originals.read())
    for name, text in (("table.md", markdown(found)), ("table.csv", spreadsheet(found)), ("table.html", page(found))):
        files.write_text(folder / name, text)
    return found


# --- Cells, as text ---------------------------------------------------------------------------------------------------


def setting(row: Row, name: str) -> str:
    """A flag's value as the original table writes it."""
    value = row.flags.get(name)
    return NOTHING if value is None else "none" if name == "l2" and not value else f"{value}"


def share(measure: Measure | None) -> str:
    """ "0.541 ± 0.012", or "0.541" of a single seed."""
    if measure is None:
        return NOTHING
    return f"{measure.mean:.3f}" + (f" ± {measure.spread:.3f}" if measure.spread is not None else "")


def duration(seconds: float) -> str:
    """ "48 s", "12 min", "3 h 05 min"."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def between(row: Row) -> str:
    """ "[0.412, 0.655]", or nothing."""
    return f"[{row.interval[0]:.3f}, {row.interval[1]:.3f}]" if row.interval else ""


def epochs(row: Row) -> str:
    """Those trained: "100", or "12–15" where early stopping ended some sooner."""
    if row.epochs is None:
        return setting(row, "epochs")
    return "–".join(map(str, sorted(set(row.epochs))))


def original(row: Row, name: str) -> str:
    """The original's figure, as it was published; "" where there is none to set beside ours."""
    if row.original is None:
        return ""
    value = getattr(row.original, name)
    return "never run" if value is None else f"{value:.4f}"


def facts(row: Row, data: Sequence[Data]) -> list[str]:
    """What the columns do not say of a row, a word or two each."""
    found = ["grayscale"] if row.flags.get("grayscale") else []
    if len(row.seeds) > 1:
        found.append(f"{len(row.seeds)} seeds")
    if row.data and len(data) > 1:
        found.append(f"paintings {letter(row.data, data)}")
    return found


def troubles(row: Row) -> list[str]:
    """What went wrong, or is yet to come, a phrase each."""
    waiting = [f"seed {seed} is not finished: {trained} epochs trained" for seed, trained in row.unfinished]
    return waiting + [f"seed {seed} failed: {error}" for seed, error in row.failures]


def letter(of: Data, data: Sequence[Data]) -> str:
    """A, B, ... for the datasets of a table."""
    return chr(ord("A") + data.index(of))


def datasets(found: Sequence[Row]) -> list[Data]:
    """The paintings the rows were trained and judged on, in order of first use."""
    return list(dict.fromkeys(row.data for row in found if row.data))


def about(of: Data, data: Sequence[Data]) -> str:
    """A sentence or two on the paintings."""
    name = f"Paintings {letter(of, data)}" if len(data) > 1 else "The paintings"
    train, validation, test = of.paintings
    reference = ", the original's" if of.reference else ""
    return (
        f"{name}: {sum(of.paintings):,} by {of.artists} artists{reference} ({train:,} to train on, {validation:,} to "
        f"validate, {test:,} to test). Always naming the largest artist is right for {of.majority_top1:.3f} of the "
        f"test paintings, always naming the five largest for {of.prior_top5:.3f}."
    )


def notes(found: Sequence[Row]) -> list[str]:
    """What stands below a table."""
    data = datasets(found)
    sentences = [*(about(each, data) for each in data), CROPS, INTERVAL]
    if any(len(row.seeds) > 1 for row in found):
        sentences.append(SPREAD)
    if has_folds(found):
        sentences.append(FOLDS)
    if any(row.name.endswith(FROM_NOTHING) for row in found):
        sentences.append(INSTEAD)
    if data and not any(each.reference for each in data):
        sentences.append("The original's figures are of other paintings, and therefore left out.")
    return sentences


# --- The three tables -------------------------------------------------------------------------------------------------


def markdown(found: Sequence[Row]) -> str:
    """A table as GitHub shows it, its notes below."""
    data, beside, folds = datasets(found), any(row.original for row in found), has_folds(found)
    head = ["Recipe", "Image size", "Samples", "Model", "Scheme", "Epochs", "Dropout", "L2"]
    head += [f"{split} {name}" for split in ("Training", "Validation", "Test") for name in ("top-1", "top-5")]
    head += ["Original test top-1", "Original test top-5"] if beside else []
    head += ["Painting top-1", "Painting macro-F1"]
    head += ["Folds top-1", "Folds macro-F1"] if folds else []
    head += ["Examples/s", "Training time", "Remarks"]
    lines = [head, ["---"] * len(head)]
    for row in found:
        cells = [row.name, *shape(row), *(setting(row, name) for name in ("dropout", "l2"))]
        cells += [
            share(row.measures.get(f"{split}_{name}"))
            for split in ("train", "validation", "test")
            for name in ("top1", "top5")
        ]
        cells += [original(row, "top1"), original(row, "top5")] if beside else []
        cells += [
            f"{share(row.measures.get('test_painting_top1'))} {between(row)}".strip(),
            share(row.measures.get("test_painting_macro_f1")),
            *(share(row.measures.get(f"folds_painting_{name}")) for name in (("top1", "macro_f1") if folds else ())),
            *speed(row),
            "; ".join(facts(row, data) + troubles(row)),
        ]
        lines.append(cells)
    table = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
    return table + "\n\n" + "\n".join(f"- {note}" for note in notes(found)) + "\n"


def has_folds(found: Sequence[Row]) -> bool:
    """Whether a row was cross-validated."""
    return any("folds_painting_top1" in row.measures for row in found)


def shape(row: Row) -> list[str]:
    """Image size, samples, model, scheme and epochs."""
    scheme = row.scheme
    size, samples, kind = (scheme.size, scheme.per_painting or NOTHING, scheme.kind) if scheme else (NOTHING,) * 3
    return [f"{size}", f"{samples}", setting(row, "backbone"), f"{kind}", epochs(row)]


def speed(row: Row) -> tuple[str, str]:
    """Examples a second and training time, means over seeds."""
    rate, seconds = (row.measures.get(name) for name in ("examples_per_second", "seconds"))
    return f"{rate.mean:,.0f}" if rate else NOTHING, duration(seconds.mean) if seconds else NOTHING


def spreadsheet(found: Sequence[Row]) -> str:
    """CSV, a line per recipe: settings, then mean and standard deviation (_sd) of every measure in full precision."""
    lines = [_line(row) for row in found]
    stream = io.StringIO()
    table = csv.DictWriter(stream, list(lines[0]) if lines else ["recipe"], lineterminator="\n")
    table.writeheader()
    for line in lines:
        table.writerow({name: cells.escape(value) if isinstance(value, str) else value for name, value in line.items()})
    return stream.getvalue()


def _line(row: Row) -> dict[str, Any]:
    measured: dict[str, float | None] = {}
    for name in MEASURES:
        mean, spread = row.measures.get(name, (None, None))
        measured |= {name: mean, f"{name}_sd": spread}
    low, high = row.interval or (None, None)
    return {
        "recipe": row.name,
        "image_size": row.scheme and row.scheme.size,
        "samples": row.scheme and row.scheme.per_painting,
        "model": row.flags.get("backbone"),
        "scheme": row.scheme and row.scheme.kind,
        "epochs": row.epochs and row.epochs[1],
        **{name: row.flags.get(name) for name in ("dropout", "l2", "grayscale", "weights", "augment", "class_balance")},
        "seeds": " ".join(map(str, row.seeds)),
        **measured,
        "test_painting_top1_low": low,
        "test_painting_top1_high": high,
        "original_test_top1": original(row, "top1"),
        "original_test_top5": original(row, "top5"),
        "artists": row.data and row.data.artists,
        "paintings": row.data and sum(row.data.paintings),
        "majority_top1": row.data and row.data.majority_top1,
        "failed": "; ".join(f"seed {seed}: {error}" for seed, error in row.failures),
        "unfinished": " ".join(str(seed) for seed, _ in row.unfinished),
    }


def parts(name: str) -> list[str]:
    """A recipe's name in pieces that a narrow column may break between: "crop64x16_", "mobilenet_", "l2_1e-4"."""
    return re.split(rf"(?<=_)(?=\D)|(?={FROM_NOTHING})", name)


def page(found: Sequence[Row]) -> str:
    """One self-contained HTML file, in the manner of a run's report."""
    from trainer.pages.html import environment

    data = datasets(found)
    return (
        environment()
        .get_template("table.html")
        .render(
            rows=[(row, facts(row, data), shape(row), speed(row), troubles(row)) for row in found],
            beside=any(row.original for row in found),
            folds=has_folds(found),
            notes=notes(found),
            finished=sum(len(row.seeds) for row in found),
            failed=sum(len(row.failures) for row in found),
            parts=parts,
            setting=setting,
            original=original,
            between=between,
            nothing=NOTHING,
        )
    )
