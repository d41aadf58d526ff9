"""Data: event recordings, question-answering stories, and data made here without downloads.

`read_events` reads a recording of any known format into `Events`; `frame_events` counts events
into frames; `moving_digits` and `make_stories` make labelled data from a seed. See README.md in
this folder.
"""

from neurosim_mapper.data.babi import (
    EncodedQuestions,
    Question,
    Story,
    build_vocabulary,
    encode_questions,
    read_babi,
    write_babi,
)
from neurosim_mapper.data.dataset import FramedSet, frame_recordings, read_labels, write_frames
from neurosim_mapper.data.dvs_camera import CameraOptions, simulate_camera
from neurosim_mapper.data.events import Conventions, Events, ReadOptions
from neurosim_mapper.data.frames import FrameOptions, Frames, frame_events, stack_frames
from neurosim_mapper.data.moving_digits import (
    MOTIONS,
    MovingDigits,
    SceneOptions,
    moving_digits,
    write_recordings,
)
from neurosim_mapper.data.recordings import READERS, guess_format, read_events
from neurosim_mapper.data.stories import make_stories

__all__ = [
    "MOTIONS",
    "READERS",
    "CameraOptions",
    "Conventions",
    "EncodedQuestions",
    "Events",
    "FrameOptions",
    "FramedSet",
    "Frames",
    "MovingDigits",
    "Question",
    "ReadOptions",
    "SceneOptions",
    "Story",
    "build_vocabulary",
    "encode_questions",
    "frame_events",
    "frame_recordings",
    "guess_format",
    "make_stories",
    "moving_digits",
    "read_babi",
    "read_events",
    "read_labels",
    "simulate_camera",
    "stack_frames",
    "write_babi",
    "write_frames",
    "write_recordings",
]
