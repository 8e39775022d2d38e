"""The facts: models, classes, and what papers print. Standard library only, so that it answers at once."""
