"""One evaluation, start to end: read `evaluate.py` first. The only room that knows torch."""
