// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the checks of operations on a CUDA device share: a program of its own for each group, first over a device that isn't
// there, whose streams' faults it prints, then over the real one, where results are held to the truth in double.
//
//     struct cases {
//       template <class Runtime>
//       static void run(check::report& r) {
//         basic_queue<Runtime> q;
//         const auto x = check::numbers<bf16, 2>({{7, 61}}, 1);                       the CPU's
//         check::placed<Runtime, bf16, 2> there(x, check::odd), y(x.extents());       the device's; odd: anywhere but at a line
//         rms_norm(q, there.view, {}, y.view);
//         r.near("rms_norm bf16 7 by 61", y.back(), plain, truth);                    y.back() waits; nothing is judged over `checked`
//       }
//     };
//     int main(int argc, char** argv) { return check::main<cases>(argc, argv, "rows"); }
// Exit: 77 with "no device" where there is none, 1 where a check failed. --json FILE writes a line of JSON a check; --speed
// has `speed` measure; --quick does a seventh of the cases (where `skips` is asked), over the real device alone, for tools that
// slow a program down. Where `judges` is false, plain loops needn't be run. The last line but one is a number made of the bits
// of all results, so that two runs can be compared.
#pragma once

#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include <stretto/cuda/checked.hpp>
#include <stretto/cuda/device.hpp>
#include <stretto/tensor/tensor.hpp>

#include "../../rounded.hpp"

namespace check {

using namespace stretto;
using test::as, test::numbers, test::unit_in_last_place;
using cuda::basic_memory;
using cuda::basic_queue;
using cuda::checked;
using cuda::runtime;

/// Calls f(T{}) for each type that has kernels; of 0, 1 and 2 STRETTO_CHECK_TYPE is the only one, so that what takes long to
/// compile is compiled side by side.
template <class F>
void each_type(F&& f) {
#if !defined(STRETTO_CHECK_TYPE) || STRETTO_CHECK_TYPE == 0
  f(float{});
#endif
#if !defined(STRETTO_CHECK_TYPE) || STRETTO_CHECK_TYPE == 1
  f(bf16{});
#endif
#if !defined(STRETTO_CHECK_TYPE) || STRETTO_CHECK_TYPE == 2
  f(fp16{});
#endif
}
template <class T>
const char* name_of() {
  return element_name(element_traits<T>::type).data();
}
/// "rms_norm bf16 (7, 61) odd"
template <class T, int R>
std::string words(const char* what, const shape<R>& s, const std::string& more = {}) {
  return std::string(what) + " " + name_of<T>() + " " + s.words().c_str() + (more.empty() ? "" : " " + more);
}

// The device's -------------------------------------------------------------------------------------------------------------

/// Where rows begin: `first` elements in, and `gap` elements behind each row.
struct layout {
  const char* name;
  int first, gap;
};
inline constexpr layout packed{"packed", 0, 0};
inline constexpr layout odd{"odd", 3, 5};      ///< anywhere but at a line
inline constexpr layout lined{"lined", 16, 32};  ///< at lines of sixteen bytes, with gaps
inline constexpr layout layouts[] = {packed, odd, lined};

/// A tensor on the device in some layout, with the CPU's numbers or zeros. Around it stands a pattern.
template <class Runtime, class T, int R>
struct placed {
  using memory = basic_memory<Runtime>;
  tensor_view<T, R, memory> view;

  explicit placed(const tensor<T, R>& numbers, const layout& how = packed) : placed(numbers.extents(), how) { put(numbers); }
  explicit placed(const shape<R>& s, const layout& how = packed) : how_(how), shape_(s) {
    columns_ = s[R - 1], rows_ = 1;
    for (int i = 0; i + 1 < R; ++i) rows_ *= s[i];
    all_ = tensor<T, 1, memory>(shape<1>{{how.first + rows_ * (columns_ + how.gap)}});
    std::int64_t strides[R], step = columns_ + how.gap;
    strides[R - 1] = 1;
    for (int i = R - 2; i >= 0; --i) strides[i] = step, step *= s[i] > 0 ? s[i] : 1;
    view = tensor_view<T, R, memory>(all_.data() + (all_.data() != nullptr ? how.first : 0), s, strides);
    put(tensor<T, R>(s));
  }
  placed(const placed&) = delete;

  void put(const tensor<T, R>& numbers) {
    tensor<T, 1> all(all_.extents());
    if (all.empty()) return;
    std::memset(static_cast<void*>(all.data()), pattern, bytes(all));
    for (std::int64_t t = 0; t < rows_ && columns_ > 0; ++t) std::memcpy(static_cast<void*>(at(all, t)), numbers.data() + t * columns_, row_bytes());
    cuda::to_device(tensor_view<T, 1, memory>(all_), all.data());
  }
  /// Waits. To be called when the queue has been waited for.
  tensor<T, R> back() const {
    tensor<T, R> to(shape_);
    const tensor<T, 1> all = read();
    for (std::int64_t t = 0; t < rows_ && columns_ > 0; ++t) std::memcpy(static_cast<void*>(to.data() + t * columns_), at(all, t), row_bytes());
    return to;
  }
  /// What stands around the rows is untouched.
  bool kept() const {
    const tensor<T, 1> all = read();
    for (std::int64_t t = 0; t < rows_ && columns_ > 0; ++t) std::memset(static_cast<void*>(at(all, t)), pattern, row_bytes());
    const auto* const first = reinterpret_cast<const unsigned char*>(all.data());
    for (std::size_t i = 0; i < bytes(all); ++i)
      if (first[i] != pattern) return false;
    return true;
  }

