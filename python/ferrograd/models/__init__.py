"""Models ready to train: torchvision's and nanoGPT's names and state keys. One family a file."""

from .autoencoder import *
from .bottleneck import *
from .dcgan import *
from .dfsmn import *
from .gpt import *
from .lenet import *
from .rbm import *
from .resnet import *
from .seq2seq import *
from .vgg import *
