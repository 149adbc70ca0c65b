// SPDX-License-Identifier: LGPL-2.1-or-later
// One scene with two mixers.
#include "comparison.hpp"

#include <optional>
#include <utility>

#include "glue/buffermap.hpp"

namespace mt::test {

namespace {

std::string time_text (GstClockTime time)
{
  return GST_CLOCK_TIME_IS_VALID (time) ? std::to_string (time) : "none";
}

std::string text_and_free (gchar *text)
{
  std::string out {text};
  g_free (text);
  return out;
}

/// FNV-1a
std::uint64_t sum_of (std::span<const std::uint8_t> bytes)
{
  std::uint64_t sum = 0xCBF29CE484222325U;
  for (const auto byte : bytes)
    sum = (sum ^ byte) * 0x100000001B3U;
  return sum;
}

} // namespace

std::string segment_text (const GstSegment &segment)
{
  return std::string {gst_format_get_name (segment.format)} + " rate " +
      std::to_string (segment.rate) + " start " + time_text (segment.start) + " stop " +
      time_text (segment.stop) + " time " + time_text (segment.time) + " base " +
      time_text (segment.base) + " offset " + time_text (segment.offset) + " flags " +
      std::to_string (segment.flags);
}

Scene::Scene (const char *factory, const std::string &without, bool force_live)
    : LiveBed {factory, force_live}, theirs_ {factory != std::string {"trackmixer"}},
      without_ {without}, src_ {gst_element_get_static_pad (bed.element, "src")}
{
  gst_pad_add_probe (
      src_,
      static_cast<GstPadProbeType> (GST_PAD_PROBE_TYPE_BUFFER |
          GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM | GST_PAD_PROBE_TYPE_EVENT_FLUSH),
      [] (GstPad *, GstPadProbeInfo *info, gpointer data) {
        auto &self = *static_cast<Scene *> (data);
        if (info->type & GST_PAD_PROBE_TYPE_BUFFER)
          self.write_buffer (GST_PAD_PROBE_INFO_BUFFER (info));
        else
          self.write_event (GST_PAD_PROBE_INFO_EVENT (info));
        return GST_PAD_PROBE_OK;
      },
      this, nullptr);
}

Scene::~Scene ()
{
  bed.stop (); // before its feeders go
  tracks_.clear ();
  gst_object_unref (src_);
}

Feeder &Scene::track (const Format &format, const char *name)
{
  tracks_.push_back (std::make_unique<Feeder> (bed, format, name));
  Feeder &feeder = *tracks_.back ();
  pushed_[&feeder] = {static_cast<unsigned> (tracks_.size ()), 0};
  gst_pad_add_probe (
      feeder.src, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM,
      [] (GstPad *, GstPadProbeInfo *info, gpointer data) {
        if (GstEvent *event = GST_PAD_PROBE_INFO_EVENT (info);
            GST_EVENT_TYPE (event) == GST_EVENT_SEGMENT) {
          auto &self = *static_cast<Scene *> (data);
          const std::lock_guard lock {self.mutex_};
          self.seqnums_.emplace (gst_event_get_seqnum (event), "a track's segment");
        }
        return GST_PAD_PROBE_OK;
      },
      this, nullptr);
  return feeder;
}

Samples Scene::audio (Feeder &feeder, std::int64_t frames)
{
  auto &[seed, at] = pushed_.at (&feeder);
  const auto channels = static_cast<std::int64_t> (feeder.format.channels);
  const Samples all = noise (static_cast<std::size_t> ((at + frames) * channels), seed);
  const Samples out {all.begin () + at * channels, all.end ()};
  at += frames;
  return out;
}

GstFlowReturn Scene::push (Feeder &feeder, const Piece &piece)
{
  return feeder.push (audio (feeder, piece.frames), piece.frame, piece.flags);
}

void Scene::feed (Feeder &feeder, std::vector<Piece> pieces, const GstSegment *segment)
{
  std::vector<Samples> samples;
  for (const Piece &piece : pieces)
    samples.push_back (audio (feeder, piece.frames));
  const std::optional<GstSegment> own =
      segment ? std::optional<GstSegment> {*segment} : std::nullopt;
  feeder.run ([pieces = std::move (pieces), samples = std::move (samples), own,
                  up = stamps_rounded_up] (Feeder &self) {
    self.begin (own ? &*own : nullptr);
    for (std::size_t n = 0; n < pieces.size (); ++n) {
      GstBuffer *buffer = self.make (samples[n], pieces[n].frame, pieces[n].flags);
      if (up)
        GST_BUFFER_PTS (buffer) =
            gst_util_uint64_scale_ceil (static_cast<guint64> (pieces[n].frame), GST_SECOND,
                static_cast<guint64> (self.format.rate_hz));
      gst_pad_push (self.src, buffer);
    }
    self.end ();
  });
}

void Scene::begin_with_chunks (Feeder &track, std::int64_t chunks)
{
  track.begin ();
  push (track, {0, chunks * kChunkFrames});
}

std::vector<Feeder *> Scene::tracks_at (std::size_t count, std::int64_t chunks)
{
  std::vector<Feeder *> tracks;
  for (std::size_t n = 0; n < count; ++n)
    tracks.push_back (&track ());
  bed.play ();
  for (Feeder *track : tracks)
    begin_with_chunks (*track, chunks);
  wait_for_chunks (static_cast<std::size_t> (chunks));
  return tracks;
}

void Scene::go_on (Feeder &track, std::int64_t frame, std::int64_t frames)
{
  const Samples rest = audio (track, frames);
  track.run ([rest, frame] (Feeder &self) {
    self.push (rest, frame);
    self.end ();
  });
}

void Scene::wait_for_chunks (std::size_t count)
{
  fail_unless (bed.sink.wait_for_chunks (count), "%s: %zu chunks and not %zu",
      GST_OBJECT_NAME (bed.element), bed.sink.chunk_count (), count);
}

void Scene::finish ()
{
  fail_unless (bed.sink.wait_for_eos (), "%s does not end", GST_OBJECT_NAME (bed.element));
  for (const auto &track : tracks_)
    track->join ();
}

bool Scene::differs (const char *why)
{
  if (theirs_)
    differences.insert (why);
  return theirs_ && without_ != why;
}

void Scene::name_seqnum (guint32 seqnum, const std::string &name)
{
  const std::lock_guard lock {mutex_};
  seqnums_[seqnum] = name;
}

std::string Scene::seqnum_of (GstEvent *event)
{
  const auto at = seqnums_.find (gst_event_get_seqnum (event));
  return " seqnum: " + (at == seqnums_.end () ? "its own" : at->second);
}

void Scene::write_buffer (GstBuffer *buffer)
{
  const mt::glue::BufferMap<GST_MAP_READ> map {buffer};
  fail_unless (static_cast<bool> (map));
  const auto bytes = map.as<std::uint8_t> ();
  std::string line = std::string {"buffer at "} + time_text (GST_BUFFER_PTS (buffer)) + " for " +
      time_text (GST_BUFFER_DURATION (buffer)) + " frames " +
      std::to_string (GST_BUFFER_OFFSET (buffer)) + " to " +
      std::to_string (GST_BUFFER_OFFSET_END (buffer)) + " bytes " + std::to_string (bytes.size ());
  for (const auto &[flag, name] : {std::pair {GST_BUFFER_FLAG_DISCONT, " DISCONT"},
           {GST_BUFFER_FLAG_GAP, " GAP"}, {GST_BUFFER_FLAG_RESYNC, " RESYNC"},
           {GST_BUFFER_FLAG_MARKER, " MARKER"}, {GST_BUFFER_FLAG_HEADER, " HEADER"}})
    if (GST_BUFFER_FLAG_IS_SET (buffer, flag))
      line += name;
  const auto is_set = [] (std::uint8_t byte) { return byte != 0; };
  const auto first = std::find_if (bytes.begin (), bytes.end (), is_set);
  if (first == bytes.end ())
    line += ": silence";
  else
    line += std::string {": from byte "} + std::to_string (first - bytes.begin ()) + " sum " +
        std::to_string (sum_of (bytes));
  const std::lock_guard lock {mutex_};
  sent_.push_back (line);
}

void Scene::write_event (GstEvent *event)
{
  const std::lock_guard lock {mutex_};
  std::string line = GST_EVENT_TYPE_NAME (event);
  switch (GST_EVENT_TYPE (event)) {
  case GST_EVENT_STREAM_START: {
    guint group = 0;
    line += gst_event_parse_group_id (event, &group) ? " with a group" : "";
    break;
  }
  case GST_EVENT_CAPS: {
    GstCaps *caps = nullptr;
    gst_event_parse_caps (event, &caps);
    line.append (" ").append (text_and_free (gst_caps_to_string (caps)));
    break;
  }
  case GST_EVENT_SEGMENT: {
    const GstSegment *segment = nullptr;
    gst_event_parse_segment (event, &segment);
    line.append (" ").append (segment_text (*segment)).append (seqnum_of (event));
    break;
  }
  case GST_EVENT_SEGMENT_DONE: {
    GstFormat format = GST_FORMAT_UNDEFINED;
    gint64 position = -1;
    gst_event_parse_segment_done (event, &format, &position);
    line += std::string {" "} + gst_format_get_name (format) + " " + std::to_string (position) +
        seqnum_of (event);
    break;
  }
  case GST_EVENT_FLUSH_STOP: {
    gboolean reset = FALSE;
    gst_event_parse_flush_stop (event, &reset);
    line += (reset ? " resets the time" : "") + seqnum_of (event);
    break;
  }
  default:
    if (const GstStructure *content = gst_event_get_structure (event))
      line.append (" ").append (text_and_free (gst_structure_to_string (content)));
    line += seqnum_of (event);
  }
  sent_.push_back (line);
}

Lines Scene::sent ()
{
  const std::lock_guard lock {mutex_};
  return sent_;
}

void Scene::edit (const std::function<void (Lines &)> &change)
{
  const std::lock_guard lock {mutex_};
  change (sent_);
}

/// Those that say something of the stream; the words of errors and warnings are ours.
Lines Scene::messages ()
{
  Lines out;
  constexpr auto kTypes = static_cast<GstMessageType> (GST_MESSAGE_ERROR | GST_MESSAGE_WARNING |
      GST_MESSAGE_INFO | GST_MESSAGE_QOS | GST_MESSAGE_TAG | GST_MESSAGE_ELEMENT | GST_MESSAGE_EOS |
      GST_MESSAGE_SEGMENT_START | GST_MESSAGE_SEGMENT_DONE | GST_MESSAGE_DURATION_CHANGED);
  while (GstMessage *message = gst_bus_pop_filtered (bed.bus, kTypes)) {
    std::string line = std::string {"message "} + GST_MESSAGE_TYPE_NAME (message) + " of " +
        (GST_IS_PAD (GST_MESSAGE_SRC (message)) ? GST_OBJECT_NAME (GST_MESSAGE_SRC (message))
                                                : "the mixer");
    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_QOS)
      line.append (" ").append (
          text_and_free (gst_structure_to_string (gst_message_get_structure (message))));
    out.push_back (line);
    gst_message_unref (message);
  }
  return out;
}

