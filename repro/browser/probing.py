"""Probes on the page of one image: curves, the image at each dose, and a dial for its apparent size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import streamlit as st
from PIL import Image

from repro.browser import runs
from repro.browser.background import make, place_of, submit, watch
from repro.browser.gallery import Card, show_gallery
from repro.browser.photographs import why_none
from repro.browser.texts import plain
from repro.catalogue.classes import class_name
from repro.explain.doses import DOSES
from repro.explain.wanted import PicturesWanted, ProbeWanted, SizeWanted
from repro.reporting.interactive import plotly_text
from repro.reporting.thumbnails import jpeg_uri
from repro.results.probes import AS_IT_IS, BOX, load_probe
from repro.results.record import RunRecord

Row = Mapping[str, Any]

FACTORS = tuple(round(2 ** (step / 4), 3) for step in range(-8, 9))
"""Apparent sizes on the dial, from a quarter to four times."""

ANSWER_S = 3.0
"""So long the page waits for an answer before it shows that it waits."""


def show_probes(record: RunRecord, image_id: str) -> None:
    """One kind of probe of the image: kept, or made behind the page when the reader asks for it."""
    kind = st.segmented_control(
        "Probe", list(DOSES), default="size", required=True, key="probe", bind="query-params"
    )
    probe = kept_probe(record.run_id, image_id, kind)
    if probe is None:
        wanted = ProbeWanted(runs.run_folder(record.run_id), (image_id,), kind, **place_of(record))
        asked = f"asked {record.run_id} {image_id} {kind}"
        if reason := why_none(record):
            st.caption(plain(f"Not probed: {reason}"))
            return
        if st.button(f"Probe its {kind}", key="probe it"):
            st.session_state[asked] = True
        if not st.session_state.get(asked):
            st.caption("Not probed yet. It is kept beside the run.")
            return
        probe = make(wanted, f"probe of {kind}", partial(kept_probe, record.run_id, image_id, kind))
    if probe is not None:
        _show_curves(probe.rows)
        _show_doses(record, image_id, kind, probe)


@dataclass(frozen=True, slots=True)
class KeptProbe:
    """One image's rows, in the order of the doses; `layer` as in `results.probes.Probe`."""

    rows: list[Row]
    layer: str | None

    @property
    def used_boxes(self) -> bool:
        return any(row["focus"] == BOX for row in self.rows)


def kept_probe(run: str, image_id: str, kind: str) -> KeptProbe | None:
    """The probe of the image that is kept; None if there is none."""
    probe = load_probe(runs.run_folder(run), kind, image_id)
    if probe is None:
        return None
    order = {(dose.name, dose.dose): place for place, dose in enumerate(DOSES[kind], 1)}
    rows = sorted(probe.rows.to_pylist(), key=lambda row: order.get((row["intervention"], row["dose"]), 0))
    return KeptProbe(rows, probe.layer)


def _show_curves(rows: Sequence[Row]) -> None:
    as_it_is = next(row for row in rows if row["intervention"] == AS_IT_IS)
    label, predicted = class_name(as_it_is["label"]), class_name(as_it_is["predicted"])
    steps = [plotly_text(_step(row)) for row in rows]
    curves = [(f"p of {label} (true)", "p_label")]
    if label != predicted:
        curves.append((f"p of {predicted} (predicted)", "p_predicted"))
    data = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": name,
            "x": steps,
            "y": [row[key] for row in rows],
        }
        for name, key in curves
    ]
    layout = {
        "yaxis": {"range": [0, 1], "title": {"text": "probability"}},
        "height": 340,
        "hovermode": "x unified",
        "legend": {"orientation": "h", "y": 1.15},
        "margin": {"t": 30},
    }
    st.plotly_chart({"data": data, "layout": layout}, key="curves", theme="streamlit")


def _show_doses(record: RunRecord, image_id: str, kind: str, probe: KeptProbe) -> None:
    if reason := why_none(record):
        st.caption(plain(f"No pictures of it: {reason}"))
        return
    if probe.used_boxes:  # the pictures would be of what a heat map takes for the object
        st.caption("No pictures of it: a file of boxes said where the object is, and it is not known here.")
        return
    folder, place = runs.run_folder(record.run_id), place_of(record)
    job = submit(PicturesWanted(folder, image_id, kind, layer=probe.layer, **place))
    job.wait(ANSWER_S)
    if not watch([job], "the image at each dose"):
        return
    crops = {(dose.name, dose.dose): crop for dose, crop in job.result}
    cards = [
        Card(
            href="",
            title=_step(row),
            lines=(_answer(row),),
            models=(),
            src=jpeg_uri(Image.fromarray(crop), len(crop)),
            alt=_step(row),
        )
        for row in probe.rows
        if (crop := crops.get((row["intervention"], row["dose"]))) is not None
    ]
    show_gallery(cards, "doses", width_px=150)


def _step(row: Row) -> str:
    return AS_IT_IS if row["intervention"] == AS_IT_IS else f"{row['intervention']} {row['dose']:.3g}"


def _answer(row: Row) -> str:
    if row["top1"] is None:
        return "no finite answer"
    mark = "right" if row["top1"] == row["label"] else "wrong"
    return f"{mark}: {class_name(row['top1'])}; p of the true class {100 * row['p_label']:.1f} %"


def show_size_dial(record: RunRecord, image_id: str) -> None:
    """The image at any apparent size, and what the network answers then: asked anew at each turn."""
    if not st.toggle("Ask the network live", key="live", bind="query-params"):
        st.caption("The first answer takes some seconds: the network is opened behind the page.")
        return
    if reason := why_none(record):
        st.caption(plain(f"The network cannot be asked: {reason}"))
        return
    factor = st.select_slider(
        "Apparent size (times its own)", FACTORS, value=1.0, key="size", bind="query-params"
    )
    wanted = SizeWanted(runs.run_folder(record.run_id), image_id, float(factor), **place_of(record))
    job = submit(wanted)
    job.wait(ANSWER_S)
    if not watch([job], "apparent size"):
        return
    seen = job.result
    left, right = st.columns([1, 2])
    left.image(seen.crop, caption=plain(f"what the network sees ({seen.intervention})"))
    with right:
        if not seen.top5:
            st.warning("The network's answer is not finite.")
            return
        st.markdown(f"**{plain(class_name(seen.top5[0][0]))}**")
        for index, p in seen.top5:
            st.progress(min(max(p, 0.0), 1.0), plain(f"{class_name(index)} {100 * p:.1f} %"))
        st.caption(
            f"p of the true class {100 * seen.p_label:.1f} %, of the class predicted as it is "
            f"{100 * seen.p_predicted:.1f} %"
        )
