// SPDX-License-Identifier: LGPL-2.1-or-later
// From settings to a response that a stream can be convolved with.
#include "impulsesource.hpp"

#include <algorithm>
#include <cmath>

#include "impulseparts.hpp"

namespace mt::convreverb {

namespace {

std::string name_of (const ImpulseSettings &settings)
{
  if (settings.sample)
    return "The impulse response in 'ir'";
  if (settings.kernel)
    return "The impulse response in 'kernel'";
  return "Impulse response '" + settings.location + "'";
}

/// Before anything of that size is allocated. Throws LoadError.
void check_size (std::size_t frames, std::size_t channels, int rate_hz)
{
  if (frames <= dsp::kMaxImpulseSamples / channels)
    return;
  char seconds[32];
  g_snprintf (seconds, sizeof seconds, "%.3g", static_cast<double> (frames) / rate_hz);
  throw LoadError (std::string ("The impulse response is too large: ") + seconds + " s at " +
      std::to_string (rate_hz) + " Hz for " + std::to_string (channels) + " channels are " +
      std::to_string (frames * channels) + " samples, the limit is " +
      std::to_string (dsp::kMaxImpulseSamples) +
      ". Put audioresample or audioconvert in front of convreverb, for a lower rate or fewer "
      "channels, or use a shorter response.");
}

/// The paths that the user asked for, of a stream with so many channels. Throws LoadError.
dsp::Routing routing_of (const RoutingMatrix &matrix, std::size_t channels)
{
  const auto fail = [channels] (const std::string &fault) {
    throw LoadError ("'ir-routing' " + fault + ". The stream has " + std::to_string (channels) +
        " channels, so it needs " + std::to_string (channels) + " rows, one for each output, of " +
        std::to_string (channels) +
        " numbers, one for each input: the channel of the impulse response from there to here, "
        "from 0, or -1 for none.");
  };
  const auto count = [] (std::size_t n, const char *what) {
    return "has " + std::to_string (n) + " " + what + (n == 1 ? "" : "s");
  };
  if (matrix.size () != channels)
    fail (count (matrix.size (), "row"));
  dsp::Routing routing;
  for (std::size_t output = 0; output < channels; ++output) {
    if (matrix[output].size () != channels)
      fail (count (matrix[output].size (), "number") + " in row " + std::to_string (output));
    for (std::size_t input = 0; input < channels; ++input)
      if (matrix[output][input] >= 0)
        routing.push_back ({input, output, static_cast<std::size_t> (matrix[output][input])});
  }
  if (routing.empty ())
    fail ("has no path");
  return routing;
}

/// How many channels of the response the paths reach for.
std::size_t channels_of (const dsp::Routing &routing)
{
  std::size_t most = 0;
  for (const dsp::Path &path : routing)
    most = std::max (most, path.ir + 1);
  return most;
}

/// The paths of a file, sample or kernel with `given` channels. Throws LoadError.
dsp::Routing route (const ImpulseSettings &settings, std::size_t given, std::size_t channels)
{
  if (settings.routing.empty ()) {
    if (given == 1 || given == channels || (given == 4 && channels == 2))
      return dsp::default_routing (channels, given);
    std::string needed = "1";
    if (channels > 1)
      needed += ", for every channel of the stream, or " + std::to_string (channels) +
          (channels == 2 ? ", or 4 for true stereo" : "");
    throw LoadError (name_of (settings) + " has " + std::to_string (given) +
        " channels and the stream has " + std::to_string (channels) + ". It needs " + needed +
        ", or 'ir-routing' to tell what leads where. Convert the stream to " +
        std::to_string (given) + " channels in front of convreverb, or the response to " +
        (channels > 1 ? "1 or " : "") + std::to_string (channels) + ".");
  }
  dsp::Routing routing = routing_of (settings.routing, channels);
  const std::size_t asked = channels_of (routing);
  if (asked > given)
    throw LoadError ("'ir-routing' asks for channel " + std::to_string (asked - 1) +
        ", counted from 0. " + name_of (settings) + " has " + std::to_string (given) + ".");
  return routing;
}

/// What independent noise on all inputs gains in energy at the outputs, on average. Throws
/// LoadError when that is nothing.
double energy_gain (const StreamImpulse &made, std::size_t outputs)
{
  const dsp::Impulse &impulse = made.impulse;
  std::vector<double> energies (impulse.channels, 0.0);
  for (std::size_t i = 0; i < impulse.samples.size (); ++i) {
    const auto x = static_cast<double> (impulse.samples[i]);
    energies[i % impulse.channels] += x * x;
  }
  double sum = 0.0;
  for (const dsp::Path &path : made.routing)
    sum += energies[path.ir];
  if (!(sum > 0.0))
    throw LoadError ("'ir-routing' leads only through channels of the impulse response that are "
                     "silent, every sample is zero or was cut by 'ir-trim'. Name one that is not.");
  return sum / static_cast<double> (outputs);
}

void scale (dsp::Impulse &impulse, double gain)
{
  for (float &x : impulse.samples)
    x = static_cast<float> (static_cast<double> (x) * gain);
}

std::size_t pre_delay_frames (const ImpulseSettings &settings, int rate_hz)
{
  return gst_util_uint64_scale_int_round (settings.pre_delay_ns, rate_hz, GST_SECOND);
}

} // namespace

std::shared_ptr<const ImpulseSource> load_source (
    const ImpulseSettings &settings, const ImpulseSource *known, const Cancelled &cancelled)
{
  if (!settings.kernel_fault.empty ())
    throw LoadError ("'kernel' " + settings.kernel_fault + ".");
  if (!settings.routing_fault.empty ())
    throw LoadError ("'ir-routing' " + settings.routing_fault + ".");
  auto source = std::make_shared<ImpulseSource> ();
  source->settings = settings;
  if (known && known->loaded && is_same (Part::source, settings, known->settings)) {
    source->loaded = known->loaded;
  } else if (!settings.location.empty ()) {
    auto loaded = load_impulse (settings.location, cancelled);
    if (!loaded)
      return nullptr;
    source->loaded = std::make_shared<const LoadedImpulse> (std::move (*loaded));
  } else if (settings.sample) {
    source->loaded = std::make_shared<const LoadedImpulse> (read_sample (settings.sample.get ()));
  } else if (settings.kernel) {
    source->loaded = std::make_shared<const LoadedImpulse> (LoadedImpulse {*settings.kernel, 0});
  }
  return source;
}

std::optional<StreamImpulse> make_impulse (
    const ImpulseSource &source, const GstAudioInfo &stream, const Cancelled &cancelled)
{
  const ImpulseSettings &settings = source.settings;
  const auto channels = static_cast<std::size_t> (GST_AUDIO_INFO_CHANNELS (&stream));
  const int rate_hz = GST_AUDIO_INFO_RATE (&stream);
  const std::size_t pre_delay = pre_delay_frames (settings, rate_hz);
  StreamImpulse made;
  dsp::Impulse &impulse = made.impulse;
  if (source.loaded) {
    const LoadedImpulse &loaded = *source.loaded;
    const std::size_t frames = loaded.rate_hz
        ? gst_util_uint64_scale_int_ceil (loaded.impulse.frames (), rate_hz, loaded.rate_hz)
        : loaded.impulse.frames ();
    made.routing = route (settings, loaded.impulse.channels, channels);
    check_size (pre_delay + frames, std::max (channels, loaded.impulse.channels), rate_hz);
    impulse = loaded.rate_hz ? resample_impulse (loaded, rate_hz, cancelled) : loaded.impulse;
  } else {
    const dsp::RoomSettings room {settings.decay_time_s, settings.damping};
    made.routing = settings.routing.empty () ? dsp::default_routing (channels, channels)
                                             : routing_of (settings.routing, channels);
    const std::size_t needed = channels_of (made.routing);
    if (needed > dsp::kMaxImpulseChannels)
      throw LoadError ("'ir-routing' asks for channel " + std::to_string (needed - 1) +
          " of a room, the last there can be is " + std::to_string (dsp::kMaxImpulseChannels - 1) +
          ".");
    check_size (pre_delay + dsp::room_frames (settings.room, room, rate_hz),
        std::max (channels, needed), rate_hz);
    impulse = dsp::synthesize_room (settings.room, room, rate_hz, needed, cancelled);
  }
  if (cancelled ())
    return std::nullopt;
  dsp::trim (impulse, settings.trim_db);
  dsp::normalize (impulse, settings.normalize);
  double gain = std::pow (10.0, settings.gain_db / 20.0);
  // With one path through each channel, which is the default, normalize() has done it all.
  if (!settings.routing.empty () || made.routing.size () != channels) {
    const double paths = energy_gain (made, channels);
    if (settings.normalize == dsp::Normalize::energy)
      gain /= std::sqrt (paths);
  }
  if (gain != 1.0)
    scale (impulse, gain);
  const std::string too_large = dsp::find_too_large (impulse);
  if (!too_large.empty ())
    throw LoadError (name_of (settings) + " is too loud, with 'normalize' and 'ir-gain': " +
        too_large + ". Use normalize=energy or a lower 'ir-gain'.");
  // The convolver skips partitions that are all zero, so this costs memory and no time.
  impulse.samples.insert (impulse.samples.begin (), pre_delay * impulse.channels, 0.0f);
  return made;
}

} // namespace mt::convreverb
