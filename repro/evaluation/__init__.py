"""One evaluation, start to end: read `evaluate.py` first."""

import os

# huggingface_hub reads these once, when it is first imported (timm imports it too).
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_HUB_DISABLE_UPDATE_CHECK", "1")
# Plain HTTP: it resumes, and gives up; the Xet client can hang, and fails with bare RuntimeErrors.
os.environ.setdefault("HF_HUB_DISABLE_XET", "1")
# Seconds for an answer, from each of the host's addresses in turn (a silent firewall uses up all of them).
os.environ.setdefault("HF_HUB_ETAG_TIMEOUT", "5")
