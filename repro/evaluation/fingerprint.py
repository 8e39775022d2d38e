"""What "the same run" means: a digest of all that decides the bytes of its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from repro.results.predictions import SCHEMA
from repro.results.record import Numerics
from repro.specs import Protocol, digest


def fingerprint(
    *,
    model: str,
    weights_sha256: str,
    protocol: Protocol,
    listing: str,
    numerics: Numerics,
    environment: Mapping[str, str],
    classes: Sequence[int] = (),
    manner: Mapping[str, str | int] | None = None,
) -> str:
    """Rows are kept, resumed from and reused under this digest only.

    `listing` is that of the samples, `classes` what the arg-max is taken over; empty: all 1000.
    `manner` is how the network is run where that is not plainly in fp32.
    """
    return digest(
        {
            "model": model,
            "weights": weights_sha256,
            "protocol": protocol.hash,
            "listing": listing,
            "numerics": asdict(numerics),
            "environment": dict(environment),
            "rows": SCHEMA.to_string(),
        }
        | ({"classes": list(classes)} if classes else {})
        | ({"manner": dict(manner)} if manner else {})
    )