 private:
  static constexpr unsigned char pattern = 0x5a;
  std::size_t row_bytes() const { return static_cast<std::size_t>(columns_) * sizeof(T); }
  static std::size_t bytes(const tensor<T, 1>& all) { return static_cast<std::size_t>(all.size()) * sizeof(T); }
  T* at(const tensor<T, 1>& all, std::int64_t row) const { return all.data() + how_.first + row * (columns_ + how_.gap); }
  tensor<T, 1> read() const {
    tensor<T, 1> all(all_.extents());
    if (!all.empty()) cuda::to_host(tensor_view<T, 1, memory>(all_), all.data());
    return all;
  }
  layout how_;
  shape<R> shape_;
  std::int64_t columns_ = 0, rows_ = 0;
  tensor<T, 1, memory> all_;
};

/// A struct on the device, in whole doubles.
template <class Runtime, class S>
struct placed_struct {
  static constexpr std::int64_t words = (sizeof(S) + 7) / 8;
  tensor<double, 1, basic_memory<Runtime>> room{shape<1>{{words}}};

  explicit placed_struct(const S& s = {}) { put(s); }
  void put(const S& s) {
    double all[words] = {};
    std::memcpy(static_cast<void*>(all), &s, sizeof s);
    cuda::to_device(tensor_view<double, 1, basic_memory<Runtime>>(room), all);
  }
  S back() const {
    double all[words];
    cuda::to_host(tensor_view<double, 1, basic_memory<Runtime>>(room), all);
    S s;
    std::memcpy(&s, static_cast<const void*>(all), sizeof s);
    return s;
  }
  S* get() const { return reinterpret_cast<S*>(room.data()); }
};

// The bound ----------------------------------------------------------------------------------------------------------------

struct errors {
  double largest = 0, size = 0;  ///< of all differences; of true values
};
/// Numbers that are infinite or none in both are equal there.
template <class T, int R>
errors errors_of(const tensor<T, R>& got, const tensor<double, R>& truth) {
  errors e;
  for (std::int64_t i = 0; i < truth.size(); ++i) {
    const double a = static_cast<double>(got.data()[i]), b = truth.data()[i];
    if ((std::isnan(a) && std::isnan(b)) || a == b) {
      if (std::isfinite(b) && std::abs(b) > e.size) e.size = std::abs(b);
      continue;
    }
    const double off = std::abs(a - b);
    e.largest = !(off <= e.largest) ? off : e.largest;  // what is no number is the largest error, and stays it
    if (std::isfinite(b) && std::abs(b) > e.size) e.size = std::abs(b);
  }
  return e;
}

// The report ---------------------------------------------------------------------------------------------------------------

class report {
 public:
  report(const char* group, std::FILE* json, bool measures, bool quick = false) : group_(group), json_(json), measures_(measures), quick_(quick) {}

  bool judges() const { return judges_; }
  /// To be asked once a case: whether it is to be left out. Which are hangs on their order alone.
  bool skips() { return quick_ && cases_++ % 7 != 3; }
  bool quick() const { return quick_; }
  std::uint64_t bits() const { return bits_; }
  bool measures() const { return measures_; }
  void judge(bool yes) { judges_ = yes; }
  int failed() const { return failed_; }
  int checks() const { return checks_; }

