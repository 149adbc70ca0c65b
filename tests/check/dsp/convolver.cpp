// SPDX-License-Identifier: LGPL-2.1-or-later
// The convolver against direct convolution in double, for any block, latency and buffer sizes.
#include "dsp/convolver.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "everytarget.hpp"

#include <check.h>

using namespace mt::dsp;

namespace {

constexpr float kMinus120Db = 1e-6f;
constexpr float kMinus140Db = 1e-7f;
constexpr GainRange kOn {1.0f, 1.0f}, kOff {0.0f, 0.0f};

using Frames = std::vector<float>; // interleaved

Frames noise (std::size_t samples, unsigned seed)
{
  std::mt19937 random {seed};
  std::uniform_real_distribution<float> uniform {-1.0f, 1.0f};
  Frames out (samples);
  std::generate (out.begin (), out.end (), [&] { return uniform (random); });
  return out;
}

/// Noise that keeps the level of noise: the squares of a channel sum up to 1.
Impulse noise_impulse (std::size_t frames, std::size_t channels, unsigned seed)
{
  Impulse ir {noise (frames * channels, seed), channels};
  for (std::size_t c = 0; c < channels; ++c) {
    double energy = 0.0;
    for (std::size_t n = 0; n < frames; ++n) {
      const auto tap = static_cast<double> (ir.samples[n * channels + c]);
      energy += tap * tap;
    }
    for (std::size_t n = 0; n < frames; ++n)
      ir.samples[n * channels + c] /= static_cast<float> (std::sqrt (energy));
  }
  return ir;
}

/// The oracle: wet and dry by their definition, in double, latency included.
struct Reference {
  std::vector<double> dry, wet;
};
Reference direct (const Frames &x, const Impulse &ir, std::size_t channels, std::size_t latency)
{
  Reference out {std::vector<double> (x.size ()), std::vector<double> (x.size ())};
  const std::size_t frames = x.size () / channels;
  std::vector<double> h (ir.frames ()), in (frames);
  for (std::size_t c = 0; c < channels; ++c) {
    for (std::size_t k = 0; k < h.size (); ++k)
      h[k] = static_cast<double> (ir.samples[k * ir.channels + c % ir.channels]);
    for (std::size_t n = 0; n < frames; ++n)
      in[n] = static_cast<double> (x[n * channels + c]);
    for (std::size_t n = latency; n < frames; ++n) {
      const std::size_t m = n - latency;
      double sum = 0.0;
      for (std::size_t k = 0; k < std::min (h.size (), m + 1); ++k)
        sum += h[k] * in[m - k];
      out.wet[n * channels + c] = sum;
      out.dry[n * channels + c] = in[m];
    }
  }
  return out;
}

void ck_close (
    const Frames &got, const std::vector<double> &want, float tolerance, const char *where = "")
{
  ck_assert_uint_eq (got.size (), want.size ());
  for (std::size_t i = 0; i < got.size (); ++i) {
    ck_assert_msg (
        std::abs (static_cast<double> (got[i]) - want[i]) <= static_cast<double> (tolerance),
        "%s: sample %zu of %zu is %g, not %g", where, i, got.size (), static_cast<double> (got[i]),
        want[i]);
  }
}

/// Sizes of calls, one after the other.
class Sizes {
public:
  Sizes (unsigned seed, std::size_t largest) : random_ {seed}, uniform_ {1, largest} {}
  explicit Sizes (std::size_t constant) : random_ {0}, uniform_ {constant, constant} {}
  std::size_t next () { return uniform_ (random_); }

private:
  std::mt19937 random_;
  std::uniform_int_distribution<std::size_t> uniform_;
};

/// Runs `io` through in calls of these sizes.
void run (Convolver &convolver, Frames &io, Sizes sizes, GainRange dry = kOff, GainRange wet = kOn)
{
  const std::size_t channels = convolver.channels ();
  const std::size_t frames = io.size () / channels;
  for (std::size_t done = 0; done < frames;) {
    const std::size_t count = std::min (sizes.next (), frames - done);
    convolver.process ({io.data () + done * channels, count * channels}, dry, wet);
    done += count;
  }
}

Frames with_zeros (Frames x, std::size_t frames, std::size_t channels)
{
  x.insert (x.end (), frames * channels, 0.0f);
  return x;
}

ConvolverConfig config (std::size_t channels, std::size_t block, std::size_t latency = 0)
{
  return {channels, block, latency, Planning::estimate};
}

bool same_bits (const Frames &a, const Frames &b)
{
  return a.size () == b.size () &&
      std::equal (a.begin (), a.end (), b.begin (),
          [] (float p, float q) { return p == q && std::signbit (p) == std::signbit (q); });
}

float peak (std::span<const float> samples)
{
  float out = 0.0f;
  for (const float sample : samples)
    out = std::max (out, std::abs (sample));
  return out;
}

} // namespace