namespace {

void add_group (Lines &lines)
{
  for (std::string &line : lines)
    if (line == "stream-start")
      line += " with a group";
}

void add_channel_mask (Lines &lines)
{
  for (std::string &line : lines)
    if (line.starts_with ("caps") && line.find ("channels=(int)2") != std::string::npos &&
        line.find ("channel-mask") == std::string::npos)
      line += ", channel-mask=(bitmask)0x0000000000000003";
}

void add_discont (Lines &lines)
{
  bool first = false;
  for (std::string &line : lines) {
    if (line.starts_with ("stream-start") || line.starts_with ("flush-stop"))
      first = true;
    if (line.starts_with ("buffer") && std::exchange (first, false))
      line.insert (line.find_first_of (" :", line.find ("bytes ") + 6), " DISCONT");
  }
}

/// Not what audiomixer sends, in any scene.
const struct {
  const char *why;
  void (*change) (Lines &);
} kEverywhere[] {
    {"STREAM_START has a group id, as sinks of several streams want it", add_group},
    {"the caps say what the two channels of stereo are", add_channel_mask},
    {"the first chunk of a stream or behind a flush is marked DISCONT", add_discont},
};

} // namespace

Lines Scene::account ()
{
  Lines out = sent ();
  for (const auto &[why, change] : kEverywhere)
    if (theirs_ && without_ != why)
      change (out);
  for (const Lines &more : {notes, messages (), added_})
    out.insert (out.end (), more.begin (), more.end ());
  return out;
}

