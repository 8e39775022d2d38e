"""The claims as data: all that the facts list is there, and a malformed file is told by file and entry."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path

import pytest

from repro.catalogue.claim_files import load_sources, load_sources_with
from repro.catalogue.claims import ContradictionClaim, OpenClaim, ValueClaim
from repro.catalogue.models import find_model, load_models
from repro.catalogue.tables import find_table
from repro.exceptions import UsageError

SOURCES = {source.key: source for source in load_sources()}
CLAIMS = {claim.id: claim for source in SOURCES.values() for claim in source.claims}


def facts(shared_data: Path, name: str) -> list[dict[str, str]]:
    text = (shared_data.parent / "facts" / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def stated(*prefixes: str) -> Counter[str]:
    """The numbers of the claims whose ids begin so."""
    numbers = (c for name, c in CLAIMS.items() if name.startswith(prefixes) and hasattr(c, "stated"))
    return Counter(str(c.stated) for c in numbers)


def test_ids_are_one_each_and_can_be_typed() -> None:
    assert len(CLAIMS) == sum(len(source.claims) for source in SOURCES.values()) == 500
    assert all(re.fullmatch(r"[a-z0-9_-]+", name) for name in CLAIMS)
    assert all(name.startswith(f"{claim.source}-") for name, claim in CLAIMS.items())
    assert all(claim.says and claim.where for claim in CLAIMS.values())


@pytest.mark.parametrize(
    ("name", "prefix", "columns"),
    [
        ("imagenet_table2.csv", "paper-t2-", ["params_m", "macs_g", "top1_pct"]),
        ("poolformer_table1.csv", "paper-t1-", ["params_m_table1", "macs_g"]),
        ("ablation_table5.csv", "paper-t5-", ["params_m", "macs_g", "top1_pct"]),
        ("coco_table3.csv", "paper-t3-", []),
        ("ade20k_table4.csv", "paper-t4-", []),
        ("metaformer_baselines.csv", "baselines-", ["params_m", "macs_g", "top1_pct"]),
    ],
)
def test_every_number_of_the_printed_tables_is_a_claim(
    shared_data: Path, name: str, prefix: str, columns: list[str]
) -> None:
    rows = facts(shared_data, name)
    columns = columns or list(rows[0])[1:]
    # RandFormer's fixed matrices are a number of their own: 11.9 + 0.2.
    printed = Counter(number for row in rows for column in columns for number in row[column].split(" + "))
    assert stated(prefix) == printed


def test_every_claim_of_the_talk_is_there(shared_data: Path) -> None:
    slides = Counter(f"talk-{row['slide']}-" for row in facts(shared_data, "talk_claims.csv"))
    cells = ("-params", "-macs", "-top1")
    sentences = [name for name in CLAIMS if name.startswith("talk-") and not name.endswith(cells)]
    found = Counter(re.match(r"talk-\d+-", name)[0] for name in sentences)  # type: ignore[index]
    # Slide 19's sentence speaks of accuracy, parameters and MACs.
    assert found == slides + Counter({"talk-19-": 2})


def test_every_claim_of_the_abstracts_is_there(shared_data: Path) -> None:
    rows = Counter(row["source"] for row in facts(shared_data, "abstract_claims.csv"))
    assert rows["inconsistency"] == sum(name.startswith("paper-contradiction-") for name in CLAIMS)
    assert sum(name.startswith("paper-abstract-") for name in CLAIMS) == 1 + 3 + 3
    assert sum(name.startswith("paper-text-") for name in CLAIMS) == 1 + 2 + 1
    assert sum("-abstract-" in name for name in CLAIMS) == 7 + 2 + 2


def test_macs_by_version(shared_data: Path) -> None:
    rows = {row["source"]: row for row in facts(shared_data, "poolformer_macs_by_source.csv")}
    first = rows["arXiv v1 and the talk (3.6 for S24)"]
    latest = rows["arXiv latest and the authors' repository"]
    for size in ("s12", "s24", "s36", "m36", "m48"):
        model = f"poolformer_{size}"
        versions = [SOURCES[key].rows[model].claims["macs_g"].printed for key in ("paper-v1", "paper")]
        assert [str(printed) for printed in versions] == [first[size], latest[size]]
    assert SOURCES["paper-middle"].rows["poolformer_m36"].unknown == {"macs_g"}
    assert str(SOURCES["talk"].rows["poolformer_s24"].claims["macs_g"].printed) == first["s24"]


def test_a_source_borrows_what_it_does_not_print() -> None:
    talk, paper = SOURCES["talk"], SOURCES["paper"]
    assert talk.rows["deit_b"] == paper.rows["deit_b"]
    assert talk.rows["poolformer_s24"].superseded.keys() == {"macs_g"}
    assert "macs_g" not in paper.rows["poolformer_s24"].superseded


def test_a_row_of_a_grid_may_be_a_model_after_all() -> None:
    baseline = CLAIMS["paper-t5-baseline-top1"]
    assert isinstance(baseline, ValueClaim)
    assert baseline.row.model == "poolformer_s12"
    assert isinstance(CLAIMS["paper-t5-identity-mapping-top1"], OpenClaim)
    assert isinstance(CLAIMS["paper-contradiction-dims"], ContradictionClaim)


def test_the_second_paper_is_a_file(shared_data: Path) -> None:
    """Its models, its table and its claims stand in one; timm's checkpoints are those that the facts name."""
    rows = facts(shared_data, "metaformer_baselines.csv")
    tags = Counter(row["timm_tag"] for row in rows)
    specs = [find_model(row.model) for row in find_table("baselines").rows]
    assert Counter(spec.tag or "" for spec in specs) == tags
    assert all(spec.needs_file and spec.name == spec.timm_name for spec in specs if not spec.tag)
    printed = {(row["timm_tag"], row["image_size"], row["top1_pct"]) for row in rows if row["timm_tag"]}
    for spec, row in zip(specs, find_table("baselines").rows, strict=True):
        if spec.tag:
            assert row.image_size_px == spec.protocols["authors"].size_px
            assert (spec.tag, str(row.image_size_px), str(row.claims["top1_pct"].printed)) in printed


