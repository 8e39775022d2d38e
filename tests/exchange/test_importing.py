"""Predictions from elsewhere: counted exactly, or refused with the first offenders."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from repro.analysis.compare import compare_table
from repro.analysis.measured import catalogue_counts
from repro.analysis.verdict import Verdict
from repro.catalogue.classes import load_classes
from repro.catalogue.tables import find_table
from repro.commands import app
from repro.results.runs import list_runs
from tests.exchange.predicting import LABELS, PREDICTED, predicted_rows, rows_in, run_import, write_csv


def test_a_csv_becomes_a_run_that_leaves_null_what_it_lacks(tmp_path: Path, labels: Path) -> None:
    result = run_import(tmp_path, write_csv(tmp_path / "p.csv", predicted_rows()))
    assert result.exit_code == 0, result.output
    assert "2 of 4 right; labels from labels.csv" in result.output
    (record,) = list_runs(tmp_path / "runs")
    assert (record.summary.n, record.summary.top1_correct, record.summary.top5_correct) == (4, 2, None)
    assert (record.protocol, record.numerics, record.complexity, record.imported) == (None, None, None, True)
    rows = rows_in(tmp_path)
    assert [rows[name]["rank"] for name in LABELS] == [0, None, 0, None]
    assert rows["b.JPEG"]["p_label"] is None
    assert rows["c.JPEG"]["p_label"] == pytest.approx(0.3)
    assert rows["a.JPEG"]["sha256"] is None


def test_wnids_and_no_probabilities_will_do(tmp_path: Path, labels: Path) -> None:
    rows = [(name, load_classes()[c].wnid) for name, c in PREDICTED.items()]
    result = run_import(tmp_path, write_csv(tmp_path / "p.csv", rows, "file_name,predicted_class"))
    assert "2 of 4 right" in result.output
    assert rows_in(tmp_path)["a.JPEG"]["p_top5"] is None


def test_the_same_import_again_is_the_same_run(tmp_path: Path, labels: Path) -> None:
    file = write_csv(tmp_path / "p.csv", predicted_rows())
    first, again = run_import(tmp_path, file), run_import(tmp_path, file)
    assert first.stdout == again.stdout
    assert len(list_runs(tmp_path / "runs")) == 1


def test_another_token_mixer_for_the_same_predictions_is_refused(tmp_path: Path, labels: Path) -> None:
    file = write_csv(tmp_path / "p.csv", predicted_rows())
    assert run_import(tmp_path, file, "--token-mixer", "attention").exit_code == 0
    assert run_import(tmp_path, file).exit_code == 0
    other = run_import(tmp_path, file, "--token-mixer", "pooling")
    assert other.exit_code == 2
    assert "with the token mixer attention, not pooling" in other.stderr
    assert [record.model.token_mixer for record in list_runs(tmp_path / "runs")] == ["attention"]


def test_logits_give_what_an_evaluation_gives(tmp_path: Path, labels: Path) -> None:
    """The same rows as the evaluation's own scoring, ties included."""
    torch = pytest.importorskip("torch")
    from repro.evaluation.predict import score

    logits = np.random.default_rng(0).normal(size=(4, 1000)).astype(np.float32).round(1)
    np.savez(tmp_path / "p.npz", logits=logits, names=np.array(list(LABELS)))
    result = run_import(tmp_path, tmp_path / "p.npz")
    assert result.exit_code == 0, result.output
    expected = score(torch.from_numpy(logits), torch.tensor(list(LABELS.values())))
    rows = list(rows_in(tmp_path).values())
    assert [row["top5"] for row in rows] == expected.top5.tolist()
    assert [row["rank"] for row in rows] == expected.rank.tolist()
    assert [row["p_label"] for row in rows] == pytest.approx(expected.p_label.tolist(), rel=1e-5)
    assert np.array([row["p_top5"] for row in rows]) == pytest.approx(expected.p_top5, rel=1e-5)


def test_the_best_five_give_top5(tmp_path: Path, labels: Path) -> None:
    top5 = np.array([[3, 1, 2, 4, 5], [1, 2, 3, 4, 7], [1, 2, 3, 4, 5], [999, 1, 2, 3, 4]])
    np.save(tmp_path / "p.npy", top5)
    (tmp_path / "names.txt").write_text("\n".join(LABELS) + "\n")
    result = run_import(tmp_path, tmp_path / "p.npy", "--names", str(tmp_path / "names.txt"))
    assert result.exit_code == 0, result.output
    (record,) = list_runs(tmp_path / "runs")
    assert (record.summary.top1_correct, record.summary.top5_correct) == (2, 3)
    assert [row["rank"] for row in rows_in(tmp_path).values()] == [0, 4, None, 0]


