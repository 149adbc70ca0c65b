// SPDX-License-Identifier: LGPL-2.1-or-later
// One convolver in a process of its own: making it, checking it, measuring it.
#include "convolverworker.hpp"

#include "feed.hpp"
#include "measure.hpp"

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstring>
#include <numeric>
#include <random>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace mt::bench {
namespace {

constexpr std::size_t kRingFrames = 48'000;   // of noise that is fed again and again
constexpr std::size_t kWarmupFrames = 96'000; // also past the first audiofirfilter output
constexpr double kWorstDb = -90.0;

/// The child's first answer. Not empty: what went wrong.
struct Readiness {
  double accuracy_db {};
  char problem[240] {};
};

void send (int file, const void *data, std::size_t bytes)
{
  const auto *from = static_cast<const char *> (data);
  while (bytes > 0) {
    const auto written = write (file, from, bytes);
    if (written <= 0)
      throw std::runtime_error ("the other process is gone");
    from += written;
    bytes -= static_cast<std::size_t> (written);
  }
}

/// False at the end.
bool receive (int file, void *data, std::size_t bytes)
{
  auto *to = static_cast<char *> (data);
  while (bytes > 0) {
    const auto got = read (file, to, bytes);
    if (got <= 0)
      return false;
    to += got;
    bytes -= static_cast<std::size_t> (got);
  }
  return true;
}

std::vector<float> make_noise (std::size_t samples, unsigned seed)
{
  std::mt19937 random {seed};
  std::uniform_real_distribution<float> amplitude {-0.5f, 0.5f};
  std::vector<float> noise (samples);
  std::generate (noise.begin (), noise.end (), [&] { return amplitude (random); });
  return noise;
}

std::unique_ptr<Subject> make_subject (
    const System &system, const Shape &shape, const dsp::Impulse &ir)
{
  if (system.kind == "engine")
    return make_engine (shape, ir, system.manner);
  if (system.kind == "convreverb")
    return make_convreverb (shape, ir, system.manner);
  if (system.kind == "zita")
    return make_zita (shape, ir);
  return make_audiofirfilter (shape, ir);
}

/// One output sample by the definition, in double.
double direct (const System &system, const Shape &shape, const dsp::Impulse &ir,
    const std::vector<float> &in, std::size_t frame, std::size_t channel)
{
  const auto taps = std::min (ir.frames (), frame + 1);
  const auto ir_channel = system.first_only () ? 0 : channel;
  double sum = system.has_dry () ? static_cast<double> (in[frame * shape.channels + channel]) : 0.0;
  for (std::size_t k = 0; k < taps; ++k)
    sum += static_cast<double> (ir.samples[k * ir.channels + ir_channel]) *
        static_cast<double> (in[(frame - k) * shape.channels + channel]);
  return sum;
}

/// Decibels that the output is away from a convolution, with the delay that the system says or, as
/// elements take it off again, without.
double difference_db (
    Subject &subject, const System &system, const Shape &shape, const dsp::Impulse &ir)
{
  const std::size_t latency =
      system.kind == "audiofirfilter" ? 0 : system.added_latency_frames (shape, ir.frames ());
  // audiofirfilter says nothing before it has about four times the kernel.
  const std::size_t enough =
      (system.kind == "audiofirfilter" ? 5 : 1) * ir.frames () + 2 * latency + kWarmupFrames;
  const std::size_t chunks = (enough + shape.frames - 1) / shape.frames;
  const auto in = make_noise (chunks * shape.samples (), 2);
  std::vector<float> out;
  out.reserve (in.size ());
  subject.collect_into (&out);
  for (std::size_t chunk = 0; chunk < chunks; ++chunk)
    subject.process (in.data () + chunk * shape.samples ());
  subject.collect_into (nullptr);

  const auto frames = out.size () / shape.channels;
  if (frames < ir.frames () + latency + 1)
    throw std::runtime_error (format ("only %zu frames came out", frames));
  double best = 1e9;
  for (const std::size_t delay : {std::size_t {0}, latency}) {
    std::mt19937 random {3};
    std::uniform_int_distribution<std::size_t> place {latency, frames - 1};
    double error = 0.0, energy = 0.0;
    for (std::size_t probe = 0; probe < 40; ++probe) {
      const auto frame = place (random);
      const std::size_t channel = probe % shape.channels;
      const auto expected = direct (system, shape, ir, in, frame - delay, channel);
      error +=
          std::pow (static_cast<double> (out[frame * shape.channels + channel]) - expected, 2.0);
      energy += expected * expected;
    }
    best = std::min (best, 10.0 * std::log10 (error / energy + 1e-30));
  }
  return best;
}

Turn take_turn (
    Subject &subject, const Shape &shape, const std::vector<float> &noise, std::size_t chunks)
{
  std::size_t position = 0;
  const auto next = [&] {
    const auto *chunk = noise.data () + position;
    position += shape.samples ();
    if (position + shape.samples () > noise.size ())
      position = 0;
    return chunk;
  };
  for (std::size_t i = 0; i * shape.frames < kWarmupFrames; ++i)
    subject.process (next ());

  Turn turn;
  const auto begin = Usage::now ();
  for (std::size_t i = 0; i < chunks; ++i)
    subject.process (next ());
  const auto used = Usage::now () - begin;
  turn.cpu_ns = static_cast<double> (used.cpu_ns) / static_cast<double> (chunks * shape.samples ());

  turn.chunk_us.reserve (chunks);
  for (std::size_t i = 0; i < chunks; ++i) {
    const auto *chunk = next ();
    const auto start = thread_cpu_ns ();
    subject.process (chunk);
    turn.chunk_us.push_back (static_cast<float> (thread_cpu_ns () - start) / 1000.0f);
  }
  return turn;
}

/// The child's whole life.
void serve (
    int commands, int answers, const System &system, const Shape &shape, const dsp::Impulse &ir)
{
  Readiness readiness;
  std::unique_ptr<Subject> subject;
  try {
    // zita-convolver has been seen to lose a part of a response on a busy machine, and to be right
    // when made anew. Ours has one try.
    for (int tries = system.kind == "zita" ? 3 : 1; tries > 0; --tries) {
      subject = make_subject (system, shape, ir);
      readiness.accuracy_db = difference_db (*subject, system, shape, ir);
      if (readiness.accuracy_db < kWorstDb)
        break;
    }
    if (!(readiness.accuracy_db < kWorstDb))
      throw std::runtime_error (
          format ("is no convolution: %.1f dB away from the direct one", readiness.accuracy_db));
  } catch (const std::exception &problem) {
    std::strncpy (readiness.problem, problem.what (), sizeof readiness.problem - 1);
  }
  send (answers, &readiness, sizeof readiness);
  // Whole chunks, and longer than what a cache holds of one chunk.
  const auto noise = make_noise ((kRingFrames / shape.frames + 1) * shape.samples (), 4);
  for (std::uint64_t chunks {}; receive (commands, &chunks, sizeof chunks);) {
    const auto turn = take_turn (*subject, shape, noise, static_cast<std::size_t> (chunks));
    send (answers, &turn.cpu_ns, sizeof turn.cpu_ns);
    send (answers, turn.chunk_us.data (), turn.chunk_us.size () * sizeof (float));
  }
}

} // namespace

