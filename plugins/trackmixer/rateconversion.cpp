// SPDX-License-Identifier: LGPL-2.1-or-later
#include "rateconversion.hpp"

#include <algorithm>
#include <span>
#include <utility>

#include "glue/buffermap.hpp"

namespace mt::trackmixer {

namespace {
/// Both ways give the same sound, but for the fraction of a frame that a filter is late: enough
/// that this does not step.
constexpr Frames kFadeFrames = 256;
} // namespace

bool RateConversion::set_up (const GstAudioInfo &from, int rate_hz, const GstStructure *config)
{
  forget_earlier ();
  direct_ = std::make_unique<TrackResampler> ();
  if (direct_->set_up (from, rate_hz, config))
    return true;
  direct_.reset ();
  return false;
}

void RateConversion::off () noexcept
{
  forget_earlier ();
  direct_.reset ();
}

void RateConversion::forget () noexcept
{
  forget_earlier ();
  if (direct_)
    direct_->forget ();
}

void RateConversion::forget_earlier () noexcept
{
  earlier_.clear ();
  ahead_.clear ();
  faded_ = 0;
}

bool RateConversion::running () const noexcept
{
  return direct_ && first ().running ();
}

void RateConversion::continue_by (std::unique_ptr<TrackResampler> last, const GstAudioInfo &from,
    int rate_hz, const GstStructure *config)
{
  auto before = std::move (direct_);
  if (!before) { // it had the rate of the mix
    direct_ = std::move (last);
    return;
  }
  if (earlier_.empty ())
    earlier_.push_back (std::move (before));
  earlier_.push_back (std::move (last));
  ahead_.clear ();
  direct_ = std::make_unique<TrackResampler> ();
  if (!direct_->set_up (from, rate_hz, config))
    direct_.reset ();
  if (!direct_)
    forget_earlier ();
}

/// Takes the item through the stages of the earlier way from this one on.
void RateConversion::pass (std::size_t stage, QueueItem item, std::vector<QueueItem> &out)
{
  for (; stage < earlier_.size () && item.object; ++stage) {
    TrackResampler &resampler = *earlier_[stage];
    if (!resampler.continues (item.start)) {
      pass (stage + 1, resampler.drain (), out);
      resampler.begin_run (item.start);
    }
    item = resampler.resample (GST_BUFFER (item.object), item.frames);
  }
  if (item.object)
    out.push_back (item);
}

void RateConversion::resample (
    GstBuffer *buffer, Frames start, Frames frames, std::vector<QueueItem> &out)
{
  if (!first ().continues (start))
    drain (out);
  if (!direct_->continues (start))
    direct_->begin_run (start);
  if (earlier_.empty ()) {
    if (const QueueItem item = direct_->resample (buffer, frames); item.frames > 0)
      out.push_back (item);
    return;
  }
  if (faded_ == 0)
    fade_begin_ = direct_->settled ();
  QueueItem item;
  item.object = GST_MINI_OBJECT_CAST (gst_buffer_ref (buffer));
  item.start = start;
  item.frames = frames;
  std::vector<QueueItem> by_earlier;
  pass (0, item, by_earlier);
  keep_ahead (direct_->resample (buffer, frames));
  fade (by_earlier);
  out.insert (out.end (), by_earlier.begin (), by_earlier.end ());
}

void RateConversion::drain (std::vector<QueueItem> &out)
{
  if (!direct_)
    return;
  std::vector<QueueItem> by_earlier;
  // Each stage rounds its last frame up: where the audio ends is what the first of them knows.
  const Frames end = direct_->to_mix (first ().next_in ());
  for (std::size_t stage = 0; stage < earlier_.size (); ++stage)
    pass (stage + 1, earlier_[stage]->drain (), by_earlier);
  for (QueueItem &item : by_earlier) {
    const Frames over = std::clamp<Frames> (item.end () - end, 0, item.frames);
    item.frames -= over;
    item.bytes -= static_cast<std::size_t> (over) * static_cast<std::size_t> (output ().bpf);
  }
  QueueItem rest = direct_->drain ();
  if (earlier_.empty ()) {
    if (rest.frames > 0)
      out.push_back (rest);
    return;
  }
  keep_ahead (rest);
  fade (by_earlier);
  for (QueueItem &item : by_earlier) {
    if (item.frames > 0)
      out.push_back (item);
    else
      item.drop ();
  }
  forget_earlier ();
}

/// Takes what the direct way has given.
void RateConversion::keep_ahead (QueueItem item)
{
  if (item.kind != QueueItem::Kind::audio || !item.object) {
    item.drop ();
    return;
  }
  if (ahead_.empty ())
    ahead_start_ = item.start;
  {
    const glue::BufferMap<GST_MAP_READ> map {GST_BUFFER (item.object)};
    const auto samples = map.as<const float> ();
    ahead_.insert (ahead_.end (), samples.begin (), samples.end ());
  }
  item.drop ();
}

/// Fades what the earlier way has given into what the direct one gave for the same frames. At the
/// end of the fade adds the rest of that.
void RateConversion::fade (std::vector<QueueItem> &out)
{
  const auto channels = static_cast<std::size_t> (output ().channels);
  Frames end = ahead_start_;
  for (const QueueItem &item : out) {
    if (item.kind != QueueItem::Kind::audio)
      continue;
    end = item.end ();
    const auto ahead_end = ahead_start_ + static_cast<Frames> (ahead_.size () / channels);
    const Frames begin = std::max ({item.start, ahead_start_, fade_begin_});
    if (begin >= std::min (end, ahead_end))
      continue;
    GstBuffer *buffer = GST_BUFFER (item.object);
    GST_BUFFER_FLAG_UNSET (buffer, GST_BUFFER_FLAG_GAP);
    const glue::BufferMap<GST_MAP_READWRITE> map {buffer};
    const auto samples = map.as<float> ();
    for (Frames frame = begin; frame < std::min (end, ahead_end); ++frame) {
      faded_ = std::min (faded_ + 1, kFadeFrames);
      const float part = static_cast<float> (faded_) / static_cast<float> (kFadeFrames);
      float *to = &samples[static_cast<std::size_t> (frame - item.start) * channels];
      const float *from = &ahead_[static_cast<std::size_t> (frame - ahead_start_) * channels];
      for (std::size_t c = 0; c < channels; ++c)
        to[c] += part * (from[c] - to[c]);
    }
  }
  const auto used = std::clamp<std::size_t> (
      static_cast<std::size_t> (std::max<Frames> (0, end - ahead_start_)) * channels, 0,
      ahead_.size ());
  ahead_.erase (ahead_.begin (), ahead_.begin () + static_cast<std::ptrdiff_t> (used));
  ahead_start_ += static_cast<Frames> (used / channels);
  if (faded_ == kFadeFrames)
    end_fade (out);
}

void RateConversion::end_fade (std::vector<QueueItem> &out)
{
  if (faded_ == 0)
    return;
  if (!ahead_.empty ()) {
    const auto channels = static_cast<std::size_t> (output ().channels);
    QueueItem rest;
    rest.start = ahead_start_;
    rest.frames = static_cast<Frames> (ahead_.size () / channels);
    rest.bytes = ahead_.size () * sizeof (float);
    GstBuffer *buffer = gst_buffer_new_allocate (nullptr, rest.bytes, nullptr);
    gst_buffer_fill (buffer, 0, ahead_.data (), rest.bytes);
    rest.object = GST_MINI_OBJECT_CAST (buffer);
    out.push_back (rest);
  }
  forget_earlier ();
}

} // namespace mt::trackmixer
