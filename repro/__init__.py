"""Reproduce a vision paper's numbers, and study its models' errors."""