System System::parse (const std::string &key, const Shape &shape)
{
  System system {key, key.substr (0, key.find (':')), {}};
  const bool ours = system.kind == "engine" || system.kind == "convreverb";
  if (!ours && key != "zita" && key != "audiofirfilter")
    throw std::invalid_argument ("'" + key + "' is no system that this benchmark knows");
  const auto longest = std::max<std::size_t> (kRateHz / shape.frames, 1);
  for (auto at = key.find (':'); at != std::string::npos;) {
    const auto end = key.find (':', at + 1);
    const auto word = key.substr (at + 1, end == std::string::npos ? end : end - at - 1);
    if (word == "spike" || word == "spread")
      system.manner.schedule = word == "spike" ? dsp::Schedule::spike : dsp::Schedule::spread;
    else if (word == "offline")
      system.manner.batch_chunks = longest;
    else
      system.manner.batch_chunks = std::min (parse_counts (word).at (0), longest);
    at = end;
  }
  return system;
}

std::string System::name () const
{
  if (kind == "zita")
    return "zita-convolver";
  auto text = kind == "engine" ? std::string {"engine alone"} : "`" + kind + "`";
  if (key.find ("offline") != std::string::npos)
    text += ", batch of 1 s";
  else if (manner.batch_chunks > 1)
    text += format (", batch of %zu", manner.batch_chunks);
  if (manner.schedule == dsp::Schedule::spike)
    text += ", spike";
  return text;
}

std::size_t System::added_latency_frames (const Shape &shape, std::size_t ir_frames) const noexcept
{
  if (kind == "zita")
    return zita_quantum (shape.frames) - std::gcd (zita_quantum (shape.frames), shape.frames);
  if (kind == "audiofirfilter")
    return 3 * ir_frames;
  return (manner.batch_chunks - 1) * shape.frames;
}

Worker::Worker (const System &system, const Shape &shape, const dsp::Impulse &ir)
    : name_ {system.name ()}
{
  int commands[2], answers[2];
  if (pipe (commands) != 0 || pipe (answers) != 0)
    throw std::runtime_error ("no pipe for a process");
  process_ = fork ();
  if (process_ < 0)
    throw std::runtime_error ("no process for " + name_);
  if (process_ == 0) {
    prctl (PR_SET_PDEATHSIG, SIGKILL);
    close (commands[1]);
    close (answers[0]);
    try {
      serve (commands[0], answers[1], system, shape, ir);
    } catch (const std::exception &) { // told by the pipe that ends
    }
    _exit (0);
  }
  close (commands[0]);
  close (answers[1]);
  commands_ = commands[1];
  answers_ = answers[0];
  Readiness readiness;
  const bool alive = receive (answers_, &readiness, sizeof readiness);
  if (!alive || readiness.problem[0] != '\0') {
    end ();
    throw std::runtime_error (name_ + ": " + (alive ? readiness.problem : "its process has died"));
  }
  accuracy_db_ = readiness.accuracy_db;
}

Worker::~Worker ()
{
  end ();
}

void Worker::end () noexcept
{
  kill (process_, SIGKILL); // younger processes hold its pipes as well, so closing them is no sign
  close (commands_);
  close (answers_);
  waitpid (process_, nullptr, 0);
}

Turn Worker::measure (std::size_t chunks)
{
  const std::uint64_t count {chunks};
  send (commands_, &count, sizeof count);
  Turn turn {0.0, std::vector<float> (chunks)};
  if (!receive (answers_, &turn.cpu_ns, sizeof turn.cpu_ns) ||
      !receive (answers_, turn.chunk_us.data (), chunks * sizeof (float)))
    throw std::runtime_error (name_ + ": its process has died");
  return turn;
}

} // namespace mt::bench