struct Layout {
  std::size_t channels, ir_channels, block, latency, ir_frames;
};
constexpr Layout kLayouts[] = {
    {1, 1, 16, 0, 1},
    {2, 2, 16, 15, 16},
    {3, 1, 17, 3, 18},
    {2, 1, 33, 0, 32},
    {1, 1, 64, 63, 65},
    {6, 6, 100, 40, 399},
    {2, 2, 128, 0, 3000},
    {8, 1, 256, 255, 511},
    {8, 8, 300, 0, 901},
    {3, 3, 441, 100, 1322},
    {2, 2, 480, 0, 4800},
    {2, 2, 480, 479, 481},
    {1, 1, 480, 240, 5000},
    {2, 1, 512, 0, 2048},
    {2, 2, 882, 441, 2000},
    {6, 1, 960, 0, 959},
    {2, 2, 1024, 1, 1025},
    {2, 2, 4800, 4320, 5000},
    {1, 1, 4800, 4799, 9601},
    {2, 2, 9600, 8640, 700},
    {1, 1, 20000, 0, 300},
};

START_TEST (test_noise_in_buffers_of_any_size)
  {
    const Layout &layout = kLayouts[_i];
    const auto ir = noise_impulse (layout.ir_frames, layout.ir_channels, 1);
    const std::size_t frames = std::max<std::size_t> (6000, 2 * layout.block + 3000);
    const auto x = noise (frames * layout.channels, 2);
    const auto want = direct (x, ir, layout.channels, layout.latency);
    Convolver convolver {config (layout.channels, layout.block, layout.latency), ir};
    ck_assert_uint_eq (convolver.latency_frames (), layout.latency);
    ck_assert_uint_eq (convolver.ir_frames (), layout.ir_frames);
    ck_assert_uint_eq (convolver.tail_frames (), layout.latency + layout.ir_frames - 1);
    unsigned seed = 3;
    const Sizes all_sizes[] = {Sizes {seed++, 10007}, Sizes {seed++, 3 * layout.block},
        Sizes {seed++, 2 * layout.block}, Sizes {seed++, 50}, Sizes {layout.block},
        Sizes {layout.block - 1}, Sizes {layout.block + 1}, Sizes {20000}};
    for (const Sizes &sizes : all_sizes) {
      Frames y = x;
      convolver.reset ();
      run (convolver, y, sizes);
      ck_close (y, want.wet, kMinus120Db);
    }
  }
END_TEST

START_TEST (test_one_frame_at_a_time)
  {
    const auto ir = noise_impulse (100, 2, 1);
    const auto x = noise (2 * 500, 2);
    for (const std::size_t latency : {0, 1, 20, 47}) {
      Convolver convolver {config (2, 48, latency), ir};
      Frames y = x;
      run (convolver, y, Sizes {1});
      ck_close (y, direct (x, ir, 2, latency).wet, kMinus120Db);
      convolver.process ({}, kOn, kOn); // no frames is no work and no harm
    }
  }
END_TEST

