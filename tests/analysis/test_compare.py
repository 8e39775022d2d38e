"""A printed table beside runs: which run is taken, what is said of it, and why."""

from dataclasses import replace
from decimal import Decimal

import pytest

from repro.analysis.compare import NOT_IN_TABLE, TOKEN_MIXERS, compare_table
from repro.analysis.verdict import Verdict
from repro.catalogue.models import find_model, load_models
from repro.catalogue.tables import find_table
from repro.catalogue.test_sets import find_test_set
from tests.analysis.records import complexity_of, run_of, with_summary

PAPER = find_table("paper")
PAPERS_MIXERS = ("convolution", "attention", "spatial MLP", "pooling")
COMPLEXITIES = {spec.name: complexity_of(spec) for spec in load_models() if spec.params}


def row_of(model, *runs, table=PAPER, complexities=COMPLEXITIES, protocol="authors"):
    comparison = compare_table(table, runs, complexities, protocol)
    return next(row for row in comparison.rows if row.model == model)


def test_rows_stand_in_the_papers_order_group_by_group():
    comparison = compare_table(PAPER, [], {}, "authors")
    assert [row.model for row in comparison.rows] == [row.model for row in PAPER.rows]
    assert tuple(comparison.groups) == PAPERS_MIXERS
    assert [len(rows) for rows in comparison.groups.values()] == [5, 8, 9, 5]


def test_groups_keep_the_papers_order_whatever_the_tables():
    backwards = replace(PAPER, rows=PAPER.rows[::-1])
    comparison = compare_table(backwards, [], {}, "authors")
    assert tuple(comparison.groups) == PAPERS_MIXERS
    assert comparison.rows[0].model == "rsb_resnet152"


def test_the_second_papers_token_mixers_have_groups_too():
    comparison = compare_table(find_table("baselines"), [], COMPLEXITIES, "authors")
    mixers = ("identity", "random", "convolution", "pooling", "convolution and attention")
    assert tuple(comparison.groups) == mixers
    assert {spec.token_mixer for spec in load_models()} <= set(TOKEN_MIXERS)


def test_a_whole_run_is_judged_by_the_printed_figure():
    row = row_of("poolformer_s24", run_of("poolformer_s24", 40_147))
    assert row.top1_pct.measured == Decimal("80.294")
    assert row.top1_pct.difference == 0
    assert (row.verdict, row.reason) == (Verdict.SAME, "within 0.03 points")
    assert (row.n, row.n_expected, row.tag) == (50_000, 50_000, "poolformer_s24.sail_in1k")
    assert row.interval == pytest.approx((0.79943, 0.80640), abs=1e-5)
    assert row.params_m.verdict is row.macs_g.verdict is Verdict.AGREES


@pytest.mark.parametrize(
    ("top1_correct", "verdict", "reason"),
    [
        (40_147, Verdict.SAME, "within 0.03 points"),
        (40_220, Verdict.REPRODUCED, "within 0.10 points"),
        (40_000, Verdict.DIFFERENT, "0.250 points below 80.3"),
    ],
)
def test_verdicts_on_whole_runs(top1_correct, verdict, reason):
    row = row_of("poolformer_s24", run_of("poolformer_s24", top1_correct))
    assert (row.verdict, row.reason) == (verdict, reason)


def test_under_timms_protocol_timms_figure_is_the_reference():
    row = row_of("deit_b", run_of("deit_b", 40_990, protocol_name="timm"), protocol="timm")
    assert (row.top1_pct.printed, row.verdict) == (Decimal("81.980"), Verdict.SAME)
    assert (row.params_m.printed, row.macs_g.printed) == (Decimal("86"), Decimal("17.5"))


def test_a_run_belongs_by_what_its_protocol_does_not_by_its_name():
    row = row_of("poolformer_s24", run_of("poolformer_s24", 40_147, protocol_name="timm"))
    assert row.verdict is Verdict.SAME


def test_another_protocol_is_not_comparable_and_says_where_it_differs():
    row = row_of("deit_s", run_of("deit_s", 39_928, protocol_name="timm"))
    assert row.verdict is Verdict.NOT_COMPARABLE
    assert row.reason == "protocol differs: crop 0.9 instead of 0.875"
    assert (row.top1_pct.measured, row.top1_pct.difference) == (Decimal("79.856"), None)


