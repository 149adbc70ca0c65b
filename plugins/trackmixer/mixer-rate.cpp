// SPDX-License-Identifier: LGPL-2.1-or-later
// A change of the mix's rate while it plays: the time line goes on in other frames, and so does all
// that is queued.
#include "mixer.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <utility>

#include "converter.hpp"

GST_DEBUG_CATEGORY_EXTERN (gst_track_mixer_debug);
#define GST_CAT_DEFAULT gst_track_mixer_debug

namespace mt::trackmixer {

namespace {

/// What is queued of one track, on its way from one rate to another.
class Requeue {
public:
  /// `shift` is what is added to the track's own time.
  Requeue (const Track &track, const RateChange &change, GstAudioInfo info, Frames shift)
      : change_ {change}, info_ {info}, shift_ {shift}, config_ {track.copy_converter_config ()}
  {}
  ~Requeue ()
  {
    if (config_)
      gst_structure_free (config_);
  }
  Requeue (const Requeue &) = delete;
  Requeue &operator= (const Requeue &) = delete;

  /// Takes an item whose start is in the track's own time.
  void add (QueueItem item)
  {
    switch (item.kind) {
    case QueueItem::Kind::audio:
      resample (item);
      return;
    case QueueItem::Kind::lost:
      drain ();
      lose (item);
      return;
    case QueueItem::Kind::format:
      if (GstAudioInfo info; gst_audio_info_from_caps (&info, GST_CAPS (item.object))) {
        if (!stage_ || !stage_->go_on_with (info))
          end_run ();
        info_ = info;
      }
      item.drop ();
      item.object = to_caps ();
      break;
    case QueueItem::Kind::mark:
      end_run ();
      shift_ = 0;
      break;
    case QueueItem::Kind::event:
      break;
    }
    items.push_back (item);
  }

  /// What comes next does not continue the audio.
  void end_run ()
  {
    drain ();
    stage_.reset ();
  }

  /// Whether audio of this format continues what is queued; what is only begins with it if that is
  /// nothing.
  [[nodiscard]] bool goes_on_with (const GstAudioInfo &info)
  {
    if (!stage_) {
      info_ = info;
      make_stage ();
    }
    return stage_ && stage_->go_on_with (info);
  }
  std::unique_ptr<TrackResampler> take_stage () { return std::move (stage_); }
  /// Where the audio goes on that is still in it; none: nothing is.
  [[nodiscard]] std::optional<Frames> open_end () const noexcept
  {
    if (stage_ && stage_->running ())
      return stage_->next_out () + shift_;
    return {};
  }
  [[nodiscard]] GstAudioInfo output () const noexcept
  {
    GstAudioInfo to;
    gst_audio_info_set_format (&to, GST_AUDIO_FORMAT_F32, change_.to_hz, info_.channels,
        GST_AUDIO_INFO_IS_UNPOSITIONED (&info_) ? nullptr : info_.position);
    return to;
  }
  [[nodiscard]] const GstStructure *config () const noexcept { return config_; }

  std::vector<QueueItem> items;

private:
  [[nodiscard]] GstMiniObject *to_caps () const
  {
    GstAudioInfo to = output ();
    return GST_MINI_OBJECT_CAST (gst_audio_info_to_caps (&to));
  }

  void make_stage ()
  {
    stage_ = std::make_unique<TrackResampler> ();
    if (!info_.finfo || !stage_->set_up (info_, change_.to_hz, config_))
      stage_.reset ();
  }

  void resample (QueueItem item)
  {
    const auto bpf = static_cast<std::size_t> (GST_AUDIO_INFO_BPF (&info_));
    if (!stage_)
      make_stage ();
    if (!stage_ || item.bytes / bpf < static_cast<std::size_t> (item.frames)) {
      lose (item);
      return;
    }
    GstBuffer *buffer = GST_BUFFER (item.object);
    if (const auto used = item.bytes / bpf - static_cast<std::size_t> (item.frames); used > 0)
      buffer = gst_audio_buffer_truncate (
          buffer, static_cast<gint> (bpf), used, static_cast<gsize> (item.frames));
    if (!buffer) {
      item.object = nullptr;
      lose (item);
      return;
    }
    if (!stage_->continues (item.start)) {
      drain ();
      stage_->begin_run (item.start);
    }
    put (stage_->resample (buffer, item.frames));
  }

  void lose (QueueItem item)
  {
    item.drop ();
    item.kind = QueueItem::Kind::lost;
    item.bytes = 0;
    const Frames end = change_ (item.end ());
    item.start = change_ (item.start);
    item.frames = end - item.start;
    put (item);
  }

