"""Models ready to train: torchvision's and nanoGPT's names and state keys. One family a file."""

from .autoencoder import *
from .gpt import *
from .lenet import *
from .resnet import *
from .vgg import *