@pytest.mark.parametrize(
    ("name", "used"),
    [
        ("size_px", 288),
        ("interpolation", "bilinear"),
        ("crop_mode", "squash"),
        ("mean", (0.5, 0.5, 0.5)),
        ("std", (0.5, 0.5, 0.5)),
    ],
)
def test_whatever_differs_in_a_protocol_forbids_to_compare(name, used):
    wanted = find_model("poolformer_s24").protocols["authors"]
    run = run_of("poolformer_s24", 40_147, protocol=replace(wanted, **{name: used}))
    row = row_of("poolformer_s24", run)
    assert row.verdict is Verdict.NOT_COMPARABLE
    assert row.reason == f"protocol differs: {name} {used} instead of {getattr(wanted, name)}"


def test_a_partial_run_is_never_a_match():
    row = row_of("deit_s", run_of("deit_s", 798, n=1000))
    assert row.verdict is Verdict.NOT_COMPARABLE
    assert row.reason == "1,000 of 50,000 images, 1000 of 1000 classes"
    assert (row.top1_pct.measured, row.top1_pct.difference, row.n) == (Decimal("79.8"), None, 1000)
    low, high = row.interval
    assert low < 0.798 < high


@pytest.mark.parametrize("test_set", ["imagenet-a", "imagenet-sketch", "imagenet-v2"])
def test_a_run_on_another_test_set_is_none_on_imagenet_val(test_set):
    n = find_test_set(test_set).n_images
    row = row_of("deit_s", run_of("deit_s", round(0.798 * n), n=n, test_set=test_set))
    assert (row.verdict, row.reason) == (Verdict.NOT_COMPARABLE, f"another test set: {test_set}")
    assert row.top1_pct.difference is None


def test_a_part_of_another_test_set_is_none_either():
    row = row_of("deit_s", run_of("deit_s", 80, n=100, test_set="imagenet-a"))
    assert (row.verdict, row.reason) == (Verdict.NOT_COMPARABLE, "another test set: imagenet-a")


def test_a_run_on_another_data_set_is_none_either_even_where_it_does_not_say_so():
    run = run_of("deit_s", 39_900)
    other = replace(run, dataset=replace(run.dataset, name="objects"))
    assert row_of("deit_s", other).reason == "another test set: objects"


@pytest.mark.parametrize(
    "val", [run_of("deit_s", 800, n=1000), run_of("deit_s", 39_900, protocol_name="timm")]
)
def test_any_run_on_imagenet_val_says_more_than_one_on_another_set(val):
    sketch = run_of(
        "deit_s", 20_000, n=50_889, test_set="imagenet-sketch", started="2026-09-01T12:00:00+00:00"
    )
    assert row_of("deit_s", sketch, val).run_id == val.run_id


def test_missing_images_are_seen_even_where_the_dataset_does_not_say_so():
    run = run_of("deit_s", 39_900)
    short = replace(run, summary=replace(run.summary, n=49_998, n_scored=49_998))
    assert row_of("deit_s", short).reason == "49,998 of 50,000 images"


def test_allowed_unreadable_images_make_a_run_not_comparable():
    row = row_of("deit_s", with_summary(run_of("deit_s", 39_900), n_scored=49_997))
    assert (row.verdict, row.n) == (Verdict.NOT_COMPARABLE, 49_997)
    assert row.reason == "3 of 50,000 images without a prediction"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"invalid": "2 images missing (a, b)"}, "2 images missing (a, b)"),
        ({"n_scored": 0}, "no image was scored"),
    ],
)
def test_an_invalid_run_shows_no_percentage(changes, reason):
    row = row_of("deit_s", with_summary(run_of("deit_s", 39_900), **changes))
    assert (row.verdict, row.reason) == (Verdict.INVALID, reason)
    assert row.top1_pct.measured is row.top1_pct.difference is row.interval is None


