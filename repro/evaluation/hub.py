"""The Hugging Face hub: a file of it, or at once one line that says why there is none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.catalogue.cache import hub_cache
from repro.exceptions import ReproError, StorageError, Unavailable, WeightsRefused
from repro.specs import HubWeights

if TYPE_CHECKING:
    from huggingface_hub import HfFileMetadata
    from huggingface_hub.errors import HfHubHTTPError


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of the hub that `model` needs. No token is ever sent: the weights are public.

    Both methods raise:
        Unavailable: the hub cannot be reached, or not now.
        WeightsRefused: the hub does not have the file, or sends something else.
        StorageError: the cache cannot be written.
    """

    weights: HubWeights
    model: str

    def download(self) -> Path:
        """Brings the file into the cache, with a progress bar on stderr."""
        from huggingface_hub import hf_hub_download

        with self._one_line_errors("are not in the cache"):
            # Asks once; hf_hub_download by itself would go on asking for most of a minute.
            self._ask(self.weights.revision)
            weights = self.weights
            path = hf_hub_download(weights.repo_id, weights.filename, revision=weights.revision, token=False)
            return Path(path)

    def published_hash(self, commit: str) -> str:
        """The hash by which the hub knows the file's content at `commit`."""
        with self._one_line_errors("are in a cache that does not tell their hash"):
            return self._ask(commit).etag or ""

    def _ask(self, revision: str) -> HfFileMetadata:
        from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url

        _end_at_rate_limits()
        url = hf_hub_url(self.weights.repo_id, self.weights.filename, revision=revision)
        answer = get_hf_file_metadata(url, token=False)
        if answer.commit_hash is None:
            raise WeightsRefused(
                f"weights of {self.model}: {constants.ENDPOINT} does not answer like a hub; "
                "is it the page of a proxy, or of a log-in?"
            )
        return answer

    @contextmanager
    def _one_line_errors(self, need: str) -> Iterator[None]:
        """`need` says why the hub is asked."""
        from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]  # of its own HTTP library

        try:
            yield
        except (OSError, HTTPError) as error:
            error_type, reason = _explain(error, self.weights)
            later = f"repro fetch {self.model}  # where the hub can be reached"
            raise error_type(
                f"weights of {self.model} {need} ({hub_cache()}), and {reason}",
                hint=later if error_type is Unavailable else "",
            ) from error


def _explain(error: Exception, weights: HubWeights) -> tuple[type[ReproError], str]:
    """What a request ended with, in words of ours; where there is a cause, it speaks for itself."""
    from huggingface_hub import constants
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    reason = (str(error.__cause__ or error) or type(error).__name__).splitlines()[0]
    match error:
        case OfflineModeIsEnabled():
            return Unavailable, "HF_HUB_OFFLINE forbids to ask the hub"
        case HfHubHTTPError():
            return _explain_answer(error, weights)
        case OSError(errno=int()):
            return StorageError, f"the cache cannot be written ({reason})"
        case OSError() if not isinstance(error, LocalEntryNotFoundError):
            return WeightsRefused, f"the hub sends something else ({reason})"  # the reason tells both lengths
        case _:
            return Unavailable, f"the hub cannot be reached ({constants.ENDPOINT}: {reason})"


def _explain_answer(error: HfHubHTTPError, weights: HubWeights) -> tuple[type[ReproError], str]:
    from huggingface_hub.errors import RemoteEntryNotFoundError

    status = error.response.status_code
    if status == 429 or status >= 500:
        wait = error.response.headers.get("Retry-After")
        pause = f"; it asks to wait {wait} s" if wait else ""
        return Unavailable, f"the hub does not give them out now (HTTP {status}{pause})"
    if isinstance(error, RemoteEntryNotFoundError):
        return WeightsRefused, f"{weights.repo_id} has no {weights.filename}; only safetensors are loaded"
    return WeightsRefused, f"the hub has no public repository {weights.repo_id} (HTTP {status})"


def _end_at_rate_limits() -> None:
    """Makes HTTP 429 an error: the client would sleep for as long as Retry-After says, be it a day."""
    from huggingface_hub import get_session
    from huggingface_hub.errors import HfHubHTTPError

    def end(response: Any) -> None:
        if response.status_code == 429:
            raise HfHubHTTPError("rate limited", response=response)

    session = get_session()
    session.event_hooks = {**session.event_hooks, "response": [end]}
