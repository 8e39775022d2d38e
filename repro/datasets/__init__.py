"""Labelled ImageNet images, whatever they lie in: folders, tar archives, Parquet shards, a package.

dataset = open_dataset(Path("imagenet/val"))
for sample in dataset.samples:
    image = decode(dataset.read(sample))  # repro.datasets.decode
"""

from repro.datasets.dataset import Dataset
from repro.datasets.recognise import open_dataset
from repro.datasets.sampling import limit

__all__ = ["Dataset", "limit", "open_dataset"]
