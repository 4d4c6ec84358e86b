"""The numbers of results.json, held against a computation by hand and against scikit-learn."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import dummy, metrics

from pipeline.dataset.contract import Artist
from pipeline.dataset.dataset import Dataset
from pipeline.errors import DamagedShardError, DatasetError
from tests import forked, runs
from trainer.judging import predictions, scores
from trainer.judging.confusion import confusion, order_by_movement
from trainer.judging.evaluation import evaluate_split
from trainer.judging.intervals import interval, mcnemar, resampled_sums, share_interval
from trainer.judging.metrics import METRICS, PER_ARTIST
from trainer.judging.references import References
from trainer.judging.voting import POOLINGS, Paintings, gather, pool, ranks
from trainer.pages.text import table
from trainer.run.folder import RunError, RunFolder


@pytest.fixture(scope="module")
def results(judged_run: Path) -> dict:
    return json.loads((judged_run / "results.json").read_text())


@pytest.fixture(scope="module")
def frame(judged_run: Path) -> pd.DataFrame:
    return pd.read_parquet(judged_run / "predictions.parquet")


# --- By hand, from predictions.parquet alone ---


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_results_are_what_predictions_give_by_hand(split: str, results: dict, frame: pd.DataFrame):
    crops = frame[frame["split"] == split]
    crop_scores, crop_labels = np.stack(crops["scores"]), crops["label"].to_numpy()
    assert results[split]["crop"]["top1"] == pytest.approx((crop_scores.argmax(1) == crop_labels).mean())
    in_first_five = [label in np.argsort(row)[-5:] for row, label in zip(crop_scores, crop_labels, strict=True)]
    assert results[split]["crop"]["top5"] == pytest.approx(np.mean(in_first_five))
    own = crop_scores[np.arange(len(crops)), crop_labels]
    assert results[split]["crop"]["loss"] == pytest.approx(-np.log(np.maximum(own, 1e-7)).mean(), rel=1e-6)

    by_painting = crops.groupby("painting_id")
    means = np.stack([np.mean(np.stack(group.scores).astype(float), axis=0) for _, group in by_painting])
    labels = by_painting["label"].first().to_numpy()
    named = means.argmax(axis=1)
    painting = results[split]["painting"]
    assert painting["count"] == len(labels) == sum(runs.PAINTINGS[split])
    assert painting["top1"] == pytest.approx(metrics.accuracy_score(labels, named))
    assert painting["top5"] == pytest.approx(metrics.top_k_accuracy_score(labels, means, k=5, labels=range(6)))
    assert painting["macro_f1"] == pytest.approx(metrics.f1_score(labels, named, average="macro"))
    assert painting["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(labels, named))
    for label, row in enumerate(results[split]["artists"]):
        right = ((labels == label) & (named == label)).sum()
        assert row["support"] == (labels == label).sum()
        assert row["recall"] == pytest.approx(right / (labels == label).sum())
        assert row["precision"] == (pytest.approx(right / (named == label).sum()) if (named == label).any() else None)
    matrix = results["confusion"]["matrix"]
    if split == "test":
        order = results["confusion"]["order"]
        assert matrix == metrics.confusion_matrix(labels, named, labels=order).tolist()


def test_predictions_hold_every_record_once(frame: pd.DataFrame, judged_run: Path, judged_dataset: Path):
    paintings = pd.DataFrame(Dataset.open(judged_dataset).planned())
    assert set(frame["painting_id"]) == set(paintings["painting_id"])
    assert not frame.duplicated(["painting_id", "crop_index"]).any()
    assert len(frame) == 4 * len(paintings)
    np.testing.assert_allclose(np.stack(frame["scores"]).sum(axis=1), 1, atol=1e-5)
    assert list(frame.columns) == [
        "split", "painting_id", "work", "crop_index", "label", "crop_box", "source_size", "scores",
    ]  # fmt: skip
    schema = pq.read_schema(judged_run / "predictions.parquet")
    assert str(schema.field("scores").type) == "fixed_size_list<element: float>[6]"


def test_intervals_hold_their_estimate_and_are_wider_for_fewer_paintings(results: dict):
    for split in ("train", "validation", "test"):
        for level in ("crop", "painting"):
            for name in [metric.name for metric in METRICS]:
                low, high = results[split][level]["intervals"][name]
                assert low - 1e-9 <= results[split][level][name] <= high + 1e-9
    assert results["test"]["artists"][5]["intervals"]["recall"] is not None
    widths = [np.subtract(*results[split]["painting"]["intervals"]["top1"][::-1]) for split in ("train", "validation")]
    assert widths[0] < widths[1]


def test_the_command_computes_the_same_again(judged_run: Path, judged_dataset: Path, results: dict):
    before = (judged_run / "results.json").read_bytes()
    again = evaluate_split(RunFolder(judged_run), Dataset.open(judged_dataset), "test", batch_size=17)
    assert again["test"]["painting"]["top1"] == results["test"]["painting"]["top1"]
    assert again["test"]["crop"]["loss"] == pytest.approx(results["test"]["crop"]["loss"], rel=1e-5)
    assert again["baselines"] == results["baselines"]
    assert (judged_run / "results.json").read_bytes() == before
    text = table(results, "test")
    assert f"{results['test']['painting']['top1']:.3f} [" in text
    assert "Dora Lake" in text


def test_the_command_line_prints_the_table_and_refuses_another_dataset(judged_run: Path, tmp_path: Path):
    command = ("trainer.evaluate", f"--run_dir={judged_run}", "--split=validation")
    done = forked.run(*command)
    assert done.returncode == 0, done.stderr
    assert "validation: 25 paintings, 100 crops" in done.stdout
    other = runs.make_dataset(tmp_path, "crop16x2")
    refused = forked.run(*command, f"--dataset_dir={other}")
    assert refused.returncode != 0
    assert "may be among the run's training paintings" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_failed_evaluation_leaves_no_half_written_file(judged_run: Path, judged_dataset: Path, tmp_path: Path):
    run_dir = shutil.copytree(judged_run, tmp_path / "run", ignore=shutil.ignore_patterns("*.parquet", "results.json"))
    broken = shutil.copytree(judged_dataset, tmp_path / "dataset")
    next(broken.glob("*-test.tfrecord-*")).unlink()
    with pytest.raises(DatasetError, match="test"):
        runs.judge(run_dir, broken)
    assert not (run_dir / "predictions.parquet").exists()
    assert not (run_dir / "results.json").exists()
    assert not list(run_dir.glob(".tmp-*"))


def test_a_damaged_shard_is_named_with_its_offset(judged_run: Path, judged_dataset: Path, tmp_path: Path):
    broken = shutil.copytree(judged_dataset, tmp_path / "dataset")
    shard = next(broken.glob("*-test.tfrecord-*"))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    with pytest.raises(DamagedShardError, match=f"{shard.name} is damaged at byte"):
        evaluate_split(RunFolder(judged_run), Dataset.open(broken), "test", 64)


def test_an_unfinished_run_is_refused_with_what_to_do(tmp_path: Path, judged_dataset: Path):
    (tmp_path / "labels.json").write_text(json.dumps({"fingerprint": "0" * 64}))
    with pytest.raises(RunError, match="was trained on a dataset"):
        runs.judge(tmp_path, judged_dataset)
    with pytest.raises(RunError, match=r"trainer\.main"):
        _ = RunFolder(tmp_path).expertise


def test_what_was_kept_of_a_split_reads_back_as_it_was(judged_run: Path, results: dict):
    kept = predictions.read_paintings(RunFolder(judged_run), "test")
    assert scores.split_scores(kept, RunFolder(judged_run).expertise.labels) == results["test"]


@pytest.mark.parametrize("harm", ["cut", "text", "other columns"])
def test_damaged_predictions_are_named_with_what_to_do(harm: str, judged_run: Path, tmp_path: Path):
    path = tmp_path / "predictions.parquet"
    data = (judged_run / "predictions.parquet").read_bytes()
    if harm == "other columns":
        pd.DataFrame({"split": ["test"], "scores": [0.5]}).to_parquet(path)
    else:
        path.write_bytes(data[: len(data) // 2] if harm == "cut" else b"a,b\n1,2\n")
    with pytest.raises(RunError, match=r"predictions\.parquet is damaged.*trainer\.evaluate"):
        predictions.read_paintings(RunFolder(tmp_path), "test")


def test_references_are_the_training_paintings_and_nearest_to_themselves(judged_run: Path, judged_dataset: Path):
    references = References(RunFolder(judged_run))
    paintings = pd.DataFrame(Dataset.open(judged_dataset).planned()).set_index("painting_id")
    for row in (0, 20, 67):
        near = references.nearest(references._embeddings[row].astype(np.float32), 3)
        assert near[0].similarity == pytest.approx(1, abs=2e-3)
        assert near[0].similarity >= near[1].similarity >= near[2].similarity
        assert paintings.loc[near[0].painting_id, "split"] == "train"
        assert paintings.loc[near[0].painting_id, "path"] == near[0].path


# --- Laws ---

SCORES = st.integers(0, 2**32 - 1).map(
    lambda seed: np.random.default_rng(seed).dirichlet(np.full(7, 0.3), size=40).astype(np.float32)
)


def paintings_of(crop_scores: np.ndarray, labels: np.ndarray, samples: int) -> Paintings:
    ids = [f"{index // samples:03d}" for index in range(len(crop_scores))]
    order = np.random.default_rng(0).permutation(len(ids))
    batch = {
        "painting_id": [ids[row] for row in order],
        "label": np.repeat(labels, samples)[order],
        "scores": crop_scores[order],
    }
    halves = [{name: column[part] for name, column in batch.items()} for part in (slice(0, 13), slice(13, None))]
    return gather(halves, dict.fromkeys(ids, samples))


def test_constant_scores_never_hit():
    constant = np.full((20, 10), 0.1)
    labels = np.arange(20) % 10
    assert (ranks(constant, labels) == 9).all()
    tally = scores.Tally.of_paintings(paintings_of(constant, labels, 1))
    assert tally.top1.sum() == tally.top5.sum() == 0
    tied_for_fifth = np.array([[0.3, 0.2, 0.2, 0.1, 0.05, 0.05, 0.1]])
    assert ranks(tied_for_fifth, np.array([4]))[0] == 6
    assert ranks(tied_for_fifth, np.array([3]))[0] == 4


@given(SCORES)
def test_without_ties_ranks_agree_with_scikit_learn(values: np.ndarray):
    labels = np.arange(40) % 7
    for k in (1, 3, 5):
        expected = metrics.top_k_accuracy_score(labels, values, k=k, labels=range(7))
        assert (ranks(values, labels) < k).mean() == pytest.approx(expected)


@given(SCORES, st.sampled_from(POOLINGS))
def test_pooled_scores_are_a_distribution_and_one_crop_is_itself(values: np.ndarray, pooling: str):
    pooled = pool(values, pooling)
    assert pooled.min() >= 0
    assert pooled.sum() == pytest.approx(1)
    np.testing.assert_allclose(pool(values[:1], pooling), values[0] / values[0].sum(), atol=1e-5)
    np.testing.assert_allclose(pool(values[::-1], pooling), pooled, rtol=1e-6)


@settings(max_examples=30)
@given(SCORES)
def test_metrics_of_sums_are_those_of_scikit_learn(values: np.ndarray):
    paintings = paintings_of(values, np.arange(10) % 6, samples=4)  # the seventh artist is never right
    for tally in (scores.Tally.of_paintings(paintings), scores.Tally.of_crops(paintings)):
        row, answer = np.nonzero(tally.named)
        true, weights = tally.labels[row], tally.named[row, answer]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of artists with no painting here
            balanced = metrics.balanced_accuracy_score(true, answer, sample_weight=weights)
        expected = {
            "top1": tally.top1.sum() / weights.sum(),
            "top5": tally.top5.sum() / weights.sum(),
            "macro_f1": metrics.f1_score(true, answer, sample_weight=weights, average="macro", zero_division=0),
            "balanced_accuracy": balanced,
            "loss": tally.loss.sum() / weights.sum(),
        }
        point = scores.headline(tally)
        assert expected.keys() == {metric.name for metric in METRICS}  # a new metric is held against its like here
        for name, value in expected.items():
            assert point[name] == pytest.approx(value)
        by_artist = metrics.precision_recall_fscore_support(
            true, answer, sample_weight=weights, labels=range(7), zero_division=np.nan
        )
        for label, found in enumerate(scores.per_artist(tally, list("abcdefg"))):
            for name, values_of_all in zip(PER_ARTIST, by_artist, strict=False):
                value = float(values_of_all[label])
                assert found[name] == (None if np.isnan(value) else pytest.approx(value))


def test_crops_of_a_painting_do_not_narrow_its_interval():
    """Sixteen identical crops are one look, not sixteen."""
    generator = np.random.default_rng(0)
    values = generator.dirichlet(np.full(5, 0.5), size=60)
    labels = generator.integers(0, 5, 60)
    once = scores.headline(scores.Tally.of_crops(paintings_of(values, labels, 1)))
    often = scores.headline(scores.Tally.of_crops(paintings_of(np.repeat(values, 16, axis=0), labels, 16)))
    assert often["intervals"]["top1"] == pytest.approx(once["intervals"]["top1"])


def test_bootstrap_interval_of_a_share_is_the_binomials():
    hits = np.zeros((400, 1))
    hits[:100] = 1
    low, high = interval(resampled_sums(hits)[:, 0] / 400)
    assert low == pytest.approx(0.25 - 1.96 * np.sqrt(0.25 * 0.75 / 400), abs=0.006)
    assert high == pytest.approx(0.25 + 1.96 * np.sqrt(0.25 * 0.75 / 400), abs=0.006)
    assert interval(np.array([np.nan, np.nan])) is None


def test_a_share_of_all_or_none_is_not_said_to_be_certain():
    """Three of three right leaves room for an artist found in one painting of three: 1 - 0.025 ** (1 / 3)."""
    assert share_interval(np.ones(50), 1.0, 3) == pytest.approx([0.2924, 1.0], abs=1e-4)
    assert share_interval(np.zeros(50), 0.0, 1) == pytest.approx([0.0, 0.975])
    assert share_interval(np.full(50, np.nan), np.nan, 0) is None
    values = np.eye(4)[np.repeat([0, 1, 2, 3], [20, 10, 2, 1])]
    labels = np.repeat([0, 1, 2, 3], [20, 10, 2, 1])
    rows = scores.per_artist(scores.Tally.of_paintings(paintings_of(values, labels, 1)), list("abcd"))
    widths = [row["intervals"]["recall"][1] - row["intervals"]["recall"][0] for row in rows]
    assert widths == sorted(widths)
    assert widths[0] > 0.1


def test_resamples_do_not_depend_on_how_many_fit_in_memory(monkeypatch: pytest.MonkeyPatch):
    statistics = np.random.default_rng(0).normal(size=(50, 3))
    whole = resampled_sums(statistics)
    monkeypatch.setattr("trainer.judging.intervals._BLOCK", 700)
    np.testing.assert_allclose(resampled_sums(statistics), whole)


def test_no_resample_is_without_an_artist_and_macro_averages_do_not_drift():
    """The classical bootstrap would leave out a single painting in 37% of its draws."""
    labels = np.repeat(np.arange(6), [60, 30, 1, 1, 1, 1])
    sums = resampled_sums(np.eye(6)[labels])
    assert sums.min() > 0
    np.testing.assert_allclose(sums.sum(axis=1), len(labels))
    named = np.where(labels < 2, labels, 0)  # the four singles are never found
    values = 0.5 * np.eye(6)[named] + 0.5 / 6
    point = scores.headline(scores.Tally.of_paintings(paintings_of(values, labels, 1)))
    assert point["balanced_accuracy"] == pytest.approx(2 / 6)
    assert point["intervals"]["balanced_accuracy"] is None  # no draw changes it


def test_mcnemar_is_the_exact_binomial_test():
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(5, 0) == pytest.approx(2 * 0.5**5)
    assert mcnemar(3, 9) == mcnemar(9, 3) == pytest.approx(0.1459961, abs=1e-6)


def test_baselines_agree_with_scikit_learns_dummy():
    counts = [5, 40, 20, 2, 9, 3, 1]
    train = np.repeat(np.arange(7), counts)
    test = np.repeat(np.arange(7), [1, 6, 3, 1, 2, 1, 1])
    ours = scores.baselines(counts, test)
    blind = np.zeros((len(train), 1)), np.zeros((len(test), 1))
    majority = dummy.DummyClassifier(strategy="most_frequent").fit(blind[0], train)
    assert ours["majority_top1"] == pytest.approx(majority.score(blind[1], test))
    prior = dummy.DummyClassifier(strategy="prior").fit(blind[0], train).predict_proba(blind[1])
    assert ours["prior_top5"] == pytest.approx(metrics.top_k_accuracy_score(test, prior, k=5, labels=range(7)))
    chance = dummy.DummyClassifier(strategy="stratified", random_state=0).fit(blind[0], train)
    many = np.tile(test, 3000)
    assert ours["stratified_top1"] == pytest.approx(chance.score(np.zeros((len(many), 1)), many), abs=0.01)


def test_one_painting_is_enough_for_numbers_that_are_json():
    single = scores.split_scores(paintings_of(np.array([[0.2, 0.5, 0.3]]), np.array([1]), 1), list("abc"))
    json.dumps(single, allow_nan=False)
    assert single["painting"]["intervals"]["top1"] == pytest.approx([0.025, 1.0])
    assert single["artists"][0] == {
        "artist": "a", "support": 0, "precision": None, "recall": None, "f1": None,
        "intervals": {"precision": None, "recall": None, "f1": None},
    }  # fmt: skip


# --- Confusion ---


def test_confusion_is_ordered_by_movement_and_counts_mistakes_within_it():
    artists = [Artist("Z", genre="Baroque"), Artist("B"), Artist("A", genre="Realism, Impressionism"),
               Artist("C", genre="Impressionism"), Artist("D", genre="Baroque")]  # fmt: skip
    assert [artists[index].name for index in order_by_movement(artists)] == ["D", "Z", "C", "A", "B"]
    labels = np.array([0, 0, 2, 2, 1, 4, 4, 4])
    named = np.array([4, 2, 3, 3, 0, 4, 0, 0])
    found = confusion(labels, named, artists)
    assert found["movement"]["within"] == 5
    assert found["movement"]["across"] == 1
    assert found["movement"]["unknown"] == 1
    assert found["movement"]["within_share"] == pytest.approx(5 / 6)
    assert found["pairs"][0] == {
        "artists": ["Z", "D"], "first_as_second": 1, "second_as_first": 2, "paintings": [2, 3],
    }  # fmt: skip
    assert len(found["pairs"]) == 4
    assert np.array(found["matrix"]).sum() == len(labels)


def test_gather_refuses_missing_and_surplus_crops():
    batch = {"painting_id": ["a", "a", "b"], "label": np.zeros(3, int), "scores": np.full((3, 2), 0.5)}
    with pytest.raises(DatasetError, match="b has 1 of 2"):
        gather([batch], {"a": 2, "b": 2})
    with pytest.raises(DatasetError, match="a has more crops than the 1"):
        gather([batch], {"a": 1, "b": 1})
    with pytest.raises(DatasetError, match="b has more crops than the 0"):
        gather([batch], {"a": 2})
    with pytest.raises(DatasetError, match="no records"):
        gather([], {})
    with pytest.raises(ValueError, match="finite"):
        gather([{**batch, "scores": np.full((3, 2), np.nan)}], {"a": 2, "b": 1})