START_TEST (test_every_instruction_set)
  {
    const auto ir = noise_impulse (1000, 2, 1);
    const auto x = noise (2 * 3000, 2);
    const auto want = direct (x, ir, 2, 0);
    mt::test::on_every_target ([&] (const char *target) {
      Convolver convolver {config (2, 240), ir};
      Frames y = x;
      run (convolver, y, Sizes {3, 700});
      ck_close (y, want.wet, kMinus120Db, target);
    });
  }
END_TEST

START_TEST (test_impulses_around_block_edges)
  {
    constexpr std::size_t kBlock = 48, kBlocks = 7;
    const auto ir = noise_impulse (3 * kBlock + 5, 1, 1);
    for (const std::size_t latency : {std::size_t {0}, std::size_t {1}, kBlock / 2, kBlock - 1}) {
      Convolver convolver {config (1, kBlock, latency), ir};
      for (std::size_t edge = 1; edge < 5; ++edge) {
        for (const std::size_t at : {edge * kBlock - 1, edge * kBlock, edge * kBlock + 1}) {
          Frames y (2 * kBlocks * kBlock);
          y[at] = 1.0f;
          const auto want = direct (y, ir, 1, latency);
          convolver.reset ();
          run (convolver, y, Sizes {static_cast<unsigned> (at), 2 * kBlock});
          ck_close (y, want.wet, kMinus120Db);
        }
      }
    }
  }
END_TEST

START_TEST (test_single_tap_at_every_position)
  {
    const std::size_t block = _i % 2 ? 17 : 16, latency = _i < 2 ? 0 : 9;
    const std::size_t length = 4 * block + 3;
    const auto x = noise (700, 1);
    for (std::size_t at = 0; at < length; ++at) {
      Impulse ir {Frames (length), 1};
      ir.samples[at] = -1.0f;
      Convolver convolver {config (1, block, latency), ir};
      Frames y = x;
      run (convolver, y, Sizes {static_cast<unsigned> (at), 60});
      for (std::size_t n = 0; n < x.size (); ++n) {
        const float want = n >= latency + at ? -x[n - latency - at] : 0.0f;
        ck_assert_float_eq_tol (y[n], want, kMinus120Db);
      }
    }
  }
END_TEST

START_TEST (test_tail_ends_after_the_last_tap)
  {
    // A hole of many blocks, then one last tap.
    constexpr std::size_t kBlock = 64, kLength = 50 * kBlock + 11;
    for (const std::size_t latency : {std::size_t {0}, std::size_t {10}, kBlock - 1}) {
      Impulse ir {Frames (kLength), 1};
      ir.samples.front () = 0.5f;
      ir.samples.back () = 0.25f;
      Convolver convolver {config (1, kBlock, latency), ir};
      for (const std::size_t frames : {1, 63, 64, 65, 1000}) {
        Frames y = with_zeros (noise (frames - 1, 1), 1, 1);
        y.back () = 1.0f;
        y = with_zeros (y, convolver.tail_frames () + 10 * kBlock, 1);
        convolver.reset ();
        run (convolver, y, Sizes {7, 3 * kBlock});
        const std::size_t last = frames - 1 + convolver.tail_frames ();
        ck_assert_float_eq_tol (y[last], 0.25f, kMinus120Db);
        const std::span after = std::span {y}.subspan (last + 1);
        ck_assert (peak (after) <= kMinus140Db);
        ck_assert (peak (after.subspan (2 * kBlock)) == 0.0f);
      }
    }
  }
END_TEST

START_TEST (test_impulse_in_the_last_frame)
  {
    constexpr std::size_t kFrames = 1001;
    for (const std::size_t channels : {1, 2, 3, 6}) {
      const auto ir = noise_impulse (200, channels, 1);
      Convolver convolver {config (channels, 96, 5), ir};
      Frames y (kFrames * channels);
      for (std::size_t c = 0; c < channels; ++c)
        y[(kFrames - 1) * channels + c] = 1.0f / static_cast<float> (c + 1);
      y = with_zeros (y, convolver.tail_frames (), channels);
      run (convolver, y, Sizes {3, 500});
      for (std::size_t i = 0; i < y.size (); ++i) {
        const std::size_t n = i / channels, c = i % channels, first = kFrames - 1 + 5;
        const float want =
            n < first ? 0.0f : ir.samples[(n - first) * channels + c] / static_cast<float> (c + 1);
        ck_assert_float_eq_tol (y[i], want, kMinus120Db);
      }
    }
  }
