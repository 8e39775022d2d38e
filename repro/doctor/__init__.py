"""What can be said about a dataset before any model runs: its images, its labels, its signs of damage."""
