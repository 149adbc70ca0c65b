// SPDX-License-Identifier: LGPL-2.1-or-later
// Tiled spectra and their multiply-accumulate against complex arithmetic in double.
#include "dsp/spectrum.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <numeric>
#include <random>
#include <vector>

#include "everytarget.hpp"
#include "run.hpp"

#include <check.h>

using namespace mt::dsp;

namespace {

using Spectrum = AlignedVector<std::complex<float>>;

Spectrum noise (std::size_t bins, std::size_t padded, std::mt19937 &random)
{
  std::uniform_real_distribution<float> uniform {-1.0f, 1.0f};
  Spectrum spectrum (padded);
  std::generate_n (spectrum.begin (), bins, [&] {
    const float re = uniform (random);
    return std::complex<float> {re, uniform (random)};
  });
  return spectrum;
}

/// A store and the spectra that went into it.
struct Filled {
  FloatPool pool;
  TiledSpectra tiled;
  std::vector<Spectrum> plain;

  Filled (std::size_t bins, std::size_t slots, std::mt19937 &random)
      : pool {TiledSpectra::floats (bins, slots)}, tiled {bins, slots, pool}
  {
    for (std::size_t s = 0; s < slots; ++s) {
      plain.push_back (noise (bins, tiled.padded_bins (), random));
      tiled.store (s, plain[s]);
    }
  }
};

/// What multiply_accumulate() has written with its parts exchanged.
std::complex<float> exchanged (std::complex<float> value)
{
  return {value.imag (), value.real ()};
}

constexpr std::size_t kBins[] = {1, 15, 16, 17, 32, 33, 64, 480, 500};

} // namespace

START_TEST (test_layout)
  {
    std::mt19937 random {1};
    constexpr std::size_t kSlots = 3;
    const std::size_t bins = kBins[_i];
    mt::test::on_every_target ([&] (const char *) {
      const Filled filled {bins, kSlots, random};
      // The same once more, beside and in another store.
      FloatPool pool {TiledSpectra::floats (bins, kSlots) + TiledSpectra::floats (bins, 2)};
      TiledSpectra again {bins, kSlots, pool}, other {bins, 2, pool};
      for (std::size_t s = 0; s < kSlots; ++s)
        again.store_here_and (s, other, s % 2, filled.plain[s]);
      ck_assert_uint_eq (filled.tiled.tiles (), (bins + kTileBins - 1) / kTileBins);
      ck_assert_uint_eq (reinterpret_cast<std::uintptr_t> (filled.tiled.tile (0)) % 64, 0);
      for (std::size_t s = 0; s < kSlots; ++s) {
        for (std::size_t b = 0; b < filled.tiled.padded_bins (); ++b) {
          const float *slot = filled.tiled.tile (b / kTileBins) + s * 2 * kTileBins;
          const auto want = filled.plain[s][b];
          ck_assert_float_eq (slot[b % kTileBins], want.real ());
          ck_assert_float_eq (slot[kTileBins + b % kTileBins], want.imag ());
          const auto same = [&] (const TiledSpectra &in, std::size_t place) {
            const float *values = in.tile (b / kTileBins) + place * 2 * kTileBins + b % kTileBins;
            return values[0] == want.real () && values[kTileBins] == want.imag ();
          };
          ck_assert (same (again, s) && (s == 0 || same (other, s % 2)));
        }
      }
    });
  }
END_TEST

