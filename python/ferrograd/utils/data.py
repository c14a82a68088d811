"""`ferrograd.data` under the name that PyTorch gives it: `fg.utils.data.DataLoader`, …"""

from ..data import *