ROWS = predicted_rows()
REFUSED = {
    "missing": (ROWS[:-1], "1 of 4 images of labels.csv have no prediction: d"),
    "doubled": ([*ROWS, ROWS[0]], "predicted twice: a"),
    "foreign": ([*ROWS, ("x.JPEG", 1, 0.5)], "1 images that labels.csv does not know: x.JPEG"),
    "class": ([*ROWS[:-1], ("d.JPEG", 1000, 0.5)], "neither an index 0 … 999 nor a wnid: d.JPEG: 1000"),
    "no class": ([*ROWS[:-1], ("d.JPEG", "", 0.5)], "nor a wnid: d.JPEG:"),
    "NaN": ([*ROWS[:-1], ("d.JPEG", 1, "nan")], "a probability is not in [0, 1]: d.JPEG: [nan]"),
    "no probability": ([*ROWS[:-1], ("d.JPEG", 1, "")], "a probability is not in [0, 1]: d.JPEG"),
    "improbable": ([("a.JPEG", 1, 1.5), *ROWS[1:]], "a probability is not in [0, 1]: a.JPEG: [1.5]"),
    "empty": ([], "holds no predictions"),
}


@pytest.mark.parametrize(("rows", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_doubtful_csv_is_refused_with_the_first_offenders(
    tmp_path: Path, labels: Path, rows: list[tuple[object, ...]], reason: str
) -> None:
    result = run_import(tmp_path, write_csv(tmp_path / "p.csv", rows))
    assert result.exit_code == 3
    assert reason in result.output
    assert not list_runs(tmp_path / "runs")


NAN = np.full((4, 1000), np.nan)
TWICE = np.array([[1, 1, 2, 3, 4]] * 4)
ARRAYS = {
    "too few classes": ({"logits": np.zeros((4, 999))}, "logits of 999 classes; 1000 are needed"),
    "21k classes": ({"logits": np.zeros((4, 21843))}, "logits of 21,843 classes"),
    "NaN": ({"logits": NAN}, "logits are not finite: a.JPEG, b.JPEG, c.JPEG and 1 more"),
    "too few rows": ({"logits": np.zeros((3, 1000))}, "logits has the shape (3, 1000); 4 names take (4, …)"),
    "logits as text": ({"logits": np.full((4, 1000), "0.1")}, "logits have to be numbers, not <U3"),
    "p as text": (
        {"top5": np.array([range(5)] * 4), "p_top5": np.full((4, 5), "?")},
        "p_top5 have to be numbers",
    ),
    "foreign class": ({"top5": np.full((4, 5), 1000)}, "a class is none of 0 … 999"),
    "class twice": ({"top5": TWICE}, "a class stands twice: a.JPEG: [1, 1, 2, 3, 4]"),
    "neither": ({"scores": np.zeros((4, 1000))}, "holds names, scores; it takes a csv"),
    "both": ({"logits": np.zeros((4, 1000)), "top5": TWICE}, "holds logits, names, top5; it takes a csv"),
}


def test_names_may_be_bytes(tmp_path: Path, labels: Path) -> None:
    """As h5py gives them, and NumPy by `S`."""
    top1 = np.array(list(PREDICTED.values()))
    np.savez(tmp_path / "p.npz", names=np.array([name.encode() for name in LABELS]), top5=top1)
    result = run_import(tmp_path, tmp_path / "p.npz")
    assert result.exit_code == 0, result.output
    assert rows_in(tmp_path).keys() == LABELS.keys()
    np.savez(tmp_path / "odd.npz", names=np.array([b"\xff", b"b", b"c", b"d"]), top5=top1)
    odd = run_import(tmp_path, tmp_path / "odd.npz")
    assert (odd.exit_code, "a name is not UTF-8: b'\\xff'" in odd.output) == (3, True), odd.output


@pytest.mark.parametrize(("arrays", "reason"), ARRAYS.values(), ids=ARRAYS)
def test_doubtful_arrays_are_refused(tmp_path: Path, labels: Path, arrays: dict, reason: str) -> None:
    np.savez(tmp_path / "p.npz", names=np.array(list(LABELS)), **arrays)
    result = run_import(tmp_path, tmp_path / "p.npz")
    assert (result.exit_code, reason in result.output) == (3, True), result.output


def test_no_order_of_rows_is_taken_for_granted(tmp_path: Path, labels: Path) -> None:
    np.save(tmp_path / "p.npy", np.zeros((4, 1000)))
    result = run_import(tmp_path, tmp_path / "p.npy")
    assert (result.exit_code, "--names FILE" in result.output) == (2, True)


def test_a_damaged_archive_and_foreign_names_are_told(tmp_path: Path, labels: Path) -> None:
    np.savez(tmp_path / "p.npz", names=np.array(list(LABELS)), top5=np.array([[1], [2], [3], [4]]))
    whole = (tmp_path / "p.npz").read_bytes()
    for data in (whole[: len(whole) // 2], whole.replace(b"NUMPY", b"NUMPX", 1)):
        (tmp_path / "half.npz").write_bytes(data)
        result = run_import(tmp_path, tmp_path / "half.npz")
        assert result.exit_code == 3, result.output
        assert "is no NumPy file of plain arrays" in result.stderr
    np.save(tmp_path / "p.npy", np.zeros((4, 1000)))
    (tmp_path / "odd.npy").write_bytes(
        (tmp_path / "p.npy").read_bytes().replace(b"(4, 1000)", b"(4, 1000 ", 1)
    )
    result = run_import(tmp_path, tmp_path / "odd.npy")
    assert result.exit_code == 3 and "is no NumPy file of plain arrays" in result.stderr
    np.save(tmp_path / "p.npy", np.array([3, 8, 7, 0]))
    names = "\n".join(LABELS)
    (tmp_path / "names.txt").write_text(names, encoding="utf-16")
    result = run_import(tmp_path, tmp_path / "p.npy", "--names", str(tmp_path / "names.txt"))
    assert result.exit_code == 3 and "cannot be read as text in UTF-8" in result.stderr
    (tmp_path / "names.txt").write_text(names, encoding="utf-8-sig")
    assert run_import(tmp_path, tmp_path / "p.npy", "--names", str(tmp_path / "names.txt")).exit_code == 0


def test_files_that_cannot_be_read_are_named(tmp_path: Path, labels: Path) -> None:
    """A process's own memory is a file that nobody may read from its beginning, root included."""
    unreadable = tmp_path / "memory.csv"
    unreadable.symlink_to("/proc/self/mem")
    if not unreadable.is_file():
        pytest.skip("there is no /proc")
    predictions = write_csv(tmp_path / "p.csv", predicted_rows())
    for result in (
        run_import(tmp_path, unreadable),
        run_import(tmp_path, predictions, "--labels", str(unreadable)),
    ):
        assert result.exit_code == 3, result.output
        assert f"error: cannot read {unreadable}: Input/output error" in result.stderr


def test_a_pickled_array_is_never_opened(tmp_path: Path, labels: Path) -> None:
    np.save(tmp_path / "p.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    (tmp_path / "names.txt").write_text("a.JPEG\n")
    result = run_import(tmp_path, tmp_path / "p.npy", "--names", str(tmp_path / "names.txt"))
    assert (result.exit_code, "no NumPy file of plain arrays" in result.output) == (3, True), result.output


def test_a_name_is_the_catalogues_only_as_it_is_spelled_there(tmp_path: Path, labels: Path) -> None:
    """`resnet50` is the paper's RSB-ResNet-50; "ResNet50" may be anybody's."""
    file = write_csv(tmp_path / "p.csv", predicted_rows())
    for name, found in {"resnet50": "rsb_resnet50", "ResNet50": "ResNet50"}.items():
        result = run_import(tmp_path, file, "--model", name)
        assert result.exit_code == 0, result.output
        assert found in {record.model.name for record in list_runs(tmp_path / "runs")}
    records = list_runs(tmp_path / "runs")
    compared = compare_table(find_table("paper"), records, catalogue_counts(), "authors")
    row = next(row for row in compared.rows if row.model == "rsb_resnet50")
    assert row.verdict is Verdict.NOT_COMPARABLE
    assert "imported predictions" in row.reason


def test_a_namesake_of_a_labelled_image_has_no_label(tmp_path: Path, labels: Path) -> None:
    rows = [*predicted_rows(), ("elsewhere/a.JPEG", 1, 0.5)]
    result = run_import(tmp_path, write_csv(tmp_path / "p.csv", rows))
    assert result.exit_code == 3
    assert "1 images that labels.csv does not know: elsewhere/a.JPEG" in result.stderr


def test_an_image_of_imagenet_val_that_is_predicted_twice_is_told_as_that(
    tmp_path: Path, labels: Path
) -> None:
    rows = [(f"{place}/ILSVRC2012_val_00000001.JPEG", 1, 0.5) for place in "ab"]
    result = run_import(tmp_path, write_csv(tmp_path / "p.csv", [*predicted_rows(), *rows]))
    assert result.exit_code == 3
    assert "are the same image of ImageNet val" in result.stderr


@pytest.mark.parametrize(("model", "n_correct"), [("ResNet50", 38_065), ("ViT", 39_003)])
def test_published_predictions_of_imagenet_val(
    shared_data: Path, tmp_path: Path, model: str, n_correct: int
) -> None:
    pytest.importorskip("imagenet_x", reason="the package imagenet-x has the labels")
    file = shared_data / "predictions" / f"{model}.csv"
    result = CliRunner().invoke(
        app, ["import-predictions", str(file), "--model", model, "--runs", str(tmp_path / "runs")]
    )
    assert result.exit_code == 0, result.output
    (record,) = list_runs(tmp_path / "runs")
    assert (record.summary.n, record.summary.top1_correct) == (50_000, n_correct)
    assert (record.dataset.name, record.dataset.partial) == ("imagenet-val", "")
    exported = CliRunner().invoke(app, ["export-predictions", model, "--runs", str(tmp_path / "runs")]).stdout
    ours, theirs = (
        {row["file_name"]: row for row in csv.DictReader(text.splitlines())}
        for text in (exported, file.read_text(encoding="utf-8"))
    )
    assert ours.keys() == theirs.keys()
    for name, row in theirs.items():
        assert ours[name]["predicted_class"] == row["predicted_class"]
        assert float(ours[name]["predicted_probability"]) == pytest.approx(
            float(row["predicted_probability"])
        )