// --- both

namespace {

struct Account {
  Lines lines;
  std::set<std::string> differences;
};

Account played (const Comparison &comparison, const char *factory, const std::string &without = {})
{
  Scene scene {factory, without, comparison.force_live};
  comparison.play (scene);
  return {scene.account (), scene.differences};
}

/// Both accounts from some lines before the first difference on.
std::string difference (const Lines &theirs, const Lines &ours)
{
  std::size_t at = 0;
  while (at < theirs.size () && at < ours.size () && theirs[at] == ours[at])
    ++at;
  std::string out;
  for (std::size_t n = at < 2 ? 0 : at - 2; n < at; ++n)
    out += "both        " + theirs[n] + "\n";
  for (std::size_t n = at; n < at + 4; ++n) {
    out += "audiomixer  " + (n < theirs.size () ? theirs[n] : "(nothing)") + "\n";
    out += "trackmixer  " + (n < ours.size () ? ours[n] : "(nothing)") + "\n";
  }
  return out;
}

} // namespace

void compare (const Comparison &comparison)
{
  const Account ours = played (comparison, "trackmixer");
  fail_if (ours.lines.empty ());
  if (kMixers == 1 || (kSanitized && comparison.they_leak))
    return;
  const Account theirs = played (comparison, "audiomixer");
  fail_unless (theirs.lines == ours.lines, "%s:\n%s", comparison.name,
      difference (theirs.lines, ours.lines).c_str ());
  for (const std::string &why : theirs.differences)
    fail_if (played (comparison, "audiomixer", why).lines == ours.lines,
        "%s: this is no difference any more: %s", comparison.name, why.c_str ());
}

void check_what_differs_everywhere (const Comparison &comparison)
{
  for (const auto &[why, change] : kEverywhere)
    fail_unless (kMixers == 1 ||
            played (comparison, "audiomixer", why).lines != played (comparison, "trackmixer").lines,
        "this is no difference any more: %s", why);
}

void replace_in (Lines &lines, const std::string &b, const std::string &a)
{
  for (std::string &line : lines)
    if (const auto at = line.find (b); at != std::string::npos)
      line.replace (at, b.size (), a);
}

} // namespace mt::test