@pytest.mark.parametrize(
    ("model", "protocol", "reason"),
    [
        ("deit_s", "authors", "repro eval --models deit_s --data IMAGENET"),
        ("deit_s", "timm", "repro eval --models deit_s --data IMAGENET --protocol timm"),
        ("pvt_tiny", "authors", "not in timm"),
        ("vit_b16", "timm", "weights not public"),
    ],
)
def test_a_row_that_was_not_run_says_what_to_do_or_why_not(model, protocol, reason):
    row = row_of(model, protocol=protocol)
    assert (row.verdict, row.reason) == (Verdict.NOT_RUN, reason)
    assert row.n is row.run_id is row.interval is None


WHOLE = run_of("deit_s", 39_900, started="2026-01-01")
PREFERRED = {
    "the protocol's": (WHOLE, run_of("deit_s", 39_928, protocol_name="timm", started="2026-02-01")),
    "ImageNet val": (WHOLE, run_of("deit_s", 9_000, n=50_889, partial="50,889 images, not the 50,000 of …")),
    "the valid one": (WHOLE, run_of("deit_s", 39_900, invalid="1 image doubled (a)", started="2026-02-01")),
    "the pinned weights": (WHOLE, run_of("deit_s", 39_900, origin="file", started="2026-02-01")),
    "most images": (run_of("deit_s", 1600, n=2000, started="2026-01-01"), run_of("deit_s", 800, n=1000)),
    "the latest": (run_of("deit_s", 39_901, started="2026-02-01"), WHOLE),
}


@pytest.mark.parametrize(("preferred", "other"), PREFERRED.values(), ids=PREFERRED)
def test_of_several_runs_one_is_preferred(preferred, other):
    assert row_of("deit_s", preferred, other).run_id == preferred.run_id
    assert row_of("deit_s", other, preferred).run_id == preferred.run_id


def test_local_weights_keep_their_verdict_and_are_named():
    row = row_of("poolformer_s12", run_of("poolformer_s12", 38_619, origin="file"))
    assert (row.verdict, row.notes) == (Verdict.SAME, ("local weights, not pinned",))


def test_the_right_number_of_the_wrong_network_is_different():
    row = row_of("resmlp_b24", run_of("resmlp_b24", 40_517))
    assert row.top1_pct.verdict is Verdict.SAME
    assert row.params_m.verdict is row.macs_g.verdict is Verdict.DIFFERS
    assert row.verdict is Verdict.DIFFERENT
    assert row.reason.startswith("right number, wrong network: ")
    assert row.reason.endswith(find_model("resmlp_b24").note)
    assert row.notes == ()


@pytest.mark.parametrize("scale", [{"params_m": 2, "macs_g": 1}, {"params_m": 1, "macs_g": 2}])
def test_one_wrong_count_is_enough_to_be_another_network(scale):
    counted = complexity_of(find_model("poolformer_s12"), "fvcore")
    fvcore = replace(counted.macs["fvcore"], macs=counted.macs["fvcore"].macs * scale["macs_g"])
    counted = replace(counted, params=counted.params * scale["params_m"], macs={"fvcore": fvcore})
    run = run_of("poolformer_s12", 38_619)
    row = row_of("poolformer_s12", run, complexities={"poolformer_s12": counted})
    assert row.verdict is Verdict.DIFFERENT
    assert row.reason == "right number, wrong network: its parameters or MACs are not those printed"


def test_every_runnable_row_of_the_paper_but_one_is_the_printed_network():
    comparison = compare_table(PAPER, [], COMPLEXITIES, "authors")
    differing = {
        row.model for row in comparison.rows if Verdict.DIFFERS in (row.params_m.verdict, row.macs_g.verdict)
    }
    assert differing == {"resmlp_b24", "vit_l16"}


def test_another_counter_is_named_and_cannot_fail_a_row():
    only_torch = {name: complexity_of(find_model(name), "torch") for name in ("resmlp_s12", "gmlp_s")}
    agreeing = row_of("resmlp_s12", complexities=only_torch)
    assert agreeing.macs_g.verdict is Verdict.AGREES
    assert agreeing.macs_g.reason == "counted by torch, which leaves out norms"
    differing = row_of("gmlp_s", run_of("gmlp_s", 39_826), complexities=only_torch)
    assert (differing.macs_g.verdict, differing.verdict) == (Verdict.NOT_COMPARABLE, Verdict.SAME)


