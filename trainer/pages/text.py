"""The numbers of a split, to read in a terminal."""

from __future__ import annotations

from typing import Any

from trainer.judging.metrics import METRICS, PER_ARTIST


def table(results: dict[str, Any], split: str) -> str:
    """Headline, baselines and artists of `results.json`, as lines."""
    painting, crop, baseline = results[split]["painting"], results[split]["crop"], results["baselines"]
    lines = [
        f"{split}: {painting['count']} paintings, {crop['count']} crops; 95% bootstrap intervals over works",
        *_measures(painting, crop),
    ]
    lines += [f"{name:<20}{value:.3f}" for name, value in baseline.items()]
    if split == "test" and (blind := results.get("photograph")):
        seen = blind["painting"]
        lines.append(f"{'photograph_top1':<20}{_estimate(seen['top1'], seen['intervals']['top1'])}")
    return "\n".join([*lines, "", *_artists(results[split]["artists"])])


def _measures(painting: dict[str, Any], crop: dict[str, Any]) -> list[str]:
    lines = [f"{'':<20}{'per painting':<28}{'per crop':<28}".rstrip()]
    for name in (metric.name for metric in METRICS):
        cells = (_estimate(of[name], of["intervals"][name]) for of in (painting, crop))
        lines.append(f"{name:<20}" + "".join(f"{cell:<28}" for cell in cells).rstrip())
    return lines


def _artists(rows: list[dict[str, Any]]) -> list[str]:
    lines = [f"{'artist':<32}{'support':>8}  {'precision':<28}{'recall':<28}{'f1':<28}".rstrip()]
    for row in rows:
        cells = (_estimate(row[name], row["intervals"][name]) for name in PER_ARTIST)
        lines.append(f"{row['artist']:<32}{row['support']:>8}  " + "".join(f"{cell:<28}" for cell in cells).rstrip())
    return lines


def folds_table(found: dict[str, Any]) -> str:
    """A cross-validation of `trainer.heads.study`, as lines."""
    painting, crop = found["painting"], found["crop"]
    lines = [
        f"{found['folds']} folds: all {painting['count']} paintings judged once; 95% bootstrap intervals over works",
        *_measures(painting, crop),
        "",
        *_artists(found["artists"]),
    ]
    if found["missing"]:
        lines += [
            "",
            f"Of one work only, and so judged by heads that have not learned them: {', '.join(found['missing'])}.",
        ]
    return "\n".join(lines)


def _estimate(value: float | None, interval: list[float] | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" + (f" [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else "")
