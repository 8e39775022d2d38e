"""Predictions from elsewhere become a run like any other, and a run's predictions go elsewhere."""