START_TEST (test_multiply_accumulate)
  {
    std::mt19937 random {2};
    const std::size_t bins = kBins[_i];
    // Two runs that leave out slots on both sides, as the ring's end and silent blocks do.
    const std::vector<SlotRun> runs {{1, 5, 3}, {4, 0, 1}, {6, 2, 2}};
    mt::test::on_every_target ([&] (const char *target) {
      const Filled ir {bins, 9, random}, history {bins, 8, random};
      const std::size_t padded = ir.tiled.padded_bins ();
      for (const std::size_t used : {0, 1, 2, 3}) {
        for (const bool with_start : {false, true}) {
          const Spectrum start = noise (bins, padded, random);
          Spectrum out (padded, {9.0f, 9.0f});
          AlignedVector<float> tiled_start (2 * padded), tiled_out (2 * padded, 9.0f);
          const auto in_tiles = [] (std::size_t b) {
            return b / kTileBins * 2 * kTileBins + b % kTileBins;
          };
          for (std::size_t b = 0; b < padded; ++b) {
            tiled_start[in_tiles (b)] = start[b].real ();
            tiled_start[in_tiles (b) + kTileBins] = start[b].imag ();
          }
          const Product product {&ir.tiled, &history.tiled, {runs.data (), used}};
          const TileRange tiles {0, ir.tiled.tiles ()};
          const std::span<const float> from {tiled_start.data (), with_start ? 2 * padded : 0};
          multiply_accumulate ({&product, 1}, tiles, from, out);
          multiply_accumulate ({&product, 1}, tiles, from, std::span {tiled_out});
          for (std::size_t b = 0; b < padded; ++b) {
            std::complex<double> want {with_start ? start[b] : std::complex<float> {}};
            for (std::size_t r = 0; r < used; ++r) {
              for (std::size_t i = 0; i < runs[r].count; ++i) {
                want += std::complex<double> {ir.plain[runs[r].ir_slot + i][b]} *
                    std::complex<double> {history.plain[runs[r].history_slot + i][b]};
              }
            }
            ck_assert_msg (std::abs (std::complex<double> {exchanged (out[b])} - want) < 2e-6,
                "%s, %zu runs, bin %zu", target, used, b);
            // May add up in another order.
            const std::complex<double> tiled {
                tiled_out[in_tiles (b)], tiled_out[in_tiles (b) + kTileBins]};
            ck_assert (std::abs (tiled - want) < 2e-6);
          }
        }
      }
    });
  }
END_TEST

START_TEST (test_tile_ranges)
  {
    // Only the tiles of the range are written.
    std::mt19937 random {3};
    constexpr std::size_t kAll = 10 * kTileBins;
    const Filled ir {kAll, 3, random}, history {kAll, 3, random};
    const SlotRun run {0, 0, 3};
    const Product product {&ir.tiled, &history.tiled, {&run, 1}};
    Spectrum all (kAll);
    multiply_accumulate ({&product, 1}, {0, 10}, {}, all);
    const auto check = [&] (const TileRange &tiles) {
      Spectrum out (kAll, {9.0f, 9.0f});
      multiply_accumulate ({&product, 1}, tiles, {}, out);
      for (std::size_t b = 0; b < kAll; ++b) {
        const std::size_t t = b / kTileBins;
        const bool in =
            t >= tiles.first && t < tiles.end && t / tiles.run % tiles.groups == tiles.group;
        ck_assert (out[b] == (in ? all[b] : std::complex<float> {9.0f, 9.0f}));
      }
    };
    for (std::size_t first = 0; first <= 11; ++first)
      for (std::size_t end = 0; end <= 10; ++end)
        for (const std::size_t groups : {1, 2, 4})
          for (std::size_t group = 0; group < groups; ++group)
            for (const std::size_t length : {1, 2, 3, 16})
              check ({first, end, group, groups, length});
    const TileRun whole = TileRange ({2, 9}).first_run (); // one group is all tiles, in one run
    ck_assert (whole.begin == 2 && whole.end == 9);
  }
END_TEST

/// Of few slots and of many, of stores whose tiles lie differently far apart, in runs that the
/// range begins and ends in the middle of.
START_TEST (test_any_number_of_slots)
  {
    std::mt19937 random {5};
    constexpr std::size_t kAll = 23 * kTileBins, kMost = 9;
    mt::test::on_every_target ([&] (const char *target) {
      const Filled ir {kAll, kMost, random}, history {kAll, kMost + 3, random};
      const Filled ir2 {kAll, kMost + 4, random}, history2 {kAll, kMost, random};
      for (std::uint32_t slots = 0; slots <= 2 * kMost; ++slots) {
        const std::uint32_t first = slots / 2, second = slots - first;
        const SlotRun runs[] = {{0, 2, first}, {1, 0, second}};
        const Product products[] = {
            {&ir.tiled, &history.tiled, {runs, 1}}, {&ir2.tiled, &history2.tiled, {runs + 1, 1}}};
        for (const TileRange &tiles : {TileRange {0, 23}, TileRange {2, 22, 1, 4, 3},
                 TileRange {4, 5, 1, 4, 3}, TileRange {0, 23, 0, 2, 16}}) {
          // From a start of 0, 1, 2 … in tiles, or from none.
          AlignedVector<float> start (slots % 2 * 2 * kAll), tiled (2 * kAll, 9.0f);
          std::iota (start.begin (), start.end (), 0.0f);
          Spectrum out (kAll, {9.0f, 9.0f});
          multiply_accumulate (products, tiles, start, out);
          multiply_accumulate (products, tiles, start, std::span {tiled});
          for (std::size_t b = 0; b < kAll; ++b) {
            const std::size_t t = b / kTileBins, re = t * 2 * kTileBins + b % kTileBins;
            std::complex<double> want {9.0, 9.0};
            if (t >= tiles.first && t < tiles.end && t / tiles.run % tiles.groups == tiles.group) {
              want = start.empty () ? std::complex<double> {}
                                    : std::complex<double> {start[re], start[re + kTileBins]};
              for (std::size_t n = 0; n < first; ++n)
                want += std::complex<double> {ir.plain[n][b]} *
                    std::complex<double> {history.plain[2 + n][b]};
              for (std::size_t n = 0; n < second; ++n)
                want += std::complex<double> {ir2.plain[1 + n][b]} *
                    std::complex<double> {history2.plain[n][b]};
            }
            // A start of up to 736 has 6e-5 between two floats.
            ck_assert (std::abs (std::complex<double> {tiled[re], tiled[re + kTileBins]} - want) <
                (start.empty () ? 4e-6 : 1e-3));
            ck_assert_msg (std::abs (std::complex<double> {exchanged (out[b])} - want) <
                    (start.empty () ? 4e-6 : 1e-3),
                "%s, %u slots, tiles %zu to %zu, bin %zu", target, slots, tiles.first, tiles.end,
                b);
          }
        }
      }
    });
  }
