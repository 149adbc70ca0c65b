// SPDX-License-Identifier: LGPL-2.1-or-later
// The inverse MDCT of random signs, with a transform that rounds alike on every machine.
#include "dsp/lappednoise.hpp"

#include <cmath>
#include <random>
#include <utility>

#include "dsp/portablemath.hpp"

namespace mt::dsp {

namespace {

constexpr double kShortestHopSeconds = 0.016;
constexpr std::size_t kFewestBins = 8;

std::size_t hop_for (double rate_hz) noexcept
{
  std::size_t hop = kFewestBins;
  while (static_cast<double> (hop) < kShortestHopSeconds * rate_hz)
    hop *= 2;
  return hop;
}

} // namespace

LappedNoise::LappedNoise (double rate_hz)
    : hop_ {hop_for (rate_hz)}, bin_width_hz_ {0.5 * rate_hz / static_cast<double> (hop_)},
      window_ (2 * hop_), tile_ (hop_), re_ (hop_ / 2), im_ (hop_ / 2), cosine_ (hop_),
      sine_ (hop_), turn_cosine_ (hop_ / 2), turn_sine_ (hop_ / 2), reversed_ (hop_ / 2)
{
  const auto hop = static_cast<double> (hop_);
  const double scale = std::sqrt (2.0 / hop);
  for (std::size_t n = 0; n < 2 * hop_; ++n)
    window_[n] = scale * portable_sin_pi ((static_cast<double> (n) + 0.5) / (2.0 * hop));
  for (std::size_t k = 0; k < hop_; ++k) {
    cosine_[k] = portable_cos_pi (static_cast<double> (k) / hop);
    sine_[k] = portable_sin_pi (static_cast<double> (k) / hop);
  }
  const std::size_t half = hop_ / 2;
  for (std::size_t k = 0; k < half; ++k) {
    const double turn = (static_cast<double> (k) + 0.125) / hop;
    turn_cosine_[k] = portable_cos_pi (turn);
    turn_sine_[k] = portable_sin_pi (turn);
    reversed_[k] = k == 0 ? 0 : reversed_[k / 2] / 2 + (k % 2) * (half / 2);
  }
}

/// Discrete Fourier transform of re_ + i im_, whose values stand in the order of reversed_.
void LappedNoise::transform_halves () noexcept
{
  const std::size_t length = re_.size ();
  for (std::size_t span = 1; span < length; span *= 2) {
    const std::size_t stride = hop_ / span; // of an angle of pi / span in the table
    for (std::size_t first = 0; first < length; first += 2 * span)
      for (std::size_t k = 0; k < span; ++k) {
        const std::size_t a = first + k, b = a + span;
        const double c = cosine_[k * stride], s = sine_[k * stride];
        const double re = c * re_[b] + s * im_[b];
        const double im = c * im_[b] - s * re_[b];
        re_[b] = re_[a] - re;
        im_[b] = im_[a] - im;
        re_[a] += re;
        im_[a] += im;
      }
  }
}

/// DCT-IV without a scale, in tile_: by one complex transform of half the length.
void LappedNoise::transform () noexcept
{
  const std::size_t half = hop_ / 2;
  for (std::size_t k = 0; k < half; ++k) {
    const double x = tile_[2 * k], y = tile_[hop_ - 1 - 2 * k];
    re_[reversed_[k]] = x * turn_cosine_[k] + y * turn_sine_[k];
    im_[reversed_[k]] = y * turn_cosine_[k] - x * turn_sine_[k];
  }
  transform_halves ();
  for (std::size_t k = 0; k < half; ++k) {
    tile_[2 * k] = re_[k] * turn_cosine_[k] + im_[k] * turn_sine_[k];
    tile_[hop_ - 1 - 2 * k] = re_[k] * turn_sine_[k] - im_[k] * turn_cosine_[k];
  }
}

void LappedNoise::add (std::span<double> out, std::vector<double> height,
    std::span<const double> step, std::uint64_t seed)
{
  std::mt19937_64 random {seed};
  const std::size_t half = hop_ / 2;
  for (std::size_t centre = 0; centre < out.size () + hop_; centre += hop_) {
    std::uint64_t signs = 0;
    for (std::size_t k = 0; k < hop_; ++k) {
      signs = k % 64 == 0 ? random () : signs >> 1;
      tile_[k] = signs & 1 ? -height[k] : height[k];
      height[k] *= step[k];
    }
    transform ();
    // Unfolds the tile (u, v) to (v, −v reversed, −u reversed, −u).
    for (std::size_t n = 0; n < 2 * hop_; ++n) {
      if (centre + n < hop_ || centre + n - hop_ >= out.size ())
        continue;
      const double sample = n < half ? tile_[half + n]
          : n < hop_                 ? -tile_[hop_ + half - 1 - n]
          : n < hop_ + half          ? -tile_[hop_ + half - 1 - n]
                                     : -tile_[n - hop_ - half];
      out[centre + n - hop_] += window_[n] * sample;
    }
  }
}

} // namespace mt::dsp