END_TEST

START_TEST (test_reset_forgets_the_signal)
  {
    const auto ir = noise_impulse (1500, 2, 1);
    const auto x = noise (2 * 2000, 2);
    for (const std::size_t latency : {0, 200}) {
      Convolver convolver {config (2, 240, latency), ir};
      Frames first = x;
      run (convolver, first, Sizes {3, 500}, kOn, kOn);
      // At every state of the block: nothing comes out of silence, to the bit.
      for (std::size_t frames = 1; frames < 600; frames += 13) {
        Frames part (x.begin (), x.begin () + static_cast<std::ptrdiff_t> (2 * frames));
        run (convolver, part, Sizes {50}, kOn, kOn);
        convolver.reset ();
        Frames silence (2 * 3000);
        const auto before = convolver.work ().forward_transforms;
        run (convolver, silence, Sizes {4, 500}, kOn, kOn);
        ck_assert (peak (silence) == 0.0f);
        ck_assert_uint_eq (convolver.work ().forward_transforms, before);
        convolver.reset ();
      }
      Frames again = x;
      run (convolver, again, Sizes {3, 500}, kOn, kOn);
      ck_assert (same_bits (first, again));
    }
  }
END_TEST

START_TEST (test_same_bits_for_same_buffers)
  {
    const auto ir = noise_impulse (3000, 2, 1);
    const auto x = noise (2 * 9000, 2);
    Convolver a {config (2, 480, 100), ir}, b {config (2, 480, 100), ir};
    Frames y = x, z = x;
    run (a, y, Sizes {3, 1000}, {0.2f, 0.9f}, {1.0f, 0.1f});
    run (b, z, Sizes {3, 1000}, {0.2f, 0.9f}, {1.0f, 0.1f});
    ck_assert (same_bits (y, z));
    ck_assert (peak (y) > 0.1f);
  }
END_TEST

START_TEST (test_mono_response_serves_every_channel)
  {
    const auto mono = noise_impulse (700, 1, 1);
    Impulse all {Frames (3 * 700), 3};
    for (std::size_t i = 0; i < all.samples.size (); ++i)
      all.samples[i] = mono.samples[i / 3];
    Convolver a {config (3, 128), mono}, b {config (3, 128), all};
    Frames y = noise (3 * 3000, 2), z = y;
    run (a, y, Sizes {3, 300});
    run (b, z, Sizes {3, 300});
    ck_assert (same_bits (y, z));
  }
END_TEST

START_TEST (test_aligned_calls_do_no_work_twice)
  {
    constexpr std::size_t kChunk = 48, kChannels = 2;
    const auto ir = noise_impulse (1000, kChannels, 1);
    for (const std::size_t batch : {1, 2, 10}) {
      const std::size_t block = batch * kChunk;
      Convolver convolver {config (kChannels, block, block - kChunk), ir};
      const auto x = noise (100 * kChunk * kChannels, 2);
      Frames y = x;
      std::uint64_t blocks = 0;
      for (std::size_t chunk = 0; chunk < 100; ++chunk) {
        convolver.process (
            std::span {y}.subspan (chunk * kChunk * kChannels, kChunk * kChannels), kOff, kOn);
        blocks += (chunk + 1) % batch == 0 ? kChannels : 0;
        const auto work = convolver.work ();
        ck_assert_uint_eq (work.blocks, blocks);
        ck_assert_uint_eq (work.forward_transforms, blocks);
        ck_assert_uint_eq (work.passes, blocks);
        ck_assert_uint_eq (work.inverse_transforms, blocks);
      }
      ck_close (y, direct (x, ir, kChannels, block - kChunk).wet, kMinus120Db);
    }
  }
