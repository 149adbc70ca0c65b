#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Adds tracks to a mix while it plays, fades each in and out, and takes it away again.

A quiet tone on the left is there from the start to the end and is not disturbed by what the others do.

usage: add-and-remove-tracks.py [--count N] [--every SECONDS] [--length SECONDS] [--sink LAUNCH-LINE] [FILE ...]
  FILE ...  are played in turn; without any, notes of a chord are

Needs python3-gst-1.0, and the element: meson devenv -C build, or GST_PLUGIN_PATH.
"""
import argparse
import pathlib
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstController", "1.0")
from gi.repository import GLib, Gst, GstController  # noqa: E402

CHORD_HZ = (220, 277, 330, 440, 554, 660)
FADE = Gst.SECOND // 5
AHEAD = Gst.SECOND // 10  # a track begins that far in front of the mix, so that it is not late
LOOK_MS = 20


class Track:
    """One source with a pad of the mixer to itself."""

    def __init__(self, player, source, length):
        self.player = player
        # The source counts its time from 0; the offset of the pad moves that to where the mix will be.
        self.start = player.position() + AHEAD
        self.end = self.start + length
        self.bin = Gst.parse_bin_from_description(f"{source} ! audioconvert name=out", False)
        self.bin.add_pad(Gst.GhostPad.new("src", self.bin.get_by_name("out").get_static_pad("src")))
        player.pipeline.add(self.bin)
        self.pad = player.mixer.request_pad_simple("sink_%u")
        self.pad.set_property("pan", 1.0)
        self.pad.set_offset(self.start)
        self.fade()
        self.bin.get_static_pad("src").link(self.pad)
        self.bin.sync_state_with_parent()

    def fade(self):
        """Volume from 0 to 0.5 and back, along the stream time of the mix."""
        curve = GstController.InterpolationControlSource(mode=GstController.InterpolationMode.LINEAR)
        for time, volume in ((self.start, 0), (self.start + FADE, 0.5), (self.end - FADE, 0.5), (self.end, 0)):
            curve.set(time, volume)
        # Not the plain DirectControlBinding: that stretches 0 to 1 over the property's range, 0 to 10.
        self.pad.add_control_binding(GstController.DirectControlBinding.new_absolute(self.pad, "volume", curve))

    def remove(self):
        """Stops the source first, so that it does not push into a pad that has gone."""
        self.bin.set_state(Gst.State.NULL)
        frames = self.pad.get_property("stats").get_uint64("mixed-frames").value
        self.player.pipeline.remove(self.bin)
        self.player.mixer.release_request_pad(self.pad)
        return frames


class Player:
    def __init__(self, sources, options):
        self.sources = sources
        self.length = int(options.length * Gst.SECOND)
        self.every = int(options.every * Gst.SECOND)
        self.next = self.every
        self.tracks = []
        self.failed = False
        self.loop = GLib.MainLoop()
        self.pipeline = Gst.parse_launch(
            "trackmixer name=m max-size-time=100000000 sink_0::volume=0.5 sink_0::pan=-1 ! audio/x-raw,channels=2 ! "
            f"{options.sink} audiotestsrc name=base freq=110 ! m.sink_0")
        self.mixer = self.pipeline.get_by_name("m")
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message", self.on_message)

    def position(self):
        known, time = self.mixer.query_position(Gst.Format.TIME)
        return time if known else 0

    def on_message(self, _bus, message):
        if message.type in (Gst.MessageType.ERROR, Gst.MessageType.WARNING):
            error, details = message.parse_error() if message.type == Gst.MessageType.ERROR else message.parse_warning()
            print(f"{message.src.get_name()}: {error.message} ({details})", file=sys.stderr)
            self.failed = self.failed or message.type == Gst.MessageType.ERROR
        if message.type in (Gst.MessageType.ERROR, Gst.MessageType.EOS):
            self.loop.quit()

    def look(self):
        """Adds and removes what is due. Goes by the time of the mix, which is that of the sound."""
        now = self.position()
        for track in [track for track in self.tracks if track.end < now]:
            self.tracks.remove(track)
            print(f"{now / Gst.SECOND:6.2f} s  - {track.pad.get_name()}, {track.remove()} frames mixed", flush=True)
        if self.sources and now >= self.next:
            self.next = now + self.every
            track = Track(self, self.sources.pop(0), self.length)
            self.tracks.append(track)
            print(f"{now / Gst.SECOND:6.2f} s  + {track.pad.get_name()}", flush=True)
        if self.sources or self.tracks:
            return GLib.SOURCE_CONTINUE
        self.pipeline.send_event(Gst.Event.new_eos())
        return GLib.SOURCE_REMOVE

    def run(self):
        GLib.timeout_add(LOOK_MS, self.look)
        self.pipeline.set_state(Gst.State.PLAYING)
        try:
            self.loop.run()
        finally:
            self.pipeline.set_state(Gst.State.NULL)
        return not self.failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--count", type=int, default=6, help="how many tracks come and go")
    parser.add_argument("--every", type=float, default=1.0, metavar="SECONDS", help="between two that come")
    parser.add_argument("--length", type=float, default=2.5, metavar="SECONDS", help="of each")
    parser.add_argument("--sink", default="audioconvert ! autoaudiosink", metavar="LAUNCH-LINE")
    parser.add_argument("files", nargs="*", metavar="FILE")
    options = parser.parse_args()
    Gst.init(None)
    if Gst.ElementFactory.find("trackmixer") is None:
        parser.exit(1, "There is no trackmixer: set GST_PLUGIN_PATH to where it is.\n")
    if options.files:
        kinds = [f"uridecodebin uri={pathlib.Path(name).resolve().as_uri()}" for name in options.files]
    else:
        kinds = [f"audiotestsrc freq={hz}" for hz in CHORD_HZ]
    sources = [kinds[n % len(kinds)] for n in range(options.count)]
    return 0 if Player(sources, options).run() else 1


if __name__ == "__main__":
    sys.exit(main())