END_TEST

/// A group with more tiles than the others makes every fourth block dearer.
START_TEST (test_groups_are_even)
  {
    for (std::size_t tiles = 1; tiles <= 1000; ++tiles)
      for (const std::size_t groups : {1, 4, 8}) {
        const std::size_t run = even_run (tiles, groups, 16);
        ck_assert (run >= 1 && run <= 16);
        std::vector<std::size_t> sizes (groups);
        for (std::size_t t = 0; t < tiles; ++t)
          ++sizes[t / run % groups];
        const std::size_t rounds = (tiles + 16 * groups - 1) / (16 * groups);
        for (const std::size_t size : sizes)
          ck_assert_uint_le (size, tiles / groups + rounds);
      }
    ck_assert_uint_eq (even_run (75, 4, 16), 10);
    ck_assert_uint_eq (even_run (128, 4, 16), 16);
  }
END_TEST

START_TEST (test_blocks_ahead)
  {
    std::mt19937 random {4};
    const std::size_t bins = kBins[_i % std::size (kBins)];
    const std::size_t count = static_cast<std::size_t> (_i) / std::size (kBins) % 2 == 0 ? 4 : 8;
    const bool goes_on =
        static_cast<std::size_t> (_i) >= 2 * std::size (kBins); // from what is there
    const SlotRun first_runs[] = {{0, 5, 3}, {4, 0, 2}}, second_runs[] = {{2, 1, 4}};
    mt::test::on_every_target ([&] (const char *target) {
      // A run's last slot and count - 1 more are there.
      const Filled ir {bins, 13, random}, history {bins, 8, random};
      const Filled ir2 {bins, 13, random}, history2 {bins, 8, random};
      const Filled starts {bins, 8, random};
      const auto in_tiles = [] (std::size_t b) {
        return b / kTileBins * 2 * kTileBins + b % kTileBins;
      };
      const Product products[] = {
          {&ir.tiled, &history.tiled, first_runs}, {&ir2.tiled, &history2.tiled, second_runs}};
      for (const std::size_t used : {0, 1, 2}) {
        const std::size_t padded = ir.tiled.padded_bins ();
        const TileRange tiles {0, ir.tiled.tiles (), 0, 2};
        struct Sums {
          Spectrum out;
          std::vector<AlignedVector<float>> later;
          bool operator== (const Sums &) const = default;
        };
        const auto sum_up = [&] (Reach reach) {
          Sums sums {Spectrum (padded, {9.0f, 9.0f}),
              {count - 1, AlignedVector<float> (2 * padded, 9.0f)}};
          AlignedVector<float> first (2 * padded, 9.0f);
          std::vector<float *> rows {first.data ()};
          for (auto &row : sums.later)
            rows.push_back (row.data ());
          for (std::size_t r = 0; goes_on && r < count; ++r) {
            for (std::size_t b = 0; b < padded; ++b) {
              rows[r][in_tiles (b)] = starts.plain[r][b].real ();
              rows[r][in_tiles (b) + kTileBins] = starts.plain[r][b].imag ();
            }
          }
          const std::span<float *const> all {rows};
          multiply_accumulate_ahead ({products, used}, tiles,
              goes_on ? all : std::span<float *const> {}, sums.out, all.subspan (1), reach);
          return sums;
        };
        const auto [out, later] = sum_up (Reach::near);
        ck_assert (sum_up (Reach::far) == (Sums {out, later}));
        for (std::size_t r = 0; r < count; ++r) {
          for (std::size_t b = 0; b < padded; ++b) {
            std::complex<double> want;
            if (goes_on)
              want = starts.plain[r][b];
            const auto add = [&] (std::span<const SlotRun> runs, const Filled &h, const Filled &x) {
              for (const SlotRun &run : runs)
                for (std::size_t i = 0; i < run.count; ++i)
                  want += std::complex<double> {h.plain[run.ir_slot + i + r][b]} *
                      std::complex<double> {x.plain[run.history_slot + i][b]};
            };
            if (used > 0)
              add (first_runs, ir, history);
            if (used > 1)
              add (second_runs, ir2, history2);
            if (b / kTileBins % 2 == 1) // of another group: as it was
              want = goes_on && r > 0 ? starts.plain[r][b] : std::complex<float> {9.0f, 9.0f};
            const std::size_t at = in_tiles (b);
            const std::complex<float> got = r == 0
                ? exchanged (out[b])
                : std::complex {later[r - 1][at], later[r - 1][at + kTileBins]};
            ck_assert_msg (std::abs (std::complex<double> {got} - want) < 3e-6,
                "%s, %zu products, sum %zu, bin %zu", target, used, r, b);
          }
        }
      }
    });
  }