END_TEST

START_TEST (test_partial_blocks_sum_the_past_once)
  {
    // Four calls a block: each needs its own transforms, all share one pass over the past.
    const auto ir = noise_impulse (1000, 1, 1);
    Convolver convolver {config (1, 64), ir};
    Frames y = noise (64 * 50, 2);
    run (convolver, y, Sizes {16});
    const auto work = convolver.work ();
    ck_assert_uint_eq (work.blocks, 50);
    ck_assert_uint_eq (work.forward_transforms, 200);
    ck_assert_uint_eq (work.inverse_transforms, 200);
    ck_assert_uint_eq (work.passes, 49); // the first block has no past

    // 20 frames late: the second call needs 12 frames of its block and gets all 32 that are there,
    // which is enough for the third.
    Convolver late {config (1, 64, 20), ir};
    y = noise (64 * 50, 2);
    run (late, y, Sizes {16});
    ck_assert_uint_eq (late.work ().forward_transforms, 100);
    ck_assert_uint_eq (late.work ().inverse_transforms, 100);
    ck_assert_uint_eq (late.work ().passes, 49);
  }
END_TEST

START_TEST (test_silence_costs_nothing)
  {
    constexpr std::size_t kBlock = 64;
    const auto ir = noise_impulse (300, 2, 1);
    Convolver convolver {config (2, kBlock), ir};
    Frames before (2 * 16 * kBlock);
    run (convolver, before, Sizes {50});
    ck_assert_uint_eq (convolver.work ().forward_transforms, 0);
    ck_assert_uint_eq (convolver.work ().inverse_transforms, 0);

    // The right channel stays silent: it costs nothing either.
    Frames sound (2 * kBlock);
    sound[10] = 1.0f;
    run (convolver, sound, Sizes {kBlock});
    ck_assert_uint_eq (convolver.work ().forward_transforms, 1);
    Frames tail (2 * (convolver.tail_frames () + 2 * kBlock));
    run (convolver, tail, Sizes {kBlock});
    const auto rung_out = convolver.work ();
    ck_assert_uint_le (rung_out.forward_transforms, 2);
    Frames after (2 * 16 * kBlock);
    run (convolver, after, Sizes {50});
    ck_assert_uint_eq (convolver.work ().forward_transforms, rung_out.forward_transforms);
    ck_assert_uint_eq (convolver.work ().inverse_transforms, rung_out.inverse_transforms);
    ck_assert (peak (after) == 0.0f);

    // And it wakes up.
    const auto x = noise (2 * 1000, 3);
    Frames y = x;
    run (convolver, y, Sizes {50});
    ck_close (y, direct (x, ir, 2, 0).wet, kMinus120Db);
  }
END_TEST

START_TEST (test_sparse_signals)
  {
    // Blocks with sound and without, in any pattern, against a response with holes of its own.
    constexpr std::size_t kBlock = 32;
    auto ir = noise_impulse (20 * kBlock, 2, 1);
    std::mt19937 random {2};
    const auto punch = [&random] (Frames &samples, std::size_t channels) {
      const std::size_t blocks = samples.size () / channels / kBlock;
      for (std::size_t b = 0; b < blocks; ++b) {
        for (std::size_t c = 0; c < channels; ++c) {
          if (random () % 3 == 0) {
            for (std::size_t i = 0; i < kBlock; ++i)
              samples[(b * kBlock + i) * channels + c] = 0.0f;
          }
        }
      }
    };
    punch (ir.samples, 2);
    for (const std::size_t latency : {0, 31}) {
      auto x = noise (2 * 100 * kBlock, 3);
      punch (x, 2);
      const auto want = direct (x, ir, 2, latency);
      Convolver convolver {config (2, kBlock, latency), ir};
      for (const Sizes &sizes : {Sizes {kBlock}, Sizes {4, 100}, Sizes {5, 10}}) {
        convolver.reset ();
        Frames y = x;
        run (convolver, y, sizes);
        ck_close (y, want.wet, kMinus120Db);
      }
    }
  }
