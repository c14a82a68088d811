"""Data augmentation (lecture: "Dropout, data augmentation"): batches of images, each image changed in its own random way.

The names and arguments are torchvision's; where torchvision changes a whole batch in one way, each image here gets its
own. A transform takes a batch (N, C, H, W) or one image (C, H, W), an array or a tensor, and returns the same kind, never
writing into what it got. With labels beside, `transform(images, labels)` returns both.

Random numbers come from the call's `generator`, else from the transform's, else from the default one: the same seed gives
the same augmentation, and a generator's state, saved and set again, goes on with it. `DataLoader(…, transform=…)` gives
each batch numbers of its own, so that threads do not change them.
"""

from ._base import Compose, RandomChoice, Transform
from .geometry import (
    CenterCrop, RandomAffine, RandomCrop, RandomHorizontalFlip, RandomRotation, RandomVerticalFlip,
)  # fmt: skip
from .mixing import CutMix, MixUp
from .pixels import GaussianNoise, Normalize, RandomErasing, ToTensor

__all__ = [
    "CenterCrop", "Compose", "CutMix", "GaussianNoise", "MixUp", "Normalize", "RandomAffine", "RandomChoice",
    "RandomCrop", "RandomErasing", "RandomHorizontalFlip", "RandomRotation", "RandomVerticalFlip", "ToTensor",
    "Transform",
]  # fmt: skip
