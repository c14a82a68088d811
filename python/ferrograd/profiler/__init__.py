"""Where the time of a program goes: by op, by layer, and on a time line."""

from .profile import Event, Row, profile