  /// The last frame of a run is rounded up each time; here it would add up from change to change.
  void drain ()
  {
    if (!stage_ || !stage_->running ())
      return;
    const Frames end = change_ (stage_->next_in ());
    QueueItem rest = stage_->drain ();
    rest.frames = std::min (rest.frames, end - rest.start);
    if (rest.frames <= 0)
      rest.drop ();
    else
      rest.bytes = static_cast<std::size_t> (rest.frames * output ().bpf);
    put (rest);
  }

  void put (QueueItem item)
  {
    if (item.frames <= 0)
      return;
    item.start += shift_;
    items.push_back (item);
  }

  const RateChange change_;
  GstAudioInfo info_;
  Frames shift_;
  GstStructure *config_;
  std::unique_ptr<TrackResampler> stage_;
};

} // namespace

/// What the track has brought goes on at the new rate, and so does what it will bring.
void Mixer::change_rate_of (Track &track, const RateChange &change, Frames position_before)
{
  std::unique_lock lock {track.rate_mutex};
  if (track.rate_hz.load () != change.from_hz) {
    // It has nothing yet, or was new and has met the new rate already.
    track.queue.update_need (position_ + 1, mix_begin_);
    return;
  }
  auto &mix = track.mix;
  mix.unmap ();
  const auto was = track.queue.take_all (mix.held, mix.flushed);
  if (!mix.flushed.empty ())
    mix.forget (mix.flushed);
  mix.prepared.clear (); // with their items they come again
  track.conversion.end_fade (track.converted);
  if (track.conversion.is_too_long ())
    track.conversion.drain (track.converted);
  mix.held.insert (mix.held.end (), track.converted.begin (), track.converted.end ());
  track.converted.clear ();

  // So that what begins where the mix is begins there again: both are rounded to a frame.
  const Frames own_shift = was.has_marks ? 0 : was.shift;
  const Frames shift = change (position_before) - change (position_before - own_shift);
  Requeue requeue {track, change, mix.format.info, shift};
  if (mix.format.info.finfo)
    mix.format.info = requeue.output (); // its converter is made with the output's caps
  for (QueueItem &item : mix.held) {
    item.start -= own_shift;
    requeue.add (item);
  }
  mix.held.clear ();

  const GstAudioInfo &info = track.feeder_info;
  // What comes next is of the rate of the queue, or is brought to it.
  const bool continues = info.finfo && !was.ended &&
      (track.conversion.active ()
              ? track.conversion.running () && requeue.goes_on_with (track.conversion.output ())
              : requeue.goes_on_with (info));
  if (!continues)
    requeue.end_run ();
  track.queue.put_back (requeue.items, change, shift, requeue.open_end ());
  track.rate_hz.store (change.to_hz);
  if (!info.finfo)
    return;
  track.format_pending = true;
  bool possible = true;
  if (auto last = continues ? requeue.take_stage () : nullptr; last) {
    track.conversion.continue_by (std::move (last), info, change.to_hz, requeue.config ());
    possible = track.conversion.active ();
  } else if (info.rate == change.to_hz) {
    track.conversion.off ();
  } else {
    possible = track.conversion.set_up (info, change.to_hz, requeue.config ());
  }
  if (possible)
    return;
  track.left_out = true;
  track.queue.set_eos ();
  lock.unlock (); // who hears of it may flush at once
  GST_ELEMENT_WARNING (element_, STREAM, FORMAT,
      ("Track %s is left out: %s with %d channels at %d Hz can't be resampled to the mix's %d Hz.",
          track.name.c_str (), GST_AUDIO_INFO_NAME (&info), info.channels, info.rate, change.to_hz),
      ("Downstream has changed the rate. Put 'audioconvert ! audioresample' before %s.",
          track.name.c_str ()));
}

/// Between two chunks. The new frames count from running time 0, too, so the seam is the nearest of
/// them to where the mix is; its time stamp is that of the end of the chunk before.
void Mixer::change_rate (int to_hz)
{
  const RateChange change {rate_hz (), to_hz};
  const Frames *const kept[] {&position_, &segment_begin_, &rate_begin_};
  GST_INFO_OBJECT (element_, "goes on at %d Hz, after %d Hz, from %" GST_TIME_FORMAT " on",
      change.to_hz, change.from_hz, GST_TIME_ARGS (time_of (position_)));
  const Frames before = position_;
  // Time stamps, which begin with the segment, go on where they were.
  std::array<ExactFrame, 3> exact_frames;
  std::transform (
      std::begin (kept), std::end (kept), exact_frames.begin (), [&] (const Frames *frame) {
        return ExactFrame {change (*frame), length_of (*frame)};
      });
  exact_frames_ = exact_frames;
  {
    // Before the tracks are gone through: one that comes meanwhile has the new rate, or is among
    // them.
    const std::lock_guard lock {control_};
    rate_hz_.store (to_hz, std::memory_order_release);
  }
  for (Frames *frame : {&position_, &segment_begin_, &rate_begin_, &mix_begin_})
    *frame = change (*frame);
  planned_ = false;
  for (const auto &track : tracks ()) {
    change_rate_of (*track, change, before);
    track->mix.gain.change_rate (before, position_, change);
    if (track->mix.last_late != INT64_MIN / 2)
      track->mix.last_late = change (track->mix.last_late);
  }
  update_limits ();
  shared.readiness.flag_recheck ();
}

// --- the sound at the seam

/// Keeps the end of the mix: a filter at another rate has to have heard it.
void Mixer::keep_past (const std::byte *sum, std::size_t frames) noexcept
{
  const auto bpf = static_cast<std::size_t> (GST_AUDIO_INFO_BPF (&mix_info_));
  const std::size_t room = past_.size () / bpf;
  if (frames > room) {
    sum += (frames - room) * bpf;
    frames = room;
  }
  const std::size_t at_end = std::min (frames, room - past_at_);
  std::memcpy (past_.data () + past_at_ * bpf, sum, at_end * bpf);
  std::memcpy (past_.data (), sum + at_end * bpf, (frames - at_end) * bpf);
  past_at_ = (past_at_ + frames) % room;
}

/// Each track's filter begins in silence at the seam, so what the filters would still have given of
/// the sound before it is missing. A filter is linear: the filter of the sum gives the same, also
/// for the gains as they were. `was` is the format of the sum before the change.
void Mixer::ring_out (const GstAudioInfo &was, Frames before)
{
  ringing_.clear ();
  ringing_at_ = 0;
  const auto bpf = static_cast<std::size_t> (GST_AUDIO_INFO_BPF (&was));
  const std::size_t room = past_.size () / bpf;
  GstAudioConverter *converter = make_converter (was, mix_info_, nullptr);
  if (!converter)
    return; // between channels without positions: the tracks say so themselves
  // As long as it rings, and as long again for that to come out.
  const auto tail = 2 * gst_audio_converter_get_max_latency (converter) + 2;
  const Frames begin = before - static_cast<Frames> (room);
  const auto lead = static_cast<std::size_t> (lead_of (begin, was.rate, mix_info_.rate));
  std::vector<std::byte> heard ((lead + room + tail) * bpf);
  const std::size_t late = past_at_ * bpf; // the oldest
  std::memcpy (heard.data () + lead * bpf, past_.data () + late, past_.size () - late);
  std::memcpy (heard.data () + lead * bpf + past_.size () - late, past_.data (), late);
  const auto in_frames = lead + room + tail;
  const auto out_frames = gst_audio_converter_get_out_frames (converter, in_frames);
  const auto out_bpf = static_cast<std::size_t> (GST_AUDIO_INFO_BPF (&mix_info_));
  ringing_.resize ((out_frames + 1) * out_bpf);
  gpointer in[] {heard.data ()};
  gpointer out[] {ringing_.data ()};
  gst_audio_converter_samples (
      converter, GST_AUDIO_CONVERTER_FLAG_NONE, in, in_frames, out, out_frames);
  gst_audio_converter_free (converter);
  const RateChange change {was.rate, mix_info_.rate};
  ringing_.resize (out_frames * out_bpf);
  ringing_at_ = std::min (ringing_.size (),
      static_cast<std::size_t> (position_ - change (begin - static_cast<Frames> (lead))) * out_bpf);
}

/// Adds what still rings of the sound before a change of the rate. Returns whether there was any.
template <class Sample>
bool Mixer::add_ringing (std::span<Sample> sum) noexcept
{
  const std::span<const Sample> rest {
      reinterpret_cast<const Sample *> (ringing_.data () + ringing_at_),
      std::min (sum.size (), (ringing_.size () - ringing_at_) / sizeof (Sample))};
  for (std::size_t n = 0; n < rest.size (); ++n)
    sum[n] += rest[n];
  ringing_at_ += rest.size_bytes ();
  return !rest.empty ();
}

template bool Mixer::add_ringing (std::span<float>) noexcept;
template bool Mixer::add_ringing (std::span<double>) noexcept;

} // namespace mt::trackmixer
