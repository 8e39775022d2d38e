"""What is kept of the logits, against a literal reading of the definitions."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from repro.evaluation.loading import Facts
from repro.evaluation.predict import predict, score, to_rows
from repro.evaluation.preprocess import normalise
from repro.specs import Protocol, Sample

# Few distinct values, so that ties are the rule.
LOGITS = arrays(np.float32, (3, 1000), elements=st.sampled_from([-2.0, 0.0, 1.5, 7.0]), fill=st.just(0.0))


TIES = np.zeros((3, 1000), np.float32)
BEATEN = np.linspace(0, 1, 3000, dtype=np.float32).reshape(3, 1000)


@given(LOGITS, st.integers(0, 999))
@example(TIES, 7)
@example(BEATEN, 997)
def test_rank_counts_the_classes_that_beat_the_true_one(logits: np.ndarray, label: int) -> None:
    scores = score(torch.from_numpy(logits), torch.full((3,), label))
    for i, row in enumerate(logits):
        beaten_by = [c for c in range(1000) if row[c] > row[label] or (row[c] == row[label] and c < label)]
        assert scores.rank[i] == len(beaten_by)
        best = sorted(range(1000), key=lambda c: (-row[c], c))[:5]
        assert scores.top5[i].tolist() == best
        probabilities = np.exp(row - row.max()) / np.exp(row - row.max()).sum()
        np.testing.assert_allclose(scores.p_top5[i], probabilities[best], rtol=1e-5)
        np.testing.assert_allclose(scores.p_label[i], probabilities[label], rtol=1e-5)
        assert (scores.rank[i] < 5) == (label in best)


def test_logits_that_are_no_numbers_are_never_a_class() -> None:
    logits = torch.zeros(3, 1000)
    logits[1, 7] = float("nan")
    logits[2, 8] = float("inf")
    samples = [Sample(str(i), str(i), 0) for i in range(3)]
    rows = to_rows(
        samples, [Facts("0" * 64, "RGB", "ok")] * 3, score(logits, torch.zeros(3, dtype=torch.long))
    )
    assert rows["status"].to_pylist() == ["ok", "non-finite logits", "non-finite logits"]
    assert rows["rank"].to_pylist() == [0, None, None]
    assert rows["top5"].to_pylist()[1:] == [None, None]


def test_logits_are_the_networks_own_in_fp32() -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.Flatten(), torch.nn.Linear(8 * 36, 1000))
    pixels = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    protocol = Protocol(size_px=8, crop=1.0)
    logits = predict(network, pixels, protocol)
    with torch.no_grad():
        expected = network(normalise(pixels, protocol))
    assert expected.dtype == logits.dtype == torch.float32
    assert torch.equal(logits, expected)


@given(LOGITS, st.sets(st.integers(0, 999), min_size=5, max_size=40), st.data())
def test_among_some_classes_the_others_are_as_if_they_were_not_there(
    logits: np.ndarray, chosen: set[int], data: st.DataObject
) -> None:
    classes = sorted(chosen)
    label = data.draw(st.sampled_from(classes))
    scores = score(torch.from_numpy(logits), torch.full((3,), label), classes)
    alone = score(torch.from_numpy(logits[:, classes]), torch.full((3,), classes.index(label)))
    assert scores.rank.tolist() == alone.rank.tolist()
    assert scores.top5.tolist() == np.array(classes)[alone.top5].tolist()
    np.testing.assert_allclose(scores.p_top5, alone.p_top5, rtol=1e-5)
    np.testing.assert_allclose(scores.p_label, alone.p_label, rtol=1e-5)


def test_a_logit_that_is_no_number_counts_wherever_it_stands() -> None:
    logits = torch.zeros(1, 1000)
    logits[0, 900] = float("nan")
    assert score(logits, torch.tensor([3]), range(10)).finite.tolist() == [False]