END_TEST

START_TEST (test_sound_that_stops)
  {
    // Long enough that the ring has gone round, so that every slot holds an old spectrum.
    constexpr std::size_t kBlock = 32, kBlocks = 20;
    for (const std::size_t partitions : {1, 2, 3, 4, 5, 8}) {
      const auto ir = noise_impulse (partitions * kBlock, 1, 1);
      const auto x = with_zeros (noise (kBlocks * kBlock, 2), (partitions + 4) * kBlock, 1);
      const auto want = direct (x, ir, 1, 0);
      Convolver convolver {config (1, kBlock), ir};
      for (const Sizes &sizes : {Sizes {kBlock}, Sizes {7}, Sizes {5 * kBlock}}) {
        convolver.reset ();
        Frames y = x;
        run (convolver, y, sizes);
        ck_close (y, want.wet, kMinus120Db);
      }
    }
  }
END_TEST

START_TEST (test_response_lengths_in_any_sequence)
  {
    const auto x = noise (1000, 1);
    std::mt19937 random {2};
    std::vector<std::size_t> lengths {64, 8, 64, 1, 64, 1000, 8};
    for (int i = 0; i < 20; ++i)
      lengths.push_back (1 + random () % 500);
    for (const std::size_t length : lengths) {
      const auto ir = noise_impulse (length, 1, 3);
      Convolver convolver {config (1, 16 + random () % 100), ir};
      Frames y = x;
      run (convolver, y, Sizes {4, 300});
      ck_close (y, direct (x, ir, 1, 0).wet, kMinus120Db);
    }
  }
END_TEST

START_TEST (test_all_zero_response)
  {
    const auto x = noise (2 * 1000, 1);
    Convolver convolver {config (2, 100, 30), {Frames (300), 1}};
    Frames y = x;
    run (convolver, y, Sizes {2, 300}, kOn, kOn);
    for (std::size_t i = 0; i < x.size (); ++i)
      ck_assert_float_eq (y[i], i < 60 ? 0.0f : x[i - 60]);
    ck_assert_uint_eq (convolver.work ().inverse_transforms, 0);
  }
END_TEST

START_TEST (test_one_sample_response)
  {
    const auto x = noise (2 * 1000, 1);
    Convolver convolver {config (2, 100), {{-0.5f, 2.0f}, 2}};
    ck_assert_uint_eq (convolver.tail_frames (), 0);
    Frames y = x;
    run (convolver, y, Sizes {2, 300});
    for (std::size_t i = 0; i < x.size (); ++i)
      ck_assert_float_eq_tol (y[i], x[i] * (i % 2 ? 2.0f : -0.5f), kMinus120Db);
  }
END_TEST

START_TEST (test_gains)
  {
    const auto ir = noise_impulse (333, 2, 1);
    const auto x = noise (2 * 4000, 2);
    const struct {
      GainRange dry, wet;
    } cases[] = {{{0.5f, 0.5f}, {0.25f, 0.25f}}, {kOn, kOff}, {kOff, kOff},
        {{0.0f, 1.0f}, {1.0f, 0.0f}}, {{-0.3f, 0.7f}, {0.9f, -0.2f}}};
    for (const std::size_t latency : {0, 50}) {
      const auto parts = direct (x, ir, 2, latency);
      for (const auto &gains : cases) {
        for (const std::size_t call : {1, 7, 64, 100, 1000, 4000}) {
          Convolver convolver {config (2, 100, latency), ir};
          Frames y = x;
          run (convolver, y, Sizes {call}, gains.dry, gains.wet);
          const auto at = [] (GainRange gain, std::size_t i, std::size_t n) {
            const double from {gain.from}, to {gain.to};
            return from + (to - from) * static_cast<double> (i + 1) / static_cast<double> (n);
          };
          std::vector<double> want (x.size ());
          for (std::size_t i = 0; i < x.size (); ++i) {
            const std::size_t n = i / 2, first = n / call * call;
            const std::size_t length = std::min (call, 4000 - first);
            want[i] = at (gains.dry, n - first, length) * parts.dry[i] +
                at (gains.wet, n - first, length) * parts.wet[i];
          }
          ck_close (y, want, kMinus120Db);
        }
      }
    }
  }
