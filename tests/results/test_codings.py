"""A reader's verdicts survive kills, torn writes and a second reader; damage is told, never overwritten."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pandas as pd
import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st

from repro.exceptions import Busy, StorageError, UsageError
from repro.results import codings
from repro.results.codings import VERDICTS, Coding, append_coding, load_codings

WHEN = datetime(2026, 8, 1, 12, tzinfo=UTC)

CHECKOUT = Path(__file__).parents[2]

PATIENCE_SECONDS = 120.0
"""How long the log is waited for: other tests may keep the disk busy."""

CHILD = f"""
import sys
from pathlib import Path
from repro.results import codings
from repro.results.codings import Coding, append_coding

codings._PATIENCE_SECONDS = {PATIENCE_SECONDS}
folder, reader, first, last = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
for n in range(first, last):
    append_coding(folder, Coding(reader, f"i{{n}}", 1, 2, "shape", f'{{n}}, "said"\\n' * 40))
    print(n, flush=True)
"""


def coding(image_id: str = "a", verdict: str = "shape", note: str = "", reader: str = "Ada") -> Coding:
    return Coding(reader, image_id, 1, 2, verdict, note, WHEN)


def child(folder: Path, reader: str, first: int, last: int) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", CHILD, str(folder), reader, str(first), str(last)]
    return subprocess.Popen(arguments, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)


def test_nobody_has_coded_yet(tmp_path: Path) -> None:
    assert load_codings(tmp_path).log == load_codings(tmp_path).standing == ()


TEXTS = st.text(st.characters(exclude_categories=("Cc", "Cs")) | st.just("\n") | st.sampled_from(",'\";="))
CODINGS = st.builds(
    Coding,
    reader=TEXTS.map(lambda text: text.replace("\n", "")[:60].strip()).filter(bool),
    image_id=TEXTS.filter(bool),
    label=st.integers(0, 999),
    predicted=st.integers(0, 999),
    verdict=st.sampled_from((*VERDICTS, "")),
    note=TEXTS,
    at=st.datetimes(min_value=datetime(1000, 1, 1)).map(lambda at: at.replace(microsecond=0, tzinfo=UTC)),
)


@given(written=st.lists(CODINGS, min_size=1, max_size=4))
def test_what_is_written_is_read_by_us_and_by_pandas(
    tmp_path_factory: pytest.TempPathFactory, written: list[Coding]
) -> None:
    folder = tmp_path_factory.mktemp("run")
    for one in written:
        append_coding(folder, one)
    assert load_codings(folder).log == tuple(written)
    rows = pd.read_csv(folder / "codings.csv", keep_default_na=False, dtype=str, lineterminator="\n")
    assert rows["note"].tolist() == [one.note for one in written]
    assert rows["at"].tolist() == [one.at.isoformat() for one in written]


def test_the_last_verdict_of_a_reader_and_image_counts(tmp_path: Path) -> None:
    said = [
        coding("a", "shape"),
        coding("b", "size"),
        coding("a", "context", reader="Bob"),
        coding("a", "other", "after all"),
        coding("b", ""),
        coding("c", "size"),
        coding("c", ""),
        coding("c", "label wrong"),
    ]
    for one in said:
        append_coding(tmp_path, one)
    found = load_codings(tmp_path)
    assert found.log == tuple(said)
    assert found.standing == (said[3], said[2], said[7])
    assert found.readers == ("Ada", "Bob")
    assert found.of_reader("Ada") == {"a": said[3], "c": said[7]}
    assert found.of_reader("nobody") == {}


def test_what_is_of_no_error_of_the_run_is_left_out_and_counted(tmp_path: Path) -> None:
    for image_id in "abc":
        append_coding(tmp_path, coding(image_id))
    found = load_codings(tmp_path, {"a": (1, 2), "b": (1, 3), "z": (1, 2)})
    assert [one.image_id for one in found.log] == ["a"]
    assert found.n_foreign == 2


def test_now_is_utc_in_seconds() -> None:
    at = Coding("Ada", "a", 1, 2, "size").at
    assert at.isoformat().endswith("+00:00")
    assert at.microsecond == 0
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"verdict": "colour"}, "unknown verdict 'colour'; there are shape, size, context, fine-grained"),
        ({"reader": ""}, "it is empty"),
        ({"reader": "Ada "}, "ends with a blank"),
        ({"reader": "a" * 61}, "a reader's name has at most 60 characters; this one has 61"),
        ({"reader": "A\nda"}, r"control characters; this one has \\x0a"),
        ({"note": "x" * 2001}, "a note has at most 2,000 characters; this one has 2,001"),
        ({"note": "x\x00"}, r"a note has no control characters; this one has \\x00"),
        ({"note": "x\ry"}, r"\\x0d"),
        ({"note": "\udc80"}, r"\\xdc80"),
        ({"label": 1000}, "there is no class 1000"),
        ({"predicted": -1}, "there is no class -1"),
        ({"at": datetime(2026, 8, 1)}, "no time in UTC"),
        ({"at": datetime(2026, 8, 1, tzinfo=timezone(timedelta(hours=2)))}, "no time in UTC"),
        ({"at": WHEN.replace(microsecond=7)}, "whole seconds"),
    ],
)
def test_what_cannot_be_kept_is_refused(change: dict[str, object], words: str) -> None:
    values = {"reader": "Ada", "image_id": "a", "label": 1, "predicted": 2, "verdict": "size", "at": WHEN}
    with pytest.raises(UsageError, match=words):
        Coding(**values | change)


def test_the_longest_are_kept(tmp_path: Path) -> None:
    longest = coding(reader="ö" * 60, note='"\n' * 1000)
    append_coding(tmp_path, longest)
    assert load_codings(tmp_path).log == (longest,)


def test_a_row_torn_anywhere_costs_itself_alone(tmp_path: Path) -> None:
    """Also where the cut falls on a line end inside its note, or the disk left zeros behind it."""
    path = tmp_path / "codings.csv"
    kept = [coding("a", note="first\nof two"), coding("b")]
    for one in kept:
        append_coding(tmp_path, one)
    whole = path.read_bytes()
    append_coding(tmp_path, coding("c", note='said: "ö"\n2026\nthe end'))
    longer, fresh = path.read_bytes(), coding("d", "other", "new")
    for cut in range(len(whole), len(longer)):
        for rest in (b"", b"\0" * 50):
            path.write_bytes(longer[:cut] + rest)
            assert load_codings(tmp_path).log == tuple(kept), cut
            append_coding(tmp_path, fresh)
            assert load_codings(tmp_path).log == (*kept, fresh), cut


@pytest.mark.parametrize("n_left", range(len("at,reader,image_id")))
def test_a_torn_header_is_set_right(tmp_path: Path, n_left: int) -> None:
    (tmp_path / "codings.csv").write_bytes(b"at,reader,image_id"[:n_left])
    assert load_codings(tmp_path).log == ()
    append_coding(tmp_path, coding())
    assert load_codings(tmp_path).log == (coding(),)


def test_no_flipped_bit_makes_an_append_lose_rows(tmp_path: Path) -> None:
    path = tmp_path / "codings.csv"
    for n in range(4):
        append_coding(tmp_path, coding(f"i{n}", note='a "word"\nmore' if n % 2 else ""))
    data = path.read_bytes()
    last = data.rindex(b"2026")
    n_told = 0
    for place in range(len(data)):
        for bit in range(8):
            damaged = bytearray(data)
            damaged[place] ^= 1 << bit
            path.write_bytes(damaged)
            try:
                append_coding(tmp_path, coding("new"))
            except StorageError:
                n_told += 1
                assert path.read_bytes() == damaged
            else:
                assert path.read_bytes()[:last] == damaged[:last]
            try:
                load_codings(tmp_path)
            except StorageError as error:
                assert "codings.csv, line " in str(error)
    assert n_told


ROW = "2026-08-01T12:00:00+00:00,Ada,a,1,2,shape,"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "line 3: damaged"),
        ("2026-08-01T12:00:00+00:00,Ada,a,1,2,shape", "expected 7, got 6"),
        (ROW + ",", "line 3: damaged"),
        (ROW.replace("shape", "colour"), "line 3: damaged .unknown verdict 'colour'"),
        (ROW.replace(",1,", ",one,"), "invalid literal"),
        (ROW.replace("+00:00", "+02:00"), "no time in UTC"),
        (ROW.replace("2026", "last year"), "Invalid isoformat string"),
        (ROW + '"a"b', "line 3: damaged"),
        (ROW + '"never closed', "line 3: damaged .its quotes are not closed"),
    ],
)
def test_other_damage_names_its_line(tmp_path: Path, line: str, words: str) -> None:
    append_coding(tmp_path, coding())
    path = tmp_path / "codings.csv"
    path.write_text(path.read_text() + f"{line}\n{ROW}\n")
    with pytest.raises(StorageError, match=words) as error:
        load_codings(tmp_path)
    assert "editor" in error.value.hint


@pytest.mark.parametrize("text", ["image,verdict\na,shape\n", "PK\x03\x04", "at,reader\n"])
def test_another_file_of_that_name_is_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "codings.csv"
    path.write_text(text)
    for attempt in (lambda: load_codings(tmp_path), lambda: append_coding(tmp_path, coding())):
        with pytest.raises(StorageError, match=r"line 1: damaged .it begins with other columns"):
            attempt()
    assert path.read_text() == text


def test_a_file_that_a_spreadsheet_has_saved_is_read_on(tmp_path: Path) -> None:
    append_coding(tmp_path, coding("a", note="x, y"))
    path = tmp_path / "codings.csv"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    append_coding(tmp_path, coding("b"))
    assert load_codings(tmp_path).log == (coding("a", note="x, y"), coding("b"))


def test_a_run_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run in"):
        append_coding(tmp_path / "nowhere", coding())
    assert not (tmp_path / "nowhere").exists()


def test_a_disk_that_takes_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "codings.csv").mkdir()
    with pytest.raises(StorageError, match="could not be written"):
        append_coding(tmp_path, coding())
    with pytest.raises(StorageError, match="cannot be read"):
        load_codings(tmp_path)


def test_a_log_that_another_process_keeps_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codings, "_PATIENCE_SECONDS", 0.05)
    with FileLock(tmp_path / ".codings.lock"), pytest.raises(Busy, match="another repro process writes"):
        append_coding(tmp_path, coding())


def test_kills_cost_nothing_that_was_taken(tmp_path: Path) -> None:
    """Every verdict that the killed process saw taken is there, once, in order, and the next ones follow."""
    chance = random.Random(0)
    taken: list[int] = []
    for _ in range(4):
        first = max(taken, default=0) + 10
        with child(tmp_path, "Ada", first, first + 10_000) as process:
            assert process.stdout is not None
            taken += [int(process.stdout.readline()) for _ in range(chance.randint(2, 5))]
            time.sleep(chance.uniform(0, 0.01))
            process.kill()
            taken += map(int, process.stdout.read().split())
        assert process.returncode == -9
        found = [int(one.image_id[1:]) for one in load_codings(tmp_path).log]
        assert found == sorted(set(found))
        assert set(taken) <= set(found)
        assert len(found) - len(taken) <= 4, "at most the one under way, of each process"
        taken = found
    assert len(taken) >= 8


def test_two_processes_lose_nothing(tmp_path: Path) -> None:
    processes = [child(tmp_path, reader, 0, 60) for reader in ("Ada", "Bob")]
    for process in processes:
        process.communicate()  # both are under way
        assert process.returncode == 0
    log = load_codings(tmp_path).log
    for reader in ("Ada", "Bob"):
        assert [one.image_id for one in log if one.reader == reader] == [f"i{n}" for n in range(60)]


def test_two_threads_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when two windows are open on one server."""
    monkeypatch.setattr(codings, "_PATIENCE_SECONDS", PATIENCE_SECONDS)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: append_coding(tmp_path, coding(f"i{n}")), range(60)))
    assert {one.image_id for one in load_codings(tmp_path).log} == {f"i{n}" for n in range(60)}
