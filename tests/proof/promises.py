"""The promises of the README: for each the sentence, what checks it, and how the figure that proves it reads.

Their numbers are kept for good, as `make proof` and its report call them by these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module

Figures = dict[str, int]

DISK = ("disk_lost", "disk_doubled", "disk_half_written")
"""What failures of the disk may never have done."""


class Skipped(Exception):
    """A check that cannot be made on this machine, and why."""


@dataclass(frozen=True, slots=True)
class Promise:
    """`full` and `short` are what `check` is called with, `figure` is filled in with what it returns.

    Kept is a promise if everything in `zero` is 0, the two of each pair in `equal` agree, and nothing in
    `some` is 0: a check that looked at nothing proves nothing. `later` says what a promise waits for.
    """

    key: str
    sentence: str
    figure: str = ""
    check: Callable[..., Figures] | None = None
    full: Mapping[str, int] = field(default_factory=dict)
    short: Mapping[str, int] = field(default_factory=dict)
    zero: tuple[str, ...] = ()
    equal: tuple[tuple[str, str], ...] = ()
    some: tuple[str, ...] = ()
    later: str = ""


def why_broken(promise: Promise, figures: Figures) -> str:
    """What in `figures` breaks the promise; empty where it is kept."""
    faults = [f"{name} is {figures[name]}, not 0" for name in promise.zero if figures[name]]
    faults += [f"{a} is {figures[a]}, {b} {figures[b]}" for a, b in promise.equal if figures[a] != figures[b]]
    faults += [f"{name} is 0" for name in promise.some if not figures[name]]
    return "; ".join(faults)


def _check_of(module: str, function: str = "check") -> Callable[..., Figures]:
    """A check by name, imported once it is called: the modules are heavy, and some may not be there yet."""

    def check(**budget: int) -> Figures:
        found: Callable[..., Figures] = getattr(import_module(f"tests.proof.{module}"), function)
        return found(*budget.values())

    return check


def _survives(kills: int, evaluations: int, every: int) -> Figures:
    """Kills of the store, kills of whole evaluations, and a failure at each (each `every`-th) disk call."""
    budgets = {"kill_store": kills, "kill_evaluations": evaluations}
    killed = [_check_of("kills", name)(n=n) for name, n in budgets.items() if n]
    disk = _check_of("io_faults")(every=every)
    both = {name: sum(figures[name] for figures in killed) for name in killed[0]}
    damage = {name: disk[name.removeprefix("disk_")] for name in DISK}
    return {**both, "calls": disk["calls"], "runs": disk["runs"], **damage}


PROMISES = (
    Promise(
        "P1",
        "A percentage is shown only if every image was scored exactly once.",
        "{violations:,} violations in {histories:,} random histories of {steps:,} steps "
        "(score, kill, damage, change, resume)",
        _check_of("histories"),
        {"n": 10_000},
        {"n": 30},
        zero=("violations",),
        some=("histories", "steps"),
    ),
    Promise(
        "P2",
        "The predictions are those of a plain timm pipeline, image by image.",
        "{different:,} of {compared:,} predictions differ ({models} models, {images:,} real photographs)",
        _check_of("timm_pipeline"),
        {"n": 1000},
        {"n": 10},
        zero=("different",),
        some=("compared",),
    ),
    Promise(
        "P2b",
        "Published Top-1 is met within 0.10 points.",
        later="an evaluation on ImageNet val, which is not to be had where the checks run",
    ),
    Promise(
        "P3",
        "Kill it at any time: the same command ends with the same bytes.",
        "{kills:,} kills and a failure at each of {calls:,} calls of the disk ({runs:,} runs): "
        "{lost:,} rows lost, {doubled:,} doubled, {different_bytes:,} files different, "
        "{leftovers:,} left over",
        _survives,
        {"kills": 90, "evaluations": 10, "every": 1},
        {"kills": 3, "evaluations": 0, "every": 40},
        zero=(
            "lost",
            "doubled",
            "different_bytes",
            "leftovers",
            "disk_lost",
            "disk_doubled",
            "disk_half_written",
        ),
        some=("kills", "calls", "runs"),
    ),
    Promise(
        "P4",
        "A wrong label order is refused before a model runs.",
        "{refused:,} of {tried:,} wrong orders refused ({relabelled:,} of them named with the right one), "
        "{false_alarms:,} false alarms",
        _check_of("label_orders"),
        {"n": 2_000},
        {"n": 20},
        zero=("false_alarms",),
        equal=(("tried", "refused"),),
        some=("tried",),
    ),
    Promise(
        "P5",
        "A damaged image is named, never replaced.",
        "{found:,} of {flips:,} single flipped bits found with a manifest, "
        "{found_without_manifest:,} without",
        _check_of("image_flips"),
        {"n": 300},
        {"n": 10},
        equal=(("flips", "found"),),
        some=("flips",),
    ),
    Promise(
        "P6",
        "The weights are the ones named: commit and SHA-256.",
        "{found:,} of {flips:,} single flipped bits refused (in the hub's cache, in a package, "
        "between the check and the loading)",
        _check_of("weight_flips"),
        {"n": 100},
        {"n": 10},
        equal=(("flips", "found"),),
        some=("flips",),
    ),
    Promise(
        "P7",
        "With weights in the cache it works with the network cable out.",
        "{requests:,} requests, {connections:,} connections and {lookups:,} names looked up "
        "in {evaluations} evaluations",
        _check_of("network"),
        {"n": 5},
        {"n": 1},
        zero=("requests", "connections", "lookups", "beyond"),
        some=("filling", "evaluations"),
    ),
    Promise(
        "P8",
        "No pickle is opened but the pinned weights of a package, and those for their tensors only.",
        "{call_sites} place in the code can unpickle, {tensors_only} of them restricted to tensors",
        _check_of("pickles"),
        equal=(("call_sites", "tensors_only"), ("call_sites", "wanted")),
        some=("call_sites",),
    ),
    Promise(
        "P9",
        "The app listens on this computer only and sends nothing.",
        "{elsewhere:,} of {requests:,} requests of a browser on {pages} views leave the machine, "
        "{connections:,} connections and {lookups:,} names looked up by the server; {refused} of {callers} "
        "foreign hosts and origins refused, {closed} of {addresses} other addresses closed",
        _check_of("app_alone"),
        {"n": 4},
        {"n": 1},
        zero=("elsewhere", "on_others", "connections", "lookups"),
        equal=(("callers", "refused"), ("addresses", "closed")),
        some=("requests", "pages", "listening", "callers", "own_let_in", "addresses"),
    ),
    Promise(
        "P10",
        "A hostile results file cannot inject, or read other files.",
        "{literal:,} of {wanted:,} texts shown literally ({payloads} payloads, {places} places), "
        "{elements:,} elements made, {ran:,} scripts run, {requests:,} requests caused, {outside:,} paths "
        "opened outside; {disclosed} of {strangers} runs that lead elsewhere show what is there",
        _check_of("hostile_results"),
        {"n": 0},
        {"n": 0},
        zero=("elements", "ran", "requests", "outside", "disclosed"),
        equal=(("wanted", "literal"),),
        some=("wanted", "places", "strangers", "honest"),
    ),
    Promise(
        "P11",
        "Every number can be recomputed without this package.",
        "{different:,} of {numbers:,} numbers differ, by {lines} lines of pandas",
        _check_of("recount"),
        zero=("different",),
        some=("numbers",),
    ),
    Promise(
        "P12",
        "Results of different protocols are never compared or mixed.",
        "{hashes_changed} of {fields} fields change the hash, {refused} of {fields} the verdict "
        "to NOT COMPARABLE; {reused:,} rows reused",
        _check_of("protocols"),
        zero=("reused",),
        equal=(("fields", "hashes_changed"), ("fields", "refused")),
        some=("fields",),
    ),
    Promise(
        "P13",
        "Same machine, same versions, same settings: same bytes.",
        "{different_bytes:,} of {runs} runs differ, with other loader processes too; "
        "other batches and threads change {changed:,} of {images:,} predictions",
        _check_of("same_bytes"),
        {"n": 200},
        {"n": 8},
        zero=("different_bytes", "changed"),
        some=("runs", "settings", "images"),
    ),
    Promise(
        "P14",
        "The tests catch faults that would go unnoticed.",
        "{killed:,} of {mutants:,} faults put into the code turn a test red, for {caught} of {cases} cases "
        "of a wrong number without an error",
        _check_of("mutants"),
        {"n": 0},
        {"n": 4},
        zero=("stale",),
        equal=(("mutants", "killed"), ("cases", "caught")),
        some=("mutants",),
    ),
    Promise(
        "P15",
        "Bad input ends with a sentence and an exit code, not a traceback.",
        "{tracebacks:,} tracebacks, {wrong_codes:,} wrong codes in {cases:,} cases; "
        "the slowest took {slowest_ms:,} ms",
        _check_of("bad_input"),
        {"n": 0},
        {"n": 4},
        zero=("tracebacks", "wordless", "wrong_codes"),
        some=("cases",),
    ),
    Promise(
        "P16",
        "Damaged results are refused, never read.",
        "{found:,} of {flips:,} single flipped bits found",
        _check_of("result_flips"),
        {"n": 300},
        {"n": 10},
        equal=(("flips", "found"),),
        some=("flips",),
    ),
    Promise(
        "P17",
        "A claim that is decided early is decided wrongly in 5 % of the orders at the most.",
        "{wrong:,} of {orders:,} random orders of 50,000 published predictions decide wrongly where "
        "two models do not differ (95 % interval: {wrong_low_permyriad} to {wrong_high_permyriad} "
        "in 10,000), {wrong_1_9:,} and {wrong_4_8:,} at 1.9 and 4.8 points; there half of the orders "
        "are decided within {median_1_9:,} and {median_4_8:,} images",
        _check_of("early_decisions"),
        {"n": 10_000},
        {"n": 200},
        zero=("beyond_alpha", "over_a_tenth"),
        some=("orders",),
    ),
)
