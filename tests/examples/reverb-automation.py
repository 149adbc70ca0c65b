#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Plays a file in a room that comes and goes: `wet` follows a curve.

usage: reverb-automation.py [FILE] [SINK]
Without a file, or with -, clicks; without a sink, autoaudiosink. Needs python3-gst-1.0.
"""
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstController", "1.0")
from gi.repository import Gst, GstController

CURVE = [(0.0, 0.0), (1.0, 0.8), (2.0, 0.0)]  # seconds, wet


def main(file="-", sink="autoaudiosink"):
    Gst.init(None)
    source = "audiotestsrc wave=saw freq=2 samplesperbuffer=480 num-buffers=250"
    if file != "-":
        source = 'filesrc name=file ! decodebin ! audioconvert ! audioresample'
    pipeline = Gst.parse_launch(
        f"{source} ! convreverb name=reverb preset-room=hall ! audioconvert ! {sink}"
    )
    if file != "-":
        pipeline.get_by_name("file").set_property("location", file)
    reverb = pipeline.get_by_name("reverb")

    # Absolute: the values of the curve are those of the property, and not 0 to 1 of its range.
    curve = GstController.InterpolationControlSource(mode=GstController.InterpolationMode.LINEAR)
    for seconds, wet in CURVE:
        curve.set(int(seconds * Gst.SECOND), wet)
    reverb.add_control_binding(
        GstController.DirectControlBinding.new_absolute(reverb, "wet", curve)
    )

    pipeline.set_state(Gst.State.PLAYING)
    bus = pipeline.get_bus()
    message = bus.timed_pop_filtered(
        Gst.CLOCK_TIME_NONE, Gst.MessageType.EOS | Gst.MessageType.ERROR
    )
    wet = reverb.get_property("wet")
    pipeline.set_state(Gst.State.NULL)
    if message.type == Gst.MessageType.ERROR:
        print(message.parse_error()[0].message, file=sys.stderr)
        return 1
    print(f"wet at the end: {wet:g}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
