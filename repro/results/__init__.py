"""Runs on disk: the rows of a run, the record of how they came about, the folder that keeps both."""