END_TEST

START_TEST (test_wet_at_zero_keeps_the_history)
  {
    const auto ir = noise_impulse (1000, 1, 1);
    const auto x = noise (3000, 2);
    const auto want = direct (x, ir, 1, 30);
    Convolver convolver {config (1, 100, 30), ir};
    Frames y = x;
    const std::span io {y};
    convolver.process (io.first (1555), kOff, kOff);
    ck_assert (peak (io.first (1555)) == 0.0f);
    convolver.process (io.subspan (1555), kOff, kOn);
    for (std::size_t n = 1555; n < y.size (); ++n)
      ck_assert_double_eq_tol (static_cast<double> (y[n]), want.wet[n], 1e-6);
  }
END_TEST

START_TEST (test_input_that_is_not_a_number)
  {
    using Limits = std::numeric_limits<float>;
    const auto ir = noise_impulse (500, 2, 1);
    auto broken = noise (2 * 2000, 2), mended = broken;
    const float bad[] = {
        Limits::quiet_NaN (), Limits::infinity (), -Limits::infinity (), Limits::signaling_NaN ()};
    for (std::size_t i = 0; i < 40; ++i) {
      broken[i * 97] = bad[i % 4];
      mended[i * 97] = 0.0f;
    }
    Convolver a {config (2, 100, 20), ir}, b {config (2, 100, 20), ir};
    run (a, broken, Sizes {3, 300}, kOn, kOn);
    run (b, mended, Sizes {3, 300}, kOn, kOn);
    ck_assert (same_bits (broken, mended));
    ck_assert_uint_eq (a.nonfinite_samples (), 40);
    ck_assert_uint_eq (b.nonfinite_samples (), 0);
  }
END_TEST

START_TEST (test_huge_input_is_forgotten)
  {
    // It may overflow what it meets, but not what comes a response and a block later.
    constexpr std::size_t kBlock = 50;
    const auto ir = noise_impulse (500, 1, 1);
    Convolver convolver {config (1, kBlock), ir};
    Frames y = noise (6000, 2);
    y[1000] = std::numeric_limits<float>::max ();
    y[1001] = std::numeric_limits<float>::max ();
    y[1002] = 1e30f;
    const Frames x = y;
    run (convolver, y, Sizes {3, 200});
    const std::size_t clean = 1002 + 500 + 2 * kBlock;
    Frames rest (x);
    std::fill (rest.begin () + 1000, rest.begin () + 1003, 0.0f);
    const auto want = direct (rest, ir, 1, 0);
    for (std::size_t n = clean; n < y.size (); ++n)
      ck_assert_double_eq_tol (static_cast<double> (y[n]), want.wet[n], 1e-6);
  }
END_TEST

START_TEST (test_denormals)
  {
    using Limits = std::numeric_limits<float>;
    // A decay through the denormal range: none comes out.
    Impulse ir {Frames (4000), 1};
    for (std::size_t n = 0; n < 4000; ++n)
      ir.samples[n] = std::pow (10.0f, -static_cast<float> (n) / 100.0f);
    Convolver convolver {config (1, 64), ir};
    Frames y (8000);
    y[0] = 1.0f;
    run (convolver, y, Sizes {3, 300}, kOn, kOn);
    for (const float sample : y)
      ck_assert (sample == 0.0f || std::abs (sample) >= Limits::min ());
    // Denormal input counts as silence.
    const auto before = convolver.work ().forward_transforms;
    convolver.reset ();
    std::fill (y.begin (), y.end (), Limits::denorm_min ());
    run (convolver, y, Sizes {3, 300}, kOn, kOn);
    ck_assert (peak (y) == 0.0f);
    ck_assert_uint_eq (convolver.work ().forward_transforms, before);
    // The caller's own arithmetic is as before.
    volatile float small = Limits::min ();
    small = small / 2.0f;
    ck_assert (small > 0.0f);
  }
