"""What do heads say of the data? Each question takes some more fits to the same embeddings, seconds each.

`cross_validate`: how good, with every painting judged once? `leave_artists_out`: who would be noticed that the run has
never seen? `grow`: what would more paintings bring?
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import softmax
from scipy.stats import rankdata

from pipeline.dataset.contract import SPLITS
from pipeline.errors import InputError
from trainer.heads.embeddings import READ, Embeddings
from trainer.heads.fit import Embedded, Head, fit_head, gather_means, joined
from trainer.judging import scores, strangers
from trainer.judging.voting import Paintings, gather

SHARES = (0.25, 0.5, 1.0)
DRAWS = 3
_MOST_LEFT_OUT = 12  # artists; with fifty, each of fifty fits would take a while and say little more


def score(
    embeddings: Embeddings, heads: Sequence[Head], split: str, fold: Mapping[str, int]
) -> Iterator[dict[str, Any]]:
    """The batches of a split as `evaluation.predicted` gives them, without another pass through the network.

    Each painting is judged by the head of its fold; by the first one where `fold` does not name it.
    """
    for batch in embeddings.batches(split, READ):
        names = [name.decode("ascii") for name in batch["painting_id"]]
        chosen = np.array([fold.get(name, 0) for name in names])
        said = np.empty((len(names), len(heads[0].bias)), np.float32)
        for number in np.unique(chosen):
            rows = chosen == number
            said[rows] = softmax(heads[number].logits(batch["embedding"][rows]), axis=1)
        yield {**batch, "painting_id": names, "scores": said}


def deal(works: Sequence[str], labels: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """The fold of each painting, int64[n]: a work's in one, and each artist's works spread as evenly as they go.

    A function of (seed, work) alone: neither the order of paintings nor other artists' names change who is with whom
    among an artist's own works.
    """
    of_work: dict[str, int] = {}
    turn = 0
    for artist in np.unique(labels):
        own = sorted({work for work, label in zip(works, labels, strict=True) if label == artist} - set(of_work))
        for work in sorted(own, key=lambda name: _keyed(seed, name)):
            of_work[work] = turn % folds
            turn += 1
    return np.array([of_work[work] for work in works])


def _keyed(seed: int, name: str) -> bytes:
    return hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest()


def cross_validate(
    embeddings: Embeddings, artists: Sequence[str], balance: str, strength: float, folds: int, seed: int
) -> dict[str, Any]:
    """Judges every painting of all splits once, by a head that was fitted without its fold.

    The strength is the run's: chosen once, on its validation paintings.

    Returns:
      "folds", "seed"; "painting", "crop", "artists" as `scores.split_scores` gives them; and "missing": artists of one
      work, whom the head that judges it has not learned.

    Raises:
      InputError: there are fewer works than folds.
    """
    dataset = embeddings.dataset
    works = {name: work for split in SPLITS for name, work in dataset.works(split).items()}
    paintings = joined(*(gather_means(embeddings.batches(split, READ)) for split in SPLITS))
    own = [works[name] for name in paintings.ids]
    if len(set(own)) < folds:
        raise InputError(f"--folds={folds} is more than the {len(set(own))} works of {dataset.folder}.")
    fold = deal(own, paintings.labels, folds, seed)
    heads = [fit_head(paintings.take(fold != number), len(artists), balance, strength) for number in range(folds)]
    chosen = dict(zip(paintings.ids, fold.tolist(), strict=True))
    crops = {name: count for split in SPLITS for name, count in dataset.crops(split).items()}
    batches = (batch for split in SPLITS for batch in score(embeddings, heads, split, chosen))
    found = scores.split_scores(gather(batches, crops, works=works), artists)
    once = [
        name
        for label, name in enumerate(artists)
        if len({work for work, each in zip(own, paintings.labels, strict=True) if each == label}) == 1
    ]
    return {
        "folds": folds,
        "seed": seed,
        "missing": once,
        **{key: found[key] for key in ("painting", "crop", "artists")},
    }


def leave_artists_out(
    train: Embedded, validation: Embedded, test: Embedded, artists: Sequence[str], balance: str, strength: float
) -> dict[str, Any]:
    """How well are painters noticed that a run does not know? Each artist is left out in turn, as such a one.

    Heads, distances and the threshold are learned without the artist. Its paintings of all splits are then held
    against the test paintings of the others. Of more than `_MOST_LEFT_OUT` artists, some are taken, evenly from the
    many-painted to the few.

    Returns:
      "mean" AUROC over artists, and of each in "artists": its name, number of paintings, auroc, and the share "found":
      said to be by none of the known. {} where fewer than three artists are there.
    """
    everyone = joined(train, validation, test)
    count = np.bincount(everyone.labels, minlength=len(artists))
    present = [int(label) for label in np.argsort(-count, kind="stable") if count[label]]
    taken = present
    if len(present) > _MOST_LEFT_OUT:
        taken = [present[at] for at in np.linspace(0, len(present) - 1, _MOST_LEFT_OUT).round().astype(int)]
    rows = []
    for label in sorted(taken):
        seen, known, familiar = (part.take(part.labels != label) for part in (train, validation, test))
        if len(np.unique(seen.labels)) < 2 or not known.ids or not familiar.ids:
            continue
        head = fit_head(seen, len(artists), balance, strength)
        learned = strangers.learn(seen.means, seen.labels, _said(head, known), known.means)
        strange = everyone.take(everyone.labels == label)
        ours, theirs = (learned.familiarity(_said(head, part), part.means) for part in (familiar, strange))
        rows.append(
            {
                "artist": artists[label],
                "paintings": len(theirs),
                "auroc": _auroc(ours, theirs),
                "found": float((theirs < learned.threshold).mean()),
            }
        )
    return {"mean": float(np.mean([row["auroc"] for row in rows])), "artists": rows} if rows else {}


def grow(
    train: Embedded,
    judged: Embedded,
    works: Mapping[str, str],
    artists: Sequence[str],
    balance: str,
    strength: float,
    seed: int,
) -> list[dict[str, Any]]:
    """What would more paintings bring? Heads on growing shares of each artist's training paintings.

    Args:
      train: to draw from, whole works at a time.
      judged: other paintings, to judge by.
      works: the work that each painting is of, by its id.
      artists: their names.
      balance, strength: as for `fit_head`.
      seed: of the draws.

    Returns:
      For each of SHARES: "share", "paintings" (mean over draws), "top1" and "macro_f1" of each of DRAWS (of one, where
      all are taken), and "f1" of each artist, the mean over draws; None where it is not defined.
    """
    own = [works[name] for name in train.ids]
    curve = []
    for share in SHARES:
        drawn = []
        for draw in range(DRAWS if share < 1 else 1):
            part = train.take(_some(own, train.labels, share, seed + draw))
            head = fit_head(part, len(artists), balance, strength)
            drawn.append((len(part.ids), scores.Tally.of_paintings(_judged(head, judged, works)).point()))
        f1 = np.stack([point["f1"] for _, point in drawn])
        defined = ~np.isnan(f1).all(axis=0)
        mean = np.full(len(artists), np.nan)
        mean[defined] = np.nanmean(f1[:, defined], axis=0)
        curve.append(
            {
                "share": share,
                "paintings": float(np.mean([count for count, _ in drawn])),
                "top1": [float(point["top1"]) for _, point in drawn],
                "macro_f1": [float(point["macro_f1"]) for _, point in drawn],
                "f1": [None if np.isnan(value) else float(value) for value in mean],
            }
        )
    return curve


def would_gain(curve: Sequence[Mapping[str, Any]], artists: Sequence[str], least: float = 0.05) -> list[str]:
    """The artists whose F1 rose by `least` or more when the last share was doubled, largest gain first."""
    half, whole = curve[-2]["f1"], curve[-1]["f1"]
    gains = {
        name: after - before
        for name, before, after in zip(artists, half, whole, strict=True)
        if before is not None and after is not None
    }
    return sorted((name for name, gain in gains.items() if gain >= least), key=lambda name: -gains[name])


def _some(works: Sequence[str], labels: np.ndarray, share: float, seed: int) -> np.ndarray:
    """A mask of that share of each artist's works, one at least."""
    taken: set[str] = set()
    for artist in np.unique(labels):
        own = sorted(
            {work for work, label in zip(works, labels, strict=True) if label == artist},
            key=lambda name: _keyed(seed, name),
        )
        taken |= set(own[: max(1, round(share * len(own)))])
    return np.array([work in taken for work in works])


def _judged(head: Head, paintings: Embedded, works: Mapping[str, str]) -> Paintings:
    batch = {"painting_id": list(paintings.ids), "label": paintings.labels, "scores": _said(head, paintings)}
    return gather([batch], dict.fromkeys(paintings.ids, 1), works=works)


def _said(head: Head, paintings: Embedded) -> np.ndarray:
    said: np.ndarray = softmax(head.logits(paintings.means), axis=1)
    return said


def _auroc(familiar: np.ndarray, strange: np.ndarray) -> float:
    """How often one of the first lies above one of the second, ties counting half (Mann and Whitney 1947)."""
    ranks = rankdata(np.concatenate([familiar, strange]))[: len(familiar)]
    return float((ranks.sum() - len(familiar) * (len(familiar) + 1) / 2) / (len(familiar) * len(strange)))
