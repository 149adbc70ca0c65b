// SPDX-License-Identifier: LGPL-2.1-or-later
// What transform_length() chooses against every other length it could have chosen, and against the
// next power of two. Prints the table of docs/decisions/0003-fft-length.md; takes some minutes.
//
// usage: transform-bench            that table
//        transform-bench LENGTH …   how long FFTW plans each length for, and what a bin takes then
#include "dsp/fft.hpp"
#include "dsp/partition.hpp"
#include "dsp/spectrum.hpp"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <map>
#include <span>
#include <vector>

using namespace mt::dsp;

namespace {

constexpr std::size_t kBlocks[] = {
    128, 240, 441, 480, 882, 960, 1200, 1920, 2400, 4410, 4800, 9600};
constexpr std::size_t kPartitions[] = {4, 20, 50, 200};
constexpr int kRepeats = 30;

/// The shortest of many timings of `work`, in ns: what is not this program only adds.
template <class Function>
double shortest_ns (int calls, Function &&work)
{
  using Clock = std::chrono::steady_clock;
  double best = std::numeric_limits<double>::infinity ();
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    const auto begin = Clock::now ();
    for (int call = 0; call < calls; ++call)
      work ();
    const std::chrono::duration<double, std::nano> taken = Clock::now () - begin;
    best = std::min (best, taken.count () / calls);
  }
  return best;
}

int calls_for (std::size_t work)
{
  return static_cast<int> (std::max<std::size_t> (1, 200000 / work));
}

double pair_ns (std::size_t length)
{
  static std::map<std::size_t, double> known;
  const auto found = known.find (length);
  if (found != known.end ())
    return found->second;
  OddTransform transform {length, length, Planning::measure};
  AlignedVector<float> window (2 * length), out (length);
  for (std::size_t n = 0; n < window.size (); ++n)
    window[n] = static_cast<float> (n % 17) - 8.0f;
  const double ns = shortest_ns (calls_for (length), [&] {
    transform.forward (window);
    transform.inverse (out);
  });
  return known[length] = ns;
}

/// One bin of one partition.
double product_ns ()
{
  constexpr std::size_t kBins = 512, kSlots = 50;
  FloatPool pool {2 * TiledSpectra::floats (kBins, kSlots)};
  const TiledSpectra ir {kBins, kSlots, pool}, history {kBins, kSlots, pool};
  AlignedVector<std::complex<float>> sum (kBins);
  const SlotRun all {0, 0, kSlots};
  const double ns = shortest_ns (calls_for (kBins * kSlots), [&] {
    const Product product {&ir, &history, {&all, 1}};
    multiply_accumulate ({&product, 1}, {0, ir.tiles ()}, {}, std::span {sum});
  });
  return ns / (kBins * kSlots);
}

std::vector<std::size_t> candidates (std::size_t block)
{
  std::vector<std::size_t> lengths;
  const std::size_t largest = std::bit_ceil (block);
  for (std::size_t length = (block + 15) / 16 * 16; length <= largest; length += 16) {
    std::size_t rest = length;
    for (const std::size_t prime : {2, 3, 5}) {
      while (rest % prime == 0)
        rest /= prime;
    }
    if (rest == 1)
      lengths.push_back (length);
  }
  return lengths;
}

void print_lengths (std::span<char *const> lengths)
{
  std::printf ("| length | planning s | ns a bin |\n|--:|--:|--:|\n");
  for (const char *text : lengths) {
    char *end = nullptr;
    const std::size_t length = std::strtoull (text, &end, 10);
    if (*end != '\0' || length == 0 || length % 16 != 0) {
      std::fprintf (stderr, "transform-bench: '%s' is not a multiple of 16\n", text);
      std::exit (2);
    }
    restart_planner (3600.0);
    const auto begin = std::chrono::steady_clock::now ();
    {
      const OddTransform planned {length, length, Planning::measure};
    }
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now () - begin;
    const double ns = pair_ns (length) / static_cast<double> (2 * length);
    std::printf ("| %zu | %.2f | %.2f |\n", length, taken.count (), ns);
    std::fflush (stdout);
  }
}

} // namespace

int main (int argc, char **argv)
{
  if (argc > 1) {
    print_lengths (std::span {argv, static_cast<std::size_t> (argc)}.subspan (1));
    return 0;
  }
  restart_planner (3600.0); // every length is to be as fast as it can be
  const double product = product_ns ();
  std::printf ("multiply-accumulate: %.3f ns a bin and partition\n\n", product);
  std::printf ("| block | partitions | chosen | µs | fastest | µs | power of two | µs |\n"
               "|---|---|---|---|---|---|---|---|\n");
  for (const std::size_t block : kBlocks) {
    for (const std::size_t partitions : kPartitions) {
      const auto cost_us = [&] (std::size_t length) {
        const auto bins = static_cast<double> (tiles_of (length) * kTileBins);
        return (pair_ns (length) + product * bins * static_cast<double> (partitions)) / 1000.0;
      };
      const auto lengths = candidates (block);
      const std::size_t fastest = *std::min_element (lengths.begin (), lengths.end (),
          [&] (std::size_t a, std::size_t b) { return cost_us (a) < cost_us (b); });
      const std::size_t chosen = transform_length (block, partitions);
      const std::size_t power = std::bit_ceil (block);
      std::printf ("| %zu | %zu | %zu | %.2f | %zu | %.2f | %zu | %.2f |\n", block, partitions,
          chosen, cost_us (chosen), fastest, cost_us (fastest), power, cost_us (power));
      std::fflush (stdout);
    }
  }
  return 0;
}
