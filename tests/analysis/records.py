"""Records of runs that never were, for tests: a model, how many images it got right, and what is unusual."""

from dataclasses import replace

from repro.catalogue.models import find_model
from repro.catalogue.test_sets import find_test_set
from repro.results.record import (
    Complexity,
    DatasetRecord,
    MacsCount,
    ModelRecord,
    Numerics,
    RunRecord,
    Summary,
    WeightsRecord,
)
from repro.specs import ModelSpec, Protocol

N_VAL = 50_000


def complexity_of(spec: ModelSpec, *counters: str) -> Complexity:
    """The catalogue's own counts, by all its counters or only by `counters`."""
    macs = {
        name: MacsCount(n, name, "1", {}) for name, n in spec.macs.items() if name in (counters or spec.macs)
    }
    return Complexity(str(spec.timm_name), spec.protocols["authors"].size_px, int(spec.params or 0), macs)


def run_of(
    model: str,
    top1_correct: int,
    *,
    n: int = N_VAL,
    partial: str = "",
    test_set: str = "",
    invalid: str = "",
    protocol: Protocol | None = None,
    protocol_name: str = "authors",
    origin: str = "hub",
    started: str = "2026-08-01T12:00:00+00:00",
) -> RunRecord:
    """A run of a model of the catalogue; on fewer images than ImageNet val or `test_set` has, it says so."""
    spec = find_model(model)
    n_expected = find_test_set(test_set).n_images if test_set else N_VAL
    if n < n_expected and not partial:
        partial = f"{n:,} of {n_expected:,} images, 1000 of 1000 classes"
    return RunRecord(
        run_id=f"{spec.name}-{test_set or 'imagenet-val'}-{protocol_name}-{started}",
        fingerprint="f" * 64,
        model=ModelRecord(
            spec.name,
            spec.label,
            spec.token_mixer,
            str(spec.timm_name),
            WeightsRecord(origin, f"timm/{spec.tag}", "0" * 40, "0" * 64, "catalogue"),
        ),
        protocol_name=protocol_name,
        protocol=protocol or spec.protocols[protocol_name],
        dataset=DatasetRecord(
            test_set or "imagenet-val",
            "class folders",
            "/data/val",
            n,
            n_expected,
            1000,
            partial,
            "folder names",
            "d" * 64,
            "not verified",
            test_set,
            find_test_set(test_set).classes if test_set else (),
        ),
        numerics=Numerics("cpu", "x86_64", "float32", False, 2, 16),
        complexity=complexity_of(spec),
        summary=Summary(n, n, top1_correct, top1_correct, invalid),
        environment={},
        code={},
        arguments=(),
        started=started,
        seconds=1.0,
    )


def with_summary(run: RunRecord, **changes: object) -> RunRecord:
    return replace(run, summary=replace(run.summary, **changes))
