// SPDX-License-Identifier: LGPL-2.1-or-later
// What goes from thread to thread without a lock: objects, and the last seconds of a stream.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "run.hpp"

#include <check.h>

#include "dsp/handoff.hpp"
#include "dsp/inputhistory.hpp"

using mt::dsp::Handoff;
using mt::dsp::InputHistory;

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kObjects = 20000;
constexpr std::uint64_t kStream = 400000;
#else
constexpr int kObjects = 200000;
constexpr std::uint64_t kStream = 4000000;
#endif

std::atomic<int> alive {0};
std::atomic<int> freed_elsewhere {0};
std::thread::id maker;

struct Thing {
  explicit Thing (int n) noexcept : number {n}, copy {n} { ++alive; }
  ~Thing ()
  {
    --alive;
    freed_elsewhere += std::this_thread::get_id () != maker;
  }
  Thing (const Thing &) = delete;
  Thing &operator= (const Thing &) = delete;

  int number;
  int copy; // of the number: a torn or freed object would differ
  Thing *next_retired {nullptr};
};

/// What frame `position` of channel `channel` holds.
float sample_at (std::uint64_t position, std::size_t channel)
{
  return static_cast<float> ((position * 7 + channel) % 100003);
}

void fill (std::uint64_t position, std::size_t channels, std::vector<float> &out)
{
  for (std::size_t i = 0; i < out.size (); ++i)
    out[i] = sample_at (position + i / channels, i % channels);
}

} // namespace

START_TEST (test_objects_between_two_threads)
  {
    maker = std::this_thread::get_id ();
    freed_elsewhere = 0;
    int adopted = 0, broken = 0, backwards = 0, last = -1;
    {
      Handoff<Thing> handoff;
      std::atomic<bool> done {false};
      std::thread user {[&] {
        std::unique_ptr<Thing> current;
        for (bool over = false; !over;) {
          over = done; // one more look after that
          if (auto next = handoff.adopt ()) {
            ++adopted;
            broken += next->number != next->copy;
            backwards += next->number <= last;
            last = next->number;
            handoff.retire (std::move (current));
            current = std::move (next);
          }
        }
        handoff.retire (std::move (current));
      }};
      int replaced = 0, collected = 0;
      for (int i = 0; i < kObjects; ++i) {
        replaced += handoff.publish (std::make_unique<Thing> (i)) != nullptr;
        if (i % 3 == 0)
          handoff.collect (
              [&] (std::unique_ptr<Thing> thing) { collected += thing->number == thing->copy; });
        if (i % 1000 == 0)
          std::this_thread::yield ();
      }
      done = true;
      user.join ();
      handoff.collect (
          [&] (std::unique_ptr<Thing> thing) { collected += thing->number == thing->copy; });
      ck_assert_int_eq (adopted, collected);
      ck_assert_int_eq (adopted + replaced, kObjects);
      handoff.publish (std::make_unique<Thing> (0)); // and what nobody takes goes with it
      handoff.retire (std::make_unique<Thing> (0));
    }
    ck_assert_int_eq (last, kObjects - 1); // the last one wins
    ck_assert_int_eq (broken, 0);
    ck_assert_int_eq (backwards, 0);
    ck_assert_int_eq (alive, 0);
    ck_assert_int_eq (freed_elsewhere, 0);
  }
END_TEST

START_TEST (test_history_is_what_was_appended)
  {
    std::mt19937 random {3};
    for (const std::size_t channels : {1, 2, 5})
      for (const std::size_t keep : {1, 2048, 2049, 10000}) {
        InputHistory history {channels, keep};
        std::vector<float> all;
        std::uint64_t forgotten = 0;
        while (history.end () < 60000) {
          const std::size_t frames = 1 + random () % 3000;
          std::vector<float> now (frames * channels);
          if (random () % 8 == 0) {
            history.append_silence (frames);
          } else {
            fill (history.end (), channels, now);
            history.append (now);
          }
          all.insert (all.end (), now.begin (), now.end ());
          if (random () % 40 == 0) {
            history.forget ();
            forgotten = history.end ();
          }
          ck_assert_uint_eq (history.begin (), forgotten);
          ck_assert_uint_eq (history.end () * channels, all.size ());
          const std::uint64_t oldest = history.oldest ();
          const std::uint64_t promised =
              history.end () - std::min<std::uint64_t> (history.end (), keep);
          ck_assert_uint_le (oldest, std::max (forgotten, promised));
          ck_assert_uint_ge (oldest, forgotten);
          for (int i = 0; i < 3; ++i) {
            const std::uint64_t from = oldest + random () % (history.end () - oldest + 1);
            std::vector<float> got ((random () % (history.end () - from + 1)) * channels);
            ck_assert (history.read (from, got));
            ck_assert (std::equal (got.begin (), got.end (),
                all.begin () + static_cast<std::ptrdiff_t> (from * channels)));
          }
          std::vector<float> one (channels);
          ck_assert (!history.read (history.end (), one));
          if (oldest > 0)
            ck_assert (!history.read (oldest - 1, one));
          const std::uint64_t shared = history.oldest_shared ();
          if (shared < history.shared_end ()) {
            ck_assert_uint_le (
                history.end () - history.shared_end (), InputHistory::kSegmentFrames);
            ck_assert (history.read_shared (shared, one));
            ck_assert (one[0] == all[shared * channels]);
          }
        }
      }
  }
END_TEST

START_TEST (test_history_is_read_while_it_is_written)
  {
    constexpr std::size_t kChannels = 2;
    InputHistory history {kChannels, 3 * InputHistory::kSegmentFrames};
    std::atomic<bool> done {false};
    std::atomic<int> good {0};
    int wrong = 0;
    std::thread reader {[&] {
      std::vector<float> got (500 * kChannels), expected (got.size ());
      std::mt19937 random {5};
      while (!done) {
        const std::uint64_t oldest = history.oldest_shared (), end = history.shared_end ();
        if (end < oldest + 500)
          continue;
        // Often the oldest, which is the next to be overwritten.
        const std::uint64_t from =
            random () % 2 ? oldest : oldest + random () % (end - oldest - 499);
        if (!history.read_shared (from, got))
          continue; // overwritten meanwhile: how often depends on who is faster
        fill (from, kChannels, expected);
        ++good;
        wrong += got != expected;
      }
    }};
    std::mt19937 random {7};
    std::vector<float> now;
    // On a busy machine the reader may come late.
    while (history.end () < kStream || good < 100) {
      now.resize ((1 + random () % 700) * kChannels);
      fill (history.end (), kChannels, now);
      history.append (now);
      if (random () % 64 == 0)
        std::this_thread::yield ();
    }
    done = true;
    reader.join ();
    ck_assert_int_eq (wrong, 0);
  }
END_TEST

int main ()
{
  Suite *suite = suite_create ("handoff");
  TCase *handoff = tcase_create ("Handoff");
  tcase_add_test (handoff, test_objects_between_two_threads);
  suite_add_tcase (suite, handoff);
  TCase *history = tcase_create ("InputHistory");
  tcase_add_test (history, test_history_is_what_was_appended);
  tcase_add_test (history, test_history_is_read_while_it_is_written);
  suite_add_tcase (suite, history);
  return mt::test::run_all (suite);
}
