"""Training a MetaFormer by a recipe: `repro train small --data cifar10`."""