END_TEST

START_TEST (test_bad_configurations_are_refused)
  {
    const Impulse good {{1.0f, 0.5f}, 1};
    const auto text = [] (const ConvolverConfig &wanted, const Impulse &ir) -> std::string {
      try {
        Convolver convolver {wanted, ir};
      } catch (const std::invalid_argument &error) {
        return error.what ();
      }
      return {};
    };
    const auto says = [&] (const ConvolverConfig &wanted, const Impulse &ir, const char *value,
                          const char *limit) {
      const std::string got = text (wanted, ir);
      ck_assert_msg (got.find (value) != std::string::npos && got.find (limit) != std::string::npos,
          "'%s' does not say %s and %s", got.c_str (), value, limit);
    };
    ck_assert (text (config (64, 16, 15), good).empty ());
    says (config (0, 480), good, "0", "64");
    says (config (65, 480), good, "65", "64");
    says (config (2, 15), good, "15", "16");
    says (config (2, 65537), good, "65537", "65536");
    says (config (2, 480, 480), good, "480", "479");
    says (config (2, 480), {{}, 1}, "0", "1");
    says (config (2, 480), {{}, 0}, "0 channels", "2");
    says (config (2, 480), {{1.0f, 2.0f, 3.0f}, 3}, "3", "2");
    says (config (2, 480), {{1.0f, 2.0f, 3.0f}, 2}, "inside", "frame");
    says (config (2, 480), {{1.0f, 0.0f, 0.0f, std::nanf ("")}, 2}, "finite", "frame 1");
    says (
        config (2, 480), {{1.0f, std::numeric_limits<float>::infinity ()}, 1}, "finite", "frame 1");
  }
END_TEST

int main ()
{
  Suite *suite = suite_create ("convolver");
  TCase *test_case = tcase_create ("convolver");
  tcase_add_loop_test (test_case, test_noise_in_buffers_of_any_size, 0, std::size (kLayouts));
  tcase_add_test (test_case, test_one_frame_at_a_time);
  tcase_add_test (test_case, test_every_instruction_set);
  tcase_add_test (test_case, test_impulses_around_block_edges);
  tcase_add_loop_test (test_case, test_single_tap_at_every_position, 0, 4);
  tcase_add_test (test_case, test_tail_ends_after_the_last_tap);
  tcase_add_test (test_case, test_impulse_in_the_last_frame);
  tcase_add_test (test_case, test_reset_forgets_the_signal);
  tcase_add_test (test_case, test_same_bits_for_same_buffers);
  tcase_add_test (test_case, test_mono_response_serves_every_channel);
  tcase_add_test (test_case, test_aligned_calls_do_no_work_twice);
  tcase_add_test (test_case, test_partial_blocks_sum_the_past_once);
  tcase_add_test (test_case, test_silence_costs_nothing);
  tcase_add_test (test_case, test_sparse_signals);
  tcase_add_test (test_case, test_sound_that_stops);
  tcase_add_test (test_case, test_response_lengths_in_any_sequence);
  tcase_add_test (test_case, test_all_zero_response);
  tcase_add_test (test_case, test_one_sample_response);
  tcase_add_test (test_case, test_gains);
  tcase_add_test (test_case, test_wet_at_zero_keeps_the_history);
  tcase_add_test (test_case, test_input_that_is_not_a_number);
  tcase_add_test (test_case, test_huge_input_is_forgotten);
  tcase_add_test (test_case, test_denormals);
  tcase_add_test (test_case, test_bad_configurations_are_refused);
  suite_add_tcase (suite, test_case);
  SRunner *runner = srunner_create (suite);
  srunner_run_all (runner, CK_NORMAL);
  const int failures = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