def test_macs_at_another_size_are_not_compared():
    counted = replace(COMPLEXITIES["resmlp_b24"], size_px=448)
    row = row_of("resmlp_b24", complexities={"resmlp_b24": counted})
    assert (row.macs_g.verdict, row.macs_g.reason) == (Verdict.NOT_COMPARABLE, "counted at 448 px")


def test_without_counts_a_row_is_not_counted_unless_its_run_was():
    assert row_of("deit_s", complexities={}).macs_g.verdict is Verdict.NOT_COUNTED
    run = run_of("deit_s", 39_900)
    assert row_of("deit_s", run, complexities={}).macs_g.verdict is Verdict.AGREES


def test_a_superseded_figure_does_not_fail_its_row():
    row = row_of("poolformer_s24", run_of("poolformer_s24", 40_147), table=find_table("slide12"))
    assert (row.macs_g.verdict, row.verdict) == (Verdict.SUPERSEDED, Verdict.SAME)
    assert row.macs_g.reason.startswith("the first version's count, superseded")


def test_models_outside_the_table_come_last_in_the_catalogues_order():
    stranger = run_of("deit_s", 39_900)
    stranger = replace(stranger, model=replace(stranger.model, name="timm:vit_tiny.x", label="vit_tiny.x"))
    runs = [stranger, *(run_of(f"efficientnet_lite{i}", 37_000) for i in (2, 1, 0)), run_of("deit_s", 39_900)]
    comparison = compare_table(PAPER, runs, {}, "authors")
    extra = comparison.rows[len(PAPER.rows) :]
    assert [row.label for row in extra] == [*(f"EfficientNet-Lite{i}" for i in range(3)), "vit_tiny.x"]
    assert {row.group for row in extra} == {NOT_IN_TABLE}
    assert {row.verdict for row in extra} == {Verdict.NOT_PRINTED}
    assert [row.image_size_px for row in extra] == [224, 240, 260, 224]
    assert extra[0].top1_pct.measured == 74
    assert all(figure.printed is None for row in extra for figure in (row.params_m, row.macs_g, row.top1_pct))


@pytest.mark.parametrize("protocol", ["authors", "timm"])
def test_models_outside_the_table_have_no_reference_under_any_protocol(protocol):
    run = run_of("poolformer_s12", 38_619)
    row = row_of("poolformer_s12", run, table=find_table("slide12"), protocol=protocol)
    assert (row.verdict, row.top1_pct.printed) == (Verdict.NOT_PRINTED, None)


def test_a_partial_run_outside_the_table_says_so():
    run = run_of("efficientnet_lite0", 890, n=1000, partial="1,000 images, not the 50,000 of ImageNet val")
    row = row_of("efficientnet_lite0", run)
    assert (row.verdict, row.reason) == (Verdict.NOT_COMPARABLE, run.dataset.partial)


def test_the_catalogues_note_stands_by_measured_rows_only():
    note = "not the same experiment: trained by timm's author"
    assert row_of("gmlp_s").notes == ()
    assert row_of("gmlp_s", run_of("gmlp_s", 39_826)).notes == (note,)


def test_totals():
    runs = [run_of("poolformer_s24", 40_147), run_of("poolformer_s12", 38_619), run_of("resmlp_b24", 40_517)]
    comparison = compare_table(PAPER, runs, COMPLEXITIES, "authors")
    assert comparison.statement == "Counts: 2 SAME, 1 DIFFERENT, 24 NOT RUN"
    assert sum(comparison.counts.values()) == 27


def test_the_next_command_settles_what_can_be_settled():
    slide = find_table("slide12")
    partial, whole = run_of("deit_s", 80, n=100), run_of("resmlp_s24", 39_690)
    extra = run_of("efficientnet_lite0", 80, n=100)
    comparison = compare_table(slide, [partial, whole, extra], {}, "authors")
    assert comparison.command == "repro eval --models deit_s,poolformer_s24 --data IMAGENET"
    settled = [run_of("deit_s", 39_900), whole, run_of("poolformer_s24", 40_147)]
    assert compare_table(slide, settled, {}, "authors").command == ""
