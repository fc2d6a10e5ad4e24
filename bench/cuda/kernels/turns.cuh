// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Things that are compared on a device take turns, round after round, each behind an emptied cache and between two events; a
// share is the median over rounds of one rate by another of the same round.
//
//     turns t(m, "copy");                                              the roof: a copy's bytes a second, read and written
//     t.roof("kernel", m.copied(), [&] { m.copy_by_kernel(); });
//     t.add({"rms_norm", "bf16", "65536x4096", 2 * bytes, 0.9}, [&] { rms_norm(q, x, w, y); });
//     t.add({"sort_pairs", "", "65536", 16 * n}, ours);  t.beside("CUB", theirs);
//     t.run();                                                         measures, prints a line each, and writes JSON
// Of several roofs the one with the fastest median is the roof. Nobody waits within a round: the CPU gets ahead while the
// cache is emptied, so that what lies between two events is the device's time, gaps between an operation's launches included.
#pragma once

#include <cuda_runtime.h>

#include <functional>
#include <vector>

#include "machine.cuh"

namespace bench {

/// What is measured: its name, what it works on, how many bytes or operations that is, and the share it should reach; 0: any.
struct item {
  std::string name, type, size;
  double amount = 0;
  double bound = 0;
};

class stopwatch {
 public:
  stopwatch() {
    cuda::cuda_check(cudaEventCreate(&begin_), "cudaEventCreate");
    cuda::cuda_check(cudaEventCreate(&end_), "cudaEventCreate");
  }
  stopwatch(stopwatch&& other) noexcept : begin_(other.begin_), end_(other.end_) { other.begin_ = other.end_ = nullptr; }
  stopwatch& operator=(stopwatch&&) = delete;
  ~stopwatch() {
    if (begin_ != nullptr) cudaEventDestroy(begin_), cudaEventDestroy(end_);
  }
  void begin(cudaStream_t s) { cuda::cuda_check(cudaEventRecord(begin_, s), "cudaEventRecord"); }
  void end(cudaStream_t s) { cuda::cuda_check(cudaEventRecord(end_, s), "cudaEventRecord"); }
  double microseconds() const {
    float ms = 0;
    cuda::cuda_check(cudaEventElapsedTime(&ms, begin_, end_), "cudaEventElapsedTime");
    return static_cast<double>(ms) * 1000;
  }

 private:
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
};

class turns {
 public:
  /// `roof`: in words. Amounts are bytes, or operations.
  turns(machine& m, const char* roof, bool operations = false) : m_(m), roof_(roof), unit_(operations ? "TFLOP/s" : "GB/s"), unit_size_(operations ? 1e6 : 1e3) {}

  void roof(const char* by, double amount, std::function<void()> put, const char* type = "") { entries_.emplace_back(item{by, type, "", amount}, kind::roof, "", std::move(put)); }
  /// `before` is put on the stream each time before the clock runs.
  void add(item what, std::function<void()> put, std::function<void()> before = {}) {
    entries_.emplace_back(std::move(what), kind::own, "", std::move(put), std::move(before));
  }
  /// Somebody else's, of what was added last.
  void beside(const char* whose, std::function<void()> put, std::function<void()> before = {}) {
    std::size_t own = entries_.size() - 1;
    while (entries_[own].is != kind::own) --own;
    const item what = entries_[own].what;
    entries_.emplace_back(what, kind::other, whose, std::move(put), std::move(before));
  }

  void run() {
    const cudaStream_t s = m_.q.where();
    for (entry& e : entries_) put(e);
    m_.q.synchronize();
    const int rounds = m_.how.quick ? 2 : m_.how.rounds;
    const std::size_t count = entries_.size();
    for (int round = 0; round < rounds; ++round) {
      for (int i = 0; i < 8; ++i) m_.forget();
      for (std::size_t i = 0; i < count; ++i) {
        entry& e = entries_[(i + static_cast<std::size_t>(round)) % count];
        if (e.before) e.before();
        m_.forget();
        e.watch.begin(s);
        e.put();
        e.watch.end(s);
      }
      m_.q.synchronize();
      cuda::cuda_check(cudaGetLastError(), "a kernel");
      for (entry& e : entries_) e.us.push_back(e.watch.microseconds());
    }
    tell();
  }

 private:
  enum class kind { roof, own, other };
  struct entry {
    entry(item w, kind k, std::string whose_, std::function<void()> p, std::function<void()> b = {})
        : what(std::move(w)), is(k), whose(std::move(whose_)), put(std::move(p)), before(std::move(b)) {}
    item what;
    kind is;
    std::string whose;
    std::function<void()> put, before;
    stopwatch watch;
    std::vector<double> us;
  };