  /// One check.
  bool check(const std::string& name, bool good, const std::string& more = {}) {
    if (!judges_) return true;
    return say(name, good, more);
  }
  /// The largest error is at most twice that of plain loops in the same precision, and 2 units in the last place.
  template <class T, int R>
  bool near(const std::string& name, const tensor<T, R>& got, const tensor<T, R>& plain, const tensor<double, R>& truth) {
    if (!judges_) return true;
    note(got);
    const errors ours = errors_of(got, truth), theirs = errors_of(plain, truth);
    const double bound = 2 * theirs.largest + 2 * unit_in_last_place<T>(ours.size);
    char more[200];
    std::snprintf(more, sizeof more, "error %.3g, plain loops %.3g, bound %.3g, largest %.3g", ours.largest, theirs.largest, bound, ours.size);
    // What can't be held in T is infinite in plain loops, too: then places must agree.
    const bool good = std::isfinite(theirs.largest) ? ours.largest <= bound : alike(got, plain);
    return say(name, good, more);
  }
  template <class T, int R>
  bool same(const std::string& name, const tensor<T, R>& a, const tensor<T, R>& b) {
    note(a);
    return check(name, test::same_bits(a, b), "bit for bit");
  }
  /// Numbers, infinities and what is no number in the same places.
  template <class T, class U, int R>
  static bool alike(const tensor<T, R>& a, const tensor<U, R>& b) {
    for (std::int64_t i = 0; i < a.size(); ++i) {
      const auto x = static_cast<double>(a.data()[i]), y = static_cast<double>(b.data()[i]);
      if (std::isnan(x) != std::isnan(y) || std::isinf(x) != std::isinf(y) || (std::isinf(x) && x != y)) return false;
    }
    return true;
  }
  /// f throws exactly that sentence. Judged over `checked`, too.
  template <class F>
  bool throws(const std::string& name, const char* sentence, F&& f) {
    std::string got = "nothing";
    try {
      f();
    } catch (const error& e) {
      got = e.what();
    }
    return say(name, got == sentence, got == sentence ? "" : "said: " + got);
  }
  /// How long f takes on the queue, in microseconds, and what rate that is; with --speed, over a real device.
  template <class Queue, class F>
  void speed(const std::string& name, Queue& q, std::int64_t bytes, F&& f, int repeats = 50) {
    if (!judges_ || !measures_) return;
    using clock = std::chrono::steady_clock;
    for (int i = 0; i < 5; ++i) f();
    double least = 1e30;
    for (int part = 0; part < 5; ++part) {
      q.synchronize();
      const auto begin = clock::now();
      for (int i = 0; i < repeats; ++i) f();
      q.synchronize();
      const double us = std::chrono::duration<double, std::micro>(clock::now() - begin).count() / repeats;
      least = us < least ? us : least;
    }
    const double rate = static_cast<double>(bytes) / least / 1e3;
    std::printf("speed %s: %.2f us, %.0f GB/s\n", name.c_str(), least, rate);
    if (json_ != nullptr) std::fprintf(json_, "{\"group\": \"%s\", \"speed\": \"%s\", \"us\": %.3f, \"gb_s\": %.1f}\n", group_, name.c_str(), least, rate);
  }

 private:
  bool say(const std::string& name, bool good, const std::string& more) {
    ++checks_, failed_ += good ? 0 : 1;
    std::printf("%s %s%s%s\n", good ? "ok" : "FAIL", name.c_str(), more.empty() ? "" : ": ", more.c_str());
    if (json_ != nullptr) std::fprintf(json_, "{\"group\": \"%s\", \"check\": \"%s\", \"ok\": %s, \"more\": \"%s\"}\n", group_, name.c_str(), good ? "true" : "false", plain(more).c_str());
    return good;
  }
  template <class T, int R>
  void note(const tensor<T, R>& t) {
    const auto* const first = reinterpret_cast<const unsigned char*>(t.data());
    for (std::int64_t i = 0; judges_ && i < t.size() * static_cast<std::int64_t>(sizeof(T)); ++i) bits_ = (bits_ ^ first[i]) * 0x100000001b3ull;
  }
  static std::string plain(std::string s) {
    for (char& c : s) c = c == '"' || c == '\\' || c == '\n' ? ' ' : c;
    return s;
  }

  const char* group_;
  std::FILE* json_;
  bool measures_, quick_, judges_ = false;
  int checks_ = 0, failed_ = 0, cases_ = 0;
  std::uint64_t bits_ = 0xcbf29ce484222325ull;
};

template <class Cases>
int main(int argc, char** argv, const char* group) {
  std::FILE* json = nullptr;
  bool speed = false, quick = false;
  std::setvbuf(stdout, nullptr, _IOLBF, 1 << 16);  // who reads along sees each line, and what came before an abrupt end
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--json") == 0 && i + 1 < argc) json = std::fopen(argv[++i], "w");
    else if (std::strcmp(argv[i], "--speed") == 0) speed = true;
    else if (std::strcmp(argv[i], "--quick") == 0) quick = true;
    else return std::fprintf(stderr, "%s [--json FILE] [--speed] [--quick]\n", argv[0]), 2;
  }
  report r(group, json, speed, quick);
  int status = 0;
  try {
    if (!quick) {
      checked::begin();
      Cases::template run<checked>(r);
      const std::vector<std::string> faults = checked::finish();
      r.judge(true);
      for (const std::string& fault : faults) r.check("order", false, fault);
      r.check("order of " + std::to_string(checked::works()) + " works", faults.empty());
    }
    r.judge(true);
    if (runtime::devices() == 0) {
      std::printf("no device\n");
      status = 77;
    } else {
      runtime::use(0);
      Cases::template run<runtime>(r);
    }
  } catch (const std::exception& e) {
    r.judge(true);
    r.check("to the end", false, e.what());
  }
  std::printf("bits of all results: %016llx\n", static_cast<unsigned long long>(r.bits()));
  std::printf("%s: %d checks, %d failed\n", group, r.checks(), r.failed());
  if (json != nullptr) std::fclose(json);
  return r.failed() > 0 ? 1 : status;
}

}  // namespace check