END_TEST

START_TEST (test_blocks_together)
  {
    std::mt19937 random {5};
    const std::size_t bins = kBins[_i];
    const SlotRun first_runs[] = {{0, 5, 3}, {4, 0, 2}}, second_runs[] = {{2, 1, 4}};
    mt::test::on_every_target ([&] (const char *target) {
      const Filled ir {bins, 9, random}, history {bins, 8, random};
      const Filled ir2 {bins, 9, random}, history2 {bins, 8, random};
      const Product products[] = {
          {&ir.tiled, &history.tiled, first_runs}, {&ir2.tiled, &history2.tiled, second_runs}};
      const std::size_t padded = ir.tiled.padded_bins ();
      const auto sum_up = [&] (Reach reach) {
        std::vector<Spectrum> out (10, Spectrum (padded, {9.0f, 9.0f}));
        std::vector<std::complex<float> *> where;
        for (Spectrum &each : out)
          where.push_back (each.data ());
        const std::span<std::complex<float> *const> all {where};
        const BlockSums blocks[] = {{products, all.first (4)}, {{products, 1}, all.subspan (4, 4)},
            {products, all.subspan (8, 1)}, {{&products[1], 1}, all.subspan (9, 1)}};
        multiply_accumulate_blocks (blocks, ir.tiled.tiles (), reach);
        return out;
      };
      const std::vector<Spectrum> out = sum_up (Reach::near);
      ck_assert (sum_up (Reach::far) == out);
      for (std::size_t row = 0; row < out.size (); ++row) {
        const std::size_t later = row < 8 ? row % 4 : 0;
        for (std::size_t b = 0; b < padded; ++b) {
          std::complex<double> want;
          const auto add = [&] (std::span<const SlotRun> runs, const Filled &h, const Filled &x) {
            for (const SlotRun &run : runs)
              for (std::size_t i = 0; i < run.count; ++i)
                want += std::complex<double> {h.plain[run.ir_slot + i + later][b]} *
                    std::complex<double> {x.plain[run.history_slot + i][b]};
          };
          if (row < 9)
            add (first_runs, ir, history);
          if (row < 4 || row > 7)
            add (second_runs, ir2, history2);
          ck_assert_msg (std::abs (std::complex<double> {exchanged (out[row][b])} - want) < 3e-6,
              "%s, row %zu, bin %zu", target, row, b);
        }
      }
    });
  }
END_TEST

int main ()
{
  Suite *suite = suite_create ("spectrum");
  TCase *test_case = tcase_create ("spectrum");
  tcase_add_loop_test (test_case, test_layout, 0, std::size (kBins));
  tcase_add_loop_test (test_case, test_multiply_accumulate, 0, std::size (kBins));
  tcase_add_test (test_case, test_tile_ranges);
  tcase_add_test (test_case, test_any_number_of_slots);
  tcase_add_test (test_case, test_groups_are_even);
  tcase_add_loop_test (test_case, test_blocks_ahead, 0, 4 * std::size (kBins));
  tcase_add_loop_test (test_case, test_blocks_together, 0, std::size (kBins));
  suite_add_tcase (suite, test_case);
  return mt::test::run_all (suite);
}