def test_the_reference_models_are_listed_last() -> None:
    names = [spec.name for spec in load_models()]
    assert names[-3:] == ["efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"]
    assert len(names) == 27 + 47 + 3


HEAD = """
key = "mine"
title = "My paper"
authors = "Me"
version = "1"
macs_counter = "fvcore"
"""
TABLE = """
[[table]]
name = "mine"
caption = "Table 1: mine"
row = [{ model = "deit_s", label = "DeiT-S", image_size_px = 224, params_m = "22", macs_g = "4.6" }]
"""
UNKNOWN = TABLE.replace(
    "}]", '}, { model = "deit_b", label = "DeiT-B", image_size_px = 224, params_m = "86", macs_g = "?" }]'
)
CLAIM = """
[[claim]]
id = "mine-1"
says = "DeiT-S is small"
where = "Text"
"""
RATIO = CLAIM + 'kind = "ratio"\nquantity = "macs_g"\nsubject = "deit_s"\n'

GRID = '[[grid]]\nid = "g"\nwhere = "T"\nneeds = "training"\nwhy = "x"\ncolumns = ["a"]\n'

MALFORMED = {
    "no TOML": ("key = ", "no TOML: "),
    "nothing": ("", "head: 'key' is missing"),
    "no version": (HEAD.replace('version = "1"', ""), "head: 'version' is missing"),
    "a misspelt version": (
        HEAD.replace("version", "vers"),
        "head: unknown key 'vers'; did you mean version?",
    ),
    "a key that is taken": (HEAD.replace("mine", "paper"), "head: 'key' is 'paper', as in metaformer.toml"),
    "another counter": (
        HEAD.replace("fvcore", "fvcor") + TABLE,
        "head: 'macs_counter' is 'fvcor'; did you mean fvcore?",
    ),
    "a table that is none": (HEAD + "table = 3", "head: 'table' is no array of tables: write [[table]]"),
    "an unknown model in a table": (
        HEAD + TABLE.replace("deit_s", "deit_x"),
        "table mine, row deit_x: unknown model 'deit_x'; did you mean deit_s",
    ),
    "no number": (
        HEAD + TABLE.replace('"22"', '"many"'),
        "row deit_s: 'params_m' is 'many', which is no number",
    ),
    "not a number": (
        HEAD + TABLE.replace('"22"', '"NaN"'),
        "row deit_s: 'params_m' is 'NaN', which is no number",
    ),
    "nothing of something": (HEAD + TABLE.replace('"22"', '"0"'), "'params_m' is 0, and has to be positive"),
    "digits that are lost": (
        HEAD + TABLE.replace('"4.6"', "4.6"),
        "row deit_s: 'macs_g' is 4.6, which is no text (numbers as printed stand in quotes)",
    ),
    "no size": (
        HEAD + TABLE.replace("224", '"224"'),
        "row deit_s: 'image_size_px' is missing or no positive whole number",
    ),
    "no kind": (HEAD + CLAIM, "claim mine-1: 'kind' is missing"),
    "an unknown kind": (
        HEAD + CLAIM + 'kind = "rato"',
        "claim mine-1: 'kind' is 'rato'; did you mean ratio?",
    ),
    "an entry without a name": (HEAD + "[[claim]]\nsays = 'x'", "claim number 1: 'kind' is missing"),
    "no base": (HEAD + TABLE + RATIO + 'fewer_pct = "3"', "claim mine-1: 'reference' is missing"),
    "a missing quantity": (
        HEAD + TABLE + RATIO + 'reference = "deit_b"\nfewer_pct = "3"',
        "claim mine-1: 'mine' prints no macs_g of deit_b; add it to a [[table]]",
    ),
    "a difference of what is not printed": (
        HEAD + UNKNOWN + RATIO.replace('"ratio"', '"difference"') + 'reference = "deit_b"\nstated = "3"',
        "claim mine-1: the macs_g of deit_b is printed as '?'",
    ),
    "a count of what is not counted": (
        HEAD
        + '[[grid]]\nid = "g"\nwhere = "T"\nneeds = "training"\nwhy = "x"\ncolumns = ["top1_pct"]\n'
        + 'rows = [["Net", "80"]]\n[grid.counted]\n"Net" = { top1_pct = 80 }',
        "grid g: 'top1_pct' of 'Net' is not counted; params_m and macs_g are",
    ),
    "near to what is not printed": (
        HEAD + UNKNOWN + RATIO.replace('"ratio"', '"near"') + 'reference = "deit_b"\nwithin_pct = "3"',
        "claim mine-1: the macs_g of deit_b is printed as '?'",
    ),
    "an unknown model": (
        HEAD + TABLE + RATIO + 'reference = "deit_base_x"\nfewer_pct = "3"',
        "claim mine-1: unknown model 'deit_base_x'",
    ),
    "an unknown quantity": (
        HEAD + TABLE + RATIO.replace("macs_g", "macs"),
        "claim mine-1: 'quantity' is 'macs'; did you mean macs_g?",
    ),
    "both more and fewer": (
        HEAD + TABLE + RATIO + 'reference = "deit_s"\nfewer_pct = "3"\nmore_pct = "3"',
        "claim mine-1: a ratio states either 'more_pct' or 'fewer_pct'",
    ),
    "one place": (
        HEAD + CLAIM + 'kind = "contradiction"\nplaces = { text = "1" }',
        "claim mine-1: 'places' needs two places at least",
    ),
    "an unknown row": (
        HEAD
        + CLAIM
        + 'kind = "ordering"\nquantity = "top1_pct"\nrests_on = "paper-t5"\norder = "GELU > ReLU"',
        "claim mine-1: paper-t5 prints no top1_pct of 'GELU'; its rows are baseline, ",
    ),
    "an unknown grid": (
        HEAD + CLAIM + 'kind = "ordering"\nquantity = "top1_pct"\nrests_on = "paper-t55"\norder = "a > b"',
        "claim mine-1: 'rests_on' is 'paper-t55'; did you mean paper-t5?",
    ),
    "an order of one": (
        HEAD + CLAIM + 'kind = "ordering"\nquantity = "top1_pct"\nrests_on = "paper-t5"\norder = "ReLU"',
        "claim mine-1: 'order' compares nothing",
    ),
    "a short row of a grid": (
        HEAD
        + '[[grid]]\nid = "g"\nwhere = "T"\nneeds = "training"\nwhy = "x"\ncolumns = ["a"]\nrows = [["r"]]',
        "grid g: 'row 1' needs 2 texts",
    ),
    "two grids of one id": (
        HEAD + GRID + 'rows = [["r", "1"]]\n' + GRID + 'rows = [["q", "1"]]',
        "grid g: there are two grids 'g'",
    ),
    "two rows of one name": (
        HEAD + GRID + 'rows = [["r", "1"], ["r", "2"]]',
        "grid g: there are two rows 'r'",
    ),
    "two columns alike": (
        HEAD + GRID.replace('["a"]', '["a", "a"]') + 'rows = [["r", "1", "2"]]',
        "grid g: there are two columns 'a'",
    ),
    "a number that nobody reads": (
        HEAD + TABLE.replace("params_m", "param_m"),
        "table mine, row deit_s: unknown key 'param_m'; did you mean params_m?",
    ),
    "an array that nobody reads": (HEAD + "[[claims]]\n", "head: unknown key 'claims'; did you mean claim?"),
    "a key of another kind": (
        HEAD + CLAIM + 'kind = "open"\nneeds = "study"\nwhy = "x"\nplaces = {}',
        "claim mine-1: unknown key 'places'",
    ),
    "a network that nobody counted": (
        HEAD + CLAIM + 'kind = "architecture"\nmodel = "pvt_tiny"',
        "claim mine-1: pvt_tiny is not counted here",
    ),
    "stages of different number": (
        HEAD + CLAIM + 'kind = "architecture"\nmodel = "deit_s"\nchannels = [64, 128]\nblocks = [2]',
        "claim mine-1: 'blocks' has 1 numbers; needs 2",
    ),
    "no blocks": (
        HEAD + CLAIM + 'kind = "architecture"\nmodel = "deit_s"\nchannels = [0]',
        "claim mine-1: 'channels' is missing or no list of positive whole numbers",
    ),
    "a need that nobody knows": (
        HEAD + CLAIM + 'kind = "open"\nneeds = "luck"\nwhy = "x"',
        "claim mine-1: 'needs' is 'luck'; there are training, study, outside",
    ),
    "an id twice": (
        HEAD + 2 * (CLAIM + 'kind = "open"\nneeds = "study"\nwhy = "x"\n'),
        "claim mine-1: its id stands twice",
    ),
    "an id of another source": (
        HEAD + CLAIM.replace("mine-1", "talk-14-identity") + 'kind = "open"\nneeds = "study"\nwhy = "x"\n',
        "claim talk-14-identity: its id stands in talk.toml too",
    ),
    "an unknown source to rest on": (
        HEAD + 'otherwise = "papr"\n',
        "head: 'otherwise' is 'papr'; did you mean paper?",
    ),
}


@pytest.mark.parametrize(("text", "words"), MALFORMED.values(), ids=MALFORMED)
def test_what_is_wrong_is_told_with_file_and_entry(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as refused:
        load_sources_with(path)
    message = str(refused.value)
    assert message.startswith(f"{path}: ")
    assert words in message
    assert "\n" not in message


@pytest.mark.parametrize("content", [b"\xff\xfe", None])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "mine.toml"
    if content:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=r"mine\.toml: "):
        load_sources_with(path)


def test_a_file_more_is_a_source_more(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    text = HEAD + 'otherwise = "paper"\n' + TABLE + RATIO + 'reference = "deit_b"\nfewer_pct = "74"'
    path.write_text(text, encoding="utf-8")
    sources = {source.key: source for source in load_sources_with(path)}
    assert sources.keys() - SOURCES.keys() == {"mine"}
    assert [claim.id for claim in sources["mine"].claims] == [
        "mine-1",
        "mine-mine-deit_s-params",
        "mine-mine-deit_s-macs",
    ]