  static void put(entry& e) {
    if (e.before) e.before();
    e.put();
  }
  /// The number that a share of the others are below.
  static double at(std::vector<double> v, double share) {
    std::sort(v.begin(), v.end());
    return v.empty() ? 0 : v[static_cast<std::size_t>(share * static_cast<double>(v.size() - 1) + 0.5)];
  }
  static double median(const entry& e) { return at(e.us, 0.5); }
  /// Between the quartiles, in hundredths of the median.
  static double spread(const entry& e) { return median(e) > 0 ? (at(e.us, 0.75) - at(e.us, 0.25)) / median(e) * 100 : 0; }
  double rate(const entry& e) const { return median(e) > 0 ? e.what.amount / median(e) / unit_size_ : 0; }

  void tell() const {
    const entry* best = nullptr;
    for (const entry& e : entries_) {
      if (e.is != kind::roof) continue;
      if (best == nullptr || rate(e) > rate(*best)) best = &e;
      std::printf("roof: %s %s by %s, %.1f us (%.1f %%), %.0f %s\n", roof_, e.what.type.c_str(), e.what.name.c_str(), median(e), spread(e), rate(e), unit_);
      if (m_.json != nullptr)
        std::fprintf(m_.json, "{\"what\": \"roof\", \"roof\": \"%s\", \"type\": \"%s\", \"by\": \"%s\", \"us\": %.1f, \"spread\": %.1f, \"rate\": %.1f, \"unit\": \"%s\"}\n", roof_, e.what.type.c_str(), e.what.name.c_str(), median(e), spread(e), rate(e), unit_);
    }
    for (const entry& e : entries_) {
      if (e.is == kind::own) tell_own(e, best);
      if (e.is == kind::other) {
        std::printf("  %-38s %10.1f us (%.1f %%)\n", e.whose.c_str(), median(e), spread(e));
        if (m_.json != nullptr)
          std::fprintf(m_.json, "{\"what\": \"contender\", \"by\": \"%s\", \"name\": \"%s\", \"type\": \"%s\", \"size\": \"%s\", \"us\": %.1f, \"spread\": %.1f}\n", e.whose.c_str(), e.what.name.c_str(), e.what.type.c_str(), e.what.size.c_str(), median(e), spread(e));
      }
    }
    std::fflush(stdout);
    if (m_.json != nullptr) std::fflush(m_.json);
  }
  void tell_own(const entry& e, const entry* best) const {
    std::vector<double> shares;
    for (std::size_t r = 0; best != nullptr && r < e.us.size(); ++r) shares.push_back(e.what.amount / e.us[r] / (best->what.amount / best->us[r]));
    const double share = at(shares, 0.5);
    const bool met = share >= e.what.bound;
    std::printf("%-28s %-5s %-16s %8.1f us (%.1f %%) %7.0f %s", e.what.name.c_str(), e.what.type.c_str(), e.what.size.c_str(), median(e), spread(e), rate(e), unit_);
    if (best != nullptr) std::printf("  %.3f of the %s", share, roof_);
    if (e.what.bound > 0) std::printf(", %s %.2f", met ? "meets" : "MISSES", e.what.bound);
    std::printf("\n");
    if (m_.json == nullptr) return;
    std::fprintf(m_.json, "{\"what\": \"bench\", \"name\": \"%s\", \"type\": \"%s\", \"size\": \"%s\", \"us\": %.1f, \"spread\": %.1f, \"rate\": %.1f, \"unit\": \"%s\"", e.what.name.c_str(), e.what.type.c_str(), e.what.size.c_str(), median(e), spread(e), rate(e), unit_);
    if (best != nullptr) std::fprintf(m_.json, ", \"roof\": \"%s\", \"share\": %.3f", roof_, share);
    if (e.what.bound > 0) std::fprintf(m_.json, ", \"bound\": %.2f, \"met\": \"%s\"", e.what.bound, met ? "yes" : "no");
    std::fprintf(m_.json, "}\n");
  }

  machine& m_;
  const char *roof_, *unit_;
  double unit_size_;
  std::vector<entry> entries_;
};

/// Turns whose roof is a copy, the kernel's or the driver's.
inline turns beside_a_copy(machine& m) {
  turns t(m, "copy");
  t.roof("kernel", static_cast<double>(m.copied()), [&m] { m.copy_by_kernel(); });
  t.roof("driver", static_cast<double>(m.copied()), [&m] { m.copy_by_driver(); });
  return t;
}

}  // namespace bench
