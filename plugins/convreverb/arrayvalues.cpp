// SPDX-License-Identifier: LGPL-2.1-or-later
// Arrays of numbers from GValues, and back.
#include "arrayvalues.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace mt::convreverb {

namespace {

bool is_array (const GValue *value) noexcept
{
  return GST_VALUE_HOLDS_ARRAY (value);
}

/// gst-launch-1.0 reads «1» as an integer and «1.0» as a double.
double number_from (const GValue *value)
{
  if (G_VALUE_HOLDS_DOUBLE (value))
    return g_value_get_double (value);
  GValue number = G_VALUE_INIT;
  g_value_init (&number, G_TYPE_DOUBLE);
  if (G_VALUE_HOLDS_STRING (value) || G_VALUE_HOLDS_BOOLEAN (value) ||
      !g_value_transform (value, &number))
    throw std::invalid_argument (std::string ("has a value of type ") + G_VALUE_TYPE_NAME (value) +
        " where a number belongs");
  return g_value_get_double (&number);
}

std::vector<double> numbers_from (const GValue *array)
{
  if (!is_array (array))
    throw std::invalid_argument ("mixes numbers and arrays");
  std::vector<double> numbers;
  const guint count = gst_value_array_get_size (array);
  numbers.reserve (count);
  for (guint i = 0; i < count; ++i)
    numbers.push_back (number_from (gst_value_array_get_value (array, i)));
  return numbers;
}

/// Before anything of that size is allocated.
void check_kernel_size (std::size_t frames, std::size_t channels)
{
  if (channels > dsp::kMaxImpulseChannels)
    throw std::invalid_argument ("has " + std::to_string (channels) + " channels, the limit is " +
        std::to_string (dsp::kMaxImpulseChannels));
  if (frames > dsp::kMaxImpulseSamples / channels)
    throw std::invalid_argument ("has " + std::to_string (frames) + " frames of " +
        std::to_string (channels) + " channels, the limit is " +
        std::to_string (dsp::kMaxImpulseSamples / channels) + " frames");
}

std::string text_of (double number)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];
  return g_ascii_dtostr (text, sizeof text, number);
}

/// Appends `value`, and takes it over.
void append (GValue *array, GValue *value) noexcept
{
  gst_value_array_append_and_take_value (array, value);
}

void append_double (GValue *array, double number) noexcept
{
  GValue value = G_VALUE_INIT;
  g_value_init (&value, G_TYPE_DOUBLE);
  g_value_set_double (&value, number);
  append (array, &value);
}

} // namespace

std::shared_ptr<const dsp::Impulse> kernel_from (const GValue *array)
{
  const guint count = gst_value_array_get_size (array);
  if (count == 0)
    return nullptr;
  const bool nested = is_array (gst_value_array_get_value (array, 0));
  const std::size_t channels = nested ? count : 1;
  const auto row = [&] (std::size_t channel) {
    return nested ? gst_value_array_get_value (array, static_cast<guint> (channel)) : array;
  };
  std::size_t frames = 0;
  for (std::size_t c = 0; c < channels; ++c)
    if (is_array (row (c))) // or numbers_from() will tell
      frames = std::max (frames, std::size_t {gst_value_array_get_size (row (c))});
  check_kernel_size (frames, channels);
  auto kernel = std::make_shared<dsp::Impulse> ();
  kernel->channels = channels;
  kernel->samples.assign (frames * channels, 0.0f);
  for (std::size_t c = 0; c < channels; ++c) {
    const std::vector<double> taps = numbers_from (row (c));
    for (std::size_t i = 0; i < taps.size (); ++i)
      kernel->samples[i * channels + c] = static_cast<float> (taps[i]);
  }
  return kernel;
}

void kernel_to (GValue *array, const dsp::Impulse *kernel) noexcept
{
  if (!kernel)
    return;
  const std::size_t channels = kernel->channels, frames = kernel->frames ();
  if (channels == 1) {
    for (const float tap : kernel->samples)
      append_double (array, static_cast<double> (tap));
    return;
  }
  for (std::size_t c = 0; c < channels; ++c) {
    GValue taps = G_VALUE_INIT;
    g_value_init (&taps, GST_TYPE_ARRAY);
    for (std::size_t i = 0; i < frames; ++i)
      append_double (&taps, static_cast<double> (kernel->samples[i * channels + c]));
    append (array, &taps);
  }
}

RoutingMatrix routing_from (const GValue *array)
{
  RoutingMatrix matrix;
  const guint rows = gst_value_array_get_size (array);
  for (guint r = 0; r < rows; ++r) {
    std::vector<int> row;
    for (const double number : numbers_from (gst_value_array_get_value (array, r))) {
      const int channel = number >= -1.0 && number < 1e6 ? static_cast<int> (number) : -1;
      if (static_cast<double> (channel) != number)
        throw std::invalid_argument ("has " + text_of (number) +
            " where a channel of the impulse response belongs, from 0, or -1 for none");
      row.push_back (channel);
    }
    matrix.push_back (std::move (row));
  }
  return matrix;
}

void routing_to (GValue *array, const RoutingMatrix &matrix) noexcept
{
  for (const auto &row : matrix) {
    GValue numbers = G_VALUE_INIT;
    g_value_init (&numbers, GST_TYPE_ARRAY);
    for (const int channel : row) {
      GValue value = G_VALUE_INIT;
      g_value_init (&value, G_TYPE_INT);
      g_value_set_int (&value, channel);
      append (&numbers, &value);
    }
    append (array, &numbers);
  }
}

} // namespace mt::convreverb
