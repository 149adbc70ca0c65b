// SPDX-License-Identifier: LGPL-2.1-or-later
// The formats of the output and of the tracks, and the memory that chunks lie in.
#include "mixer.hpp"

#include <algorithm>
#include <cstdlib>

#include "converter.hpp"

GST_DEBUG_CATEGORY_EXTERN (gst_track_mixer_debug);
#define GST_CAT_DEFAULT gst_track_mixer_debug

namespace mt::trackmixer {

namespace {

/// A chunk larger than this is a mistake in output-buffer-duration.
constexpr std::size_t kMaxChunkBytes = 64U << 20;
constexpr std::size_t kPastFrames = 1024; // half a filter, down to an eighth of 96 kHz
constexpr guint kPoolBuffers = 4; // what a sink and an effect hold between them, at the start

/// The format of the sum: that of a float holds 24 bits.
GstAudioFormat mix_format_for (const GstAudioInfo &out) noexcept
{
  const bool is_wide = GST_AUDIO_INFO_FORMAT (&out) == GST_AUDIO_FORMAT_F64 ||
      (GST_AUDIO_FORMAT_INFO_IS_INTEGER (out.finfo) && GST_AUDIO_INFO_DEPTH (&out) > 24);
  return is_wide ? GST_AUDIO_FORMAT_F64 : GST_AUDIO_FORMAT_F32;
}

/// The first of the caps' structures, whose channels are fixed, that has as many as `wanted`, or
/// the least more or less: encoders list one structure for each number of channels, mono first.
/// Takes the caps, which are not empty.
GstCaps *nearest_in_channels (GstCaps *caps, int wanted)
{
  guint nearest = 0;
  int off_of_nearest = G_MAXINT;
  for (guint i = 0; i < gst_caps_get_size (caps); ++i) {
    int channels = wanted; // open: any will do
    gst_structure_get_int (gst_caps_get_structure (caps, i), "channels", &channels);
    if (const int off = std::abs (channels - wanted); off < off_of_nearest) {
      nearest = i;
      off_of_nearest = off;
    }
  }
  GstCaps *one = gst_caps_copy_nth (caps, nearest);
  gst_caps_unref (caps);
  return one;
}

bool same_channels (const GstAudioInfo &a, const GstAudioInfo &b) noexcept
{
  if (GST_AUDIO_INFO_CHANNELS (&a) != GST_AUDIO_INFO_CHANNELS (&b))
    return false;
  // More channels than kMaxPositions are never positioned.
  return GST_AUDIO_INFO_IS_UNPOSITIONED (&a) || GST_AUDIO_INFO_IS_UNPOSITIONED (&b) ||
      std::equal (a.position, a.position + GST_AUDIO_INFO_CHANNELS (&a), b.position);
}

bool same_samples (const GstAudioInfo &a, const GstAudioInfo &b) noexcept
{
  return GST_AUDIO_INFO_FORMAT (&a) == GST_AUDIO_INFO_FORMAT (&b) &&
      GST_AUDIO_INFO_LAYOUT (&a) == GST_AUDIO_INFO_LAYOUT (&b) && same_channels (a, b);
}

} // namespace

/// The output's caps: what downstream takes, as near as can be to the widest track. Empty: nothing.
GstCaps *Mixer::choose_caps () const
{
  GstAudioInfo widest {};
  for (const auto &track : tracks ()) {
    const std::lock_guard lock {control_};
    const GstAudioInfo &info = track->latest_info;
    if (info.finfo && (!widest.finfo || info.channels > widest.channels))
      widest = info;
  }
  const int wanted = widest.finfo ? widest.channels : 2;
  GstCaps *allowed = gst_pad_get_allowed_caps (src_);
  if (!allowed)
    allowed = gst_pad_get_pad_template_caps (src_);
  GstCaps *at_rate = gst_caps_new_simple ("audio/x-raw", "rate", G_TYPE_INT, rate_hz (), nullptr);
  GstCaps *caps = gst_caps_intersect_full (allowed, at_rate, GST_CAPS_INTERSECT_FIRST);
  gst_caps_unref (at_rate);
  gst_caps_unref (allowed);
  caps = gst_caps_make_writable (caps);
  for (guint i = 0; i < gst_caps_get_size (caps); ++i) {
    GstStructure *s = gst_caps_get_structure (caps, i);
    gst_structure_fixate_field_string (s, "format", GST_AUDIO_NE (F32));
    gst_structure_fixate_field_nearest_int (s, "channels", wanted);
  }
  if (!gst_caps_is_empty (caps)) {
    caps = nearest_in_channels (caps, wanted);
    GstStructure *s = gst_caps_get_structure (caps, 0);
    gint channels = 2;
    gst_structure_get_int (s, "channels", &channels);
    if (!gst_structure_has_field (s, "channel-mask") && channels > 1) {
      guint64 mask = gst_audio_channel_get_fallback_mask (channels);
      if (widest.finfo && widest.channels == channels) {
        mask = 0; // unpositioned, unless the track says otherwise
        if (!GST_AUDIO_INFO_IS_UNPOSITIONED (&widest))
          gst_audio_channel_positions_to_mask (widest.position, channels, FALSE, &mask);
      }
      gst_structure_set (s, "channel-mask", GST_TYPE_BITMASK, mask, nullptr);
    }
    caps = gst_caps_fixate (caps);
  }
  return caps;
}

/// Whether a chunk of these caps is of a size that anybody can have meant; says why not.
bool Mixer::chunk_fits (GstCaps *caps) const
{
  GstAudioInfo info;
  if (gst_caps_is_empty (caps) || !gst_audio_info_from_caps (&info, caps))
    return true; // there will be no chunk at all, for another reason
  // The sum is made of floats or doubles, also where what goes out is smaller.
  const auto *sum = gst_audio_format_get_info (mix_format_for (info));
  const auto frame_bytes = static_cast<guint64> (
      std::max (info.bpf, info.channels * GST_AUDIO_FORMAT_INFO_WIDTH (sum) / 8));
  const guint64 bytes = frame_bytes * chunk_length_.frames_rounded_up (rate_hz ());
  if (bytes <= kMaxChunkBytes)
    return true;
  GST_ELEMENT_ERROR (element_, LIBRARY, SETTINGS,
      ("output-buffer-duration is too long: a chunk of %" GST_TIME_FORMAT " with %d channels at %d "
       "Hz has %" G_GUINT64_FORMAT " bytes; the limit is %" G_GUINT64_FORMAT ".",
          GST_TIME_ARGS (chunk_length_.time ()), info.channels, rate_hz (), bytes,
          static_cast<guint64> (kMaxChunkBytes)),
      ("Set it to %" G_GUINT64_FORMAT " ns at the most, or mix fewer channels.",
          gst_util_uint64_scale (
              kMaxChunkBytes / frame_bytes, GST_SECOND, static_cast<guint64> (rate_hz ()))));
  return false;
}

bool Mixer::negotiate ()
{
  push_stream_start ();
  const int rate_before = rate_hz ();
  const Frames before = position_;
  if (const int rate = nearest_rate (rate_before); rate != rate_before)
    change_rate (rate);
  GstCaps *caps = choose_caps ();
  GstAudioInfo info;
  const bool usable = !gst_caps_is_empty (caps) && gst_audio_info_from_caps (&info, caps) &&
      GST_AUDIO_INFO_RATE (&info) == rate_hz () && GST_AUDIO_INFO_CHANNELS (&info) <= kMaxChannels;
  if (!usable) {
    GstCaps *peer = gst_pad_peer_query_caps (src_, nullptr);
    gchar *wanted = gst_caps_to_string (peer);
    GST_ELEMENT_ERROR (element_, CORE, NEGOTIATION,
        ("The mix of %d Hz can't go out: what follows does not take it.", rate_hz ()),
        ("It takes %s; the mix has at most %d channels. Put 'audioconvert ! audioresample' behind "
         "the mixer, or before each of its tracks.",
            wanted, kMaxChannels));
    g_free (wanted);
    gst_caps_unref (peer);
    gst_caps_unref (caps);
    return false;
  }
  if (!chunk_fits (caps)) {
    gst_caps_unref (caps);
    return false;
  }

  const bool changed = !negotiated_ || !gst_audio_info_is_equal (&info, &out_info_);
  bool decided = true;
  if (changed) {
    GST_INFO_OBJECT (element_, "mixing to %" GST_PTR_FORMAT, caps);
    const GstAudioInfo was = mix_info_;
    out_info_ = info;
    mix_info_ = info;
    gst_audio_info_set_format (&mix_info_, mix_format_for (info), info.rate, info.channels,
        GST_AUDIO_INFO_IS_UNPOSITIONED (&info) ? nullptr : info.position);
    if (out_converter_)
      gst_audio_converter_free (out_converter_);
    out_converter_ = same_samples (mix_info_, out_info_)
        ? nullptr
        : make_converter (mix_info_, out_info_, nullptr);
    sides_ = sides_of (mix_info_);
    if (!gst_audio_info_is_equal (&was, &mix_info_))
      ringing_at_ = ringing_.size (); // what is left of it has other samples
    if (negotiated_ && was.rate != info.rate)
      ring_out (was, before);
    if (!negotiated_ || !gst_audio_info_is_equal (&was, &mix_info_)) {
      past_.assign (kPastFrames * static_cast<std::size_t> (mix_info_.bpf), std::byte {0});
      past_at_ = 0;
    }
    if (!negotiated_ || !same_channels (was, mix_info_))
      for (const auto &track : snapshot_)
        track->mix.gain.forget ();
    for (const auto &track : snapshot_) { // their converters lead to the old format
      auto &mix = track->mix;
      if (mix.format.info.finfo)
        mix.format = prepare_format (*track, mix.format.info);
      for (TrackFormat &format : mix.prepared)
        format = prepare_format (*track, format.info);
    }
    gst_pad_push_event (src_, gst_event_new_caps (caps));
  }
  push_segment ();
  decided = decide_pool (caps);
  gst_caps_unref (caps);
  negotiated_ = decided;
  return decided;
}

/// Takes downstream's pool or makes one, so that a chunk costs no allocation.
bool Mixer::decide_pool (GstCaps *caps)
{
  // Chunks of a duration that is no whole number of frames are of this size or one less.
  pool_frames_ =
      std::max<Frames> (1, static_cast<Frames> (chunk_length_.frames_rounded_up (rate_hz ())));
  const auto size = static_cast<guint> (pool_frames_ * GST_AUDIO_INFO_BPF (&out_info_));

  GstBufferPool *pool = nullptr;
  GstAllocator *allocator = nullptr;
  GstAllocationParams params;
  gst_allocation_params_init (&params);
  guint offered = size;
  guint min = kPoolBuffers;
  guint max = 0;
  GstQuery *query = gst_query_new_allocation (caps, TRUE);
  if (gst_pad_peer_query (src_, query)) {
    if (gst_query_get_n_allocation_params (query) > 0)
      gst_query_parse_nth_allocation_param (query, 0, &allocator, &params);
    if (gst_query_get_n_allocation_pools (query) > 0)
      gst_query_parse_nth_allocation_pool (query, 0, &pool, &offered, &min, &max);
  }
  gst_query_unref (query);
  params.align = std::max<gsize> (params.align, 63); // whole cache lines for the mixing kernels
  if (!pool)
    pool = gst_buffer_pool_new ();
  GstStructure *config = gst_buffer_pool_get_config (pool);
  gst_buffer_pool_config_set_params (config, caps, std::max (size, offered), min, max);
  gst_buffer_pool_config_set_allocator (config, allocator, &params);
  if (!gst_buffer_pool_set_config (pool, config)) {
    // It may have changed what we asked for; what it offers is taken as long as a chunk fits.
    config = gst_buffer_pool_get_config (pool);
    if (!gst_buffer_pool_config_validate_params (config, caps, size, min, max)) {
      gst_structure_free (config);
      gst_object_unref (pool);
      pool = gst_buffer_pool_new ();
      config = gst_buffer_pool_get_config (pool);
      gst_buffer_pool_config_set_params (config, caps, size, kPoolBuffers, 0);
    }
    gst_buffer_pool_set_config (pool, config);
  }
  if (allocator)
    gst_object_unref (allocator);
  if (pool_) {
    gst_buffer_pool_set_active (pool_, FALSE);
    gst_object_unref (pool_);
  }
  pool_ = pool;
  if (!gst_buffer_pool_set_active (pool_, TRUE)) {
    GST_ELEMENT_ERROR (
        element_, RESOURCE, NO_SPACE_LEFT, ("No memory for chunks of %u bytes.", size), (nullptr));
    return false;
  }
  const auto bytes = static_cast<std::size_t> (pool_frames_) *
      static_cast<std::size_t> (GST_AUDIO_INFO_BPF (&mix_info_));
  convert_memory_.resize (bytes);
  mix_memory_.resize (out_converter_ ? bytes : 0);
  return true;
}

TrackFormat Mixer::prepare_format (const Track &track, const GstAudioInfo &info)
{
  TrackFormat format;
  format.info = info;
  format.unconvertible = GST_AUDIO_INFO_LAYOUT (&info) == GST_AUDIO_LAYOUT_NON_INTERLEAVED &&
      info.channels > kMaxChannels;
  GstStructure *config = track.copy_converter_config ();
  // What it does to the channels has to be done, also where they are those of the mix: a track that
  // is resampled always comes in the mix's samples.
  const bool has_matrix =
      config && gst_structure_has_field (config, GST_AUDIO_CONVERTER_OPT_MIX_MATRIX);
  if (!format.unconvertible && (has_matrix || !same_samples (info, mix_info_))) {
    format.converter.reset (make_converter (info, mix_info_, config));
    format.unconvertible = !format.converter;
  }
  if (config)
    gst_structure_free (config);
  if (format.unconvertible)
    report_unconvertible (track, info);
  return format;
}

void Mixer::report_unconvertible (const Track &track, const GstAudioInfo &info)
{
  GstAudioInfo from_info = info;
  GstAudioInfo to_info = mix_info_;
  GstCaps *from = gst_audio_info_to_caps (&from_info);
  GstCaps *to = gst_audio_info_to_caps (&to_info);
  const auto without = [] (const GstAudioInfo &i) {
    return GST_AUDIO_INFO_IS_UNPOSITIONED (&i) ? " without positions" : "";
  };
  GST_ELEMENT_WARNING (element_, STREAM, FORMAT,
      ("Track %s is left out: its %d channels%s can't be converted to the mix's %d%s.",
          track.name.c_str (), info.channels, without (info), mix_info_.channels,
          without (mix_info_)),
      ("%" GST_PTR_FORMAT " to %" GST_PTR_FORMAT ". Nothing says where channels without positions "
       "belong. Fix a channel-mask with caps behind "
       "the mixer, or put 'audioconvert mix-matrix=...' before %s.",
          from, to, track.name.c_str ()));
  gst_caps_unref (from);
  gst_caps_unref (to);
}

} // namespace mt::trackmixer
