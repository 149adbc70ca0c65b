#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Takes a sound from room to room while it plays.

usage: reverb-swap.py [SINK [IR_FILE ...]]
Without files, through the preset rooms and a kernel. Needs python3-gst-1.0.
"""
import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst

SECONDS = 0.5  # in each room, at least


def rooms(files):
    """What to set, one after the other."""
    if files:
        return [("ir-location", file) for file in files]
    return [("preset-room", room) for room in ("small-room", "plate", "cathedral")] + [
        ("kernel", Gst.ValueArray([1.0] + [0.0] * 9600 + [0.5]))  # an echo
    ]


def main(sink="autoaudiosink", *files):
    if "" in files:  # it would take the file away that is not there yet, and no change is ever heard
        sys.exit("reverb-swap.py: the name of an IR_FILE is empty")
    Gst.init(None)
    pipeline = Gst.parse_launch(
        "audiotestsrc wave=saw freq=4 is-live=true samplesperbuffer=480 ! "
        f"convreverb name=reverb ! audioconvert ! {sink}"
    )
    reverb = pipeline.get_by_name("reverb")
    loop = GLib.MainLoop()
    to_come = rooms(files)
    asked = 0
    latest = sounding = None  # what was asked for last, and what is heard
    faults = []

    def heard():
        return reverb.get_property("stats").get_uint64("ir-changes")[1]

    def next_room():
        nonlocal asked, latest, sounding
        if heard() + len(faults) < asked:  # it is being loaded, and the next would take its place
            return GLib.SOURCE_CONTINUE
        sounding = latest
        while to_come and to_come[0] == sounding:  # setting it changes nothing
            to_come.pop(0)
        if not to_come:
            pipeline.send_event(Gst.Event.new_eos())
            return GLib.SOURCE_REMOVE
        name, value = latest = to_come.pop(0)
        asked += 1
        if isinstance(value, str):
            Gst.util_set_object_arg(reverb, name, value)  # as gst-launch-1.0 reads it
        else:
            reverb.set_property(name, value)
        return GLib.SOURCE_CONTINUE

    def on_message(_bus, message):
        nonlocal latest
        if message.type == Gst.MessageType.ERROR:
            faults.append(message.parse_error()[0].message)
            loop.quit()
        elif message.type == Gst.MessageType.WARNING and message.src == reverb:
            # the room stays as it was
            faults.append(message.parse_warning()[0].message)
            latest = sounding
        elif message.type == Gst.MessageType.EOS:
            loop.quit()

    bus = pipeline.get_bus()
    bus.add_signal_watch()
    bus.connect("message", on_message)
    GLib.timeout_add(int(SECONDS * 1000), next_room)
    pipeline.set_state(Gst.State.PLAYING)
    loop.run()
    rooms_heard = heard() + 1
    pipeline.set_state(Gst.State.NULL)
    for fault in faults:
        print(fault, file=sys.stderr)
    print(f"rooms heard: {rooms_heard}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
