"""Who scores the images of `repro eval`: this process, several that share a run, or a cluster's actors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from repro.exceptions import UsageError

if TYPE_CHECKING:
    from repro.evaluation.launch import Launch
    from repro.evaluation.plan import Plan, Request
    from repro.evaluation.scoring import Watcher
    from repro.results.record import RunRecord

JoinOption = Annotated[
    str | None,
    typer.Option(
        "--join",
        metavar="NAME",
        help="Share the runs with all processes that say the same NAME; those of torchrun do anyway.",
    ),
]
EngineOption = Annotated[
    str, typer.Option("--engine", help="local (this process), or ray (the actors of a cluster).")
]
RayAddressOption = Annotated[
    str | None,
    typer.Option(
        "--ray-address",
        help="Address of the cluster: auto, HOST:PORT, or local, of this machine alone.  [default: local]",
        show_default=False,
    ),
]

ENGINES = ("local", "ray")


@dataclass(frozen=True, slots=True)
class Engine:
    """What evaluates a plan, and whether this process tells how far that is."""

    evaluate: Callable[[Plan, Watcher], list[RunRecord]]
    speaks: bool = True


def choose_engine(request: Request, name: str, ray_address: str | None, join: str | None) -> Engine:
    """The engine called `name`, shared with the launch that this process is one of.

    Raises:
        UsageError: there is none of that name, or it cannot do what is asked for.
    """
    from repro.evaluation.launch import find_launch

    if name not in ENGINES:
        raise UsageError(f"unknown engine {name!r}; there are {', '.join(ENGINES)}")
    launch = find_launch(join)
    if name == "ray":
        _refuse_on_ray(request, launch)
        return Engine(partial(_evaluate_on_ray, ray_address))
    if ray_address:
        raise UsageError("--ray-address is for --engine ray", hint="--engine ray beside it")
    if launch is None:
        return ALONE
    _refuse_trial(request)
    return Engine(partial(_evaluate_jointly, launch), launch.speaks)


def _evaluate_alone(plan: Plan, watcher: Watcher) -> list[RunRecord]:
    from repro.evaluation.evaluate import evaluate

    return evaluate(plan, watcher)


def _evaluate_jointly(launch: Launch, plan: Plan, watcher: Watcher) -> list[RunRecord]:
    from repro.evaluation.evaluate import evaluate
    from repro.evaluation.joint_pass import JointPass

    return evaluate(plan, watcher, partial(JointPass, launch=launch))


def _evaluate_on_ray(address: str | None, plan: Plan, watcher: Watcher) -> list[RunRecord]:
    from repro.evaluation.ray_engine import THIS_MACHINE, evaluate_on_ray

    return evaluate_on_ray(plan, watcher, address or THIS_MACHINE)


ALONE = Engine(_evaluate_alone)


def _refuse_on_ray(request: Request, launch: Launch | None) -> None:
    """What a cluster's actors have no part in."""
    if launch:
        raise UsageError("--engine ray shares the work itself: start one process, without torchrun or --join")
    if request.precision != "fp32" or request.tune:
        asked = "--tune" if request.tune else f"--precision {request.precision}"
        raise UsageError(
            f"{asked} is not for --engine ray, which computes in fp32",
            hint="torchrun or --join NAME share --precision exact-fast",
        )
    if request.crops:
        raise UsageError(
            "the crop cache is not for --engine ray, whose actors decode for themselves",
            hint="torchrun or --join NAME share it",
        )


def _refuse_trial(request: Request) -> None:
    """A trial takes its times on a machine that does nothing else, and every process must choose the same."""
    if request.tune or request.precision == "auto":
        asked = "--tune" if request.tune else "--precision auto"
        raise UsageError(
            f"{asked} needs a process that is alone; several share a run only where its settings are given",
            hint="--precision exact-fast, --batch-size and --threads instead, the same for all",
        )
