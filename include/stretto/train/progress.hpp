// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How far a long piece of work is: a bar that is drawn over itself on a terminal, single lines elsewhere.
//
//     progress bar(files, {.name = "reading"});
//     for (…) bar.update(done);
//     reading  42 % ██████▌           420/1,000 | 12.3/s | 47 s left                       a terminal
//     reading 100/1,000 (10 %) | 12.3/s | 1 min 13 s left                                a file: at 1, 2, 5, 10, 20, 50, …
//     reading 1,000/1,000 in 1 min 21 s (12.3/s)                                         both, at the end
// The time left comes from the rate of the last minute or so: old work counts less and less. The bar is drawn ten times a
// second at most and wiped before another line is written, so say(line) and the end leave the screen in order. It writes to
// a FILE* or calls a function, from the thread that calls update. Cost: a look at the clock an update.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include <stretto/draw/escape.hpp>
#include <stretto/train/log_file.hpp>
#include <stretto/train/number_words.hpp>

namespace stretto::inline v0 {

struct progress_options {
  std::string name = "";
  std::int64_t done = 0;       ///< what was done before, by a run that this one goes on
  std::int64_t every = 0;      ///< where there is no terminal: a line each so many; 0: at 1, 2, 5, 10, 20, 50, …
  std::FILE* file = stderr;
  std::function<void(std::string_view)> write = {};  ///< instead of the file
  int width = -1;              ///< columns of a terminal; 0: it is none; -1: as the file is
  int utf8 = -1;               ///< 1 or 0: the bar is of blocks or of #; -1: as the environment says
  std::function<double()> clock = {};                ///< seconds; empty: the system's
};

namespace detail {

inline bool environment_has_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"})
    if (const char* value = std::getenv(name); value != nullptr && *value != 0) {
      const std::string_view v = value;
      return v.find("UTF-8") != v.npos || v.find("utf8") != v.npos || v.find("UTF8") != v.npos || v.find("utf-8") != v.npos;
    }
  return false;
}

/// The first `columns` characters, each of one column; what would move the cursor becomes ?.
inline std::string cut_to(std::string_view s, int columns) {
  std::string out;
  each_character(s, [&](std::string_view c) {
    if (columns-- > 0) out += c.size() == 1 && (c[0] < ' ' || c[0] > '~') ? std::string_view("?") : c;
  });
  return out;
}

/// Just so many columns, so that it covers what stood there.
inline std::string padded_to(std::string_view s, int columns) {
  int used = 0;
  each_character(s, [&](std::string_view) { ++used; });
  return cut_to(s, columns) + std::string(static_cast<std::size_t>(used < columns ? columns - used : 0), ' ');
}

/// A bar of so many columns.
inline std::string bar_of(double share, int columns, bool utf8) {
  const double filled = (std::min)(1.0, (std::max)(0.0, share)) * columns;
  const int whole = static_cast<int>(filled);
  std::string out;
  if (!utf8) {
    for (int i = 0; i < columns; ++i) out += i < whole ? '#' : '.';
    return out;
  }
  const char* const parts[] = {" ", "\u258f", "\u258e", "\u258d", "\u258c", "\u258b", "\u258a", "\u2589"};
  for (int i = 0; i < columns; ++i) out += i < whole ? "\u2588" : i == whole ? parts[static_cast<int>((filled - whole) * 8)] : " ";
  return out;
}

/// Work a second, of late. Both sums fade alike, so it is right from the first update on.
struct smooth_rate {
  static constexpr double memory = 30;  ///< seconds in which old work loses two thirds of its weight
  double work = 0, time = 0;
  void take(double more, double seconds) {
    const double keep = std::exp(-seconds / memory);
    work = work * keep + more;
    time = time * keep + seconds;
  }
  double value() const { return time > 0 ? work / time : 0; }
};

}  // namespace detail

class progress {
 public:
  /// `total` is how much there is to do; 0: not known.
  explicit progress(std::int64_t total, progress_options how = {}) : how_(std::move(how)), total_(total), done_(how_.done) {
    width_ = how_.width >= 0 ? how_.width : how_.write ? 0 : detail::terminal_width(how_.file);
    if (width_ > 400) width_ = 400;
    utf8_ = how_.utf8 >= 0 ? how_.utf8 != 0 : detail::environment_has_utf8();
    begun_ = rated_ = clock();
    mark_ = next_mark(done_);
  }
  progress(const progress&) = delete;
  progress& operator=(const progress&) = delete;
  ~progress() {
    try {
      finish();
    } catch (...) {  // a report of the end isn't worth a crash
    }
  }

  /// So much is done by now.
  void update(std::int64_t done, std::string_view note = {}) {
    if (over_) return;
    const double now = clock();
    done_ = done;
    if (now - rated_ >= 0.05 || done == total_) {
      rate_.take(static_cast<double>(done - rated_done_()), now - rated_);
      rated_ = now, rated_work_ = done - how_.done;
    }
    if (width_ > 0) {
      if (drawn_ >= 0 && now - drawn_ < 0.1) return;
      drawn_ = now;
      if (how_.width < 0 && !how_.write) width_ = (std::max)(2, (std::min)(detail::terminal_width(how_.file), 400));  // it may have changed
      put("\r" + bar_line(note));
      columns_ = width_;
    } else if (done >= mark_) {
      mark_ = next_mark(done);
      if (done != total_) put(detail::cut_to(plain_line(note), 1000) + "\n");  // the end has a line of its own
    }
  }

  /// A line of text above the bar.
  void say(std::string_view line) {
    wipe();
    put(std::string(line) + "\n");
    drawn_ = -1;
  }

  /// Takes the bar away and tells how long it took; nothing after the first time.
  void finish() {
    if (over_) return;
    over_ = true;
    wipe();
    const double seconds = clock() - begun_;
    const auto fresh = static_cast<double>(done_ - how_.done);
    put(head() + counts() + " in " + duration_words(seconds) + (seconds > 0 && fresh > 0 ? " (" + rate_words(fresh / seconds) + ")" : "") + "\n");
  }

 private:
  double clock() const {
    return how_.clock ? how_.clock() : std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  }
  std::int64_t rated_done_() const { return how_.done + rated_work_; }

  std::int64_t next_mark(std::int64_t done) const {
    constexpr std::int64_t none = std::int64_t{1} << 62;
    if (done >= none / 10) return none;
    if (how_.every > 0) return done < none / 2 - how_.every ? (done / how_.every + 1) * how_.every : none;
    std::int64_t power = 1;
    while (power * 10 <= done) power *= 10;
    for (std::int64_t step : {1, 2, 5})
      if (step * power > done) return step * power;
    return 10 * power;
  }

  void put(const std::string& s) {
    if (how_.write) return how_.write(s);
    if (how_.file == nullptr) return;
    std::fputs(s.c_str(), how_.file);
    std::fflush(how_.file);
  }

  void wipe() {
    if (columns_ > 0) put("\r" + std::string(static_cast<std::size_t>(columns_ - 1), ' ') + "\r");
    columns_ = 0;
  }

  std::string head() const { return how_.name.empty() ? "" : how_.name + " "; }
  std::string counts() const { return grouped(done_) + (total_ > 0 ? "/" + grouped(total_) : ""); }
  static std::string rate_words(double v) { return (v >= 1000 ? grouped(static_cast<std::int64_t>((std::min)(v, 1e18))) : detail::fixed_words(v, v >= 100 ? 0 : v >= 10 ? 1 : 2)) + "/s"; }

  double share() const { return total_ > 0 ? (std::min)(1.0, (std::max)(0.0, static_cast<double>(done_) / static_cast<double>(total_))) : 0; }

  /// " | 12.3/s | 47 s left | note"
  std::string tail(std::string_view note) const {
    std::string out;
    if (const double rate = rate_.value(); rate > 0) {
      out += " | " + rate_words(rate);
      if (total_ > done_) out += " | " + duration_words(static_cast<double>(total_ - done_) / rate) + " left";
    }
    if (!note.empty()) out += " | " + std::string(note);
    return out;
  }

  std::string bar_line(std::string_view note) const {
    const std::string percent = total_ > 0 ? detail::at_right(std::to_string(static_cast<int>(100 * share())), 3) + " % " : "";
    const std::string right = (percent.empty() ? "" : " ") + detail::at_right(counts(), total_ > 0 ? 2 * static_cast<int>(grouped(total_).size()) + 1 : 0) + tail(note);
    const int room = width_ - 1 - static_cast<int>(head().size() + percent.size()) - 50;  // what stands to the right changes, the bar doesn't
    const int columns = room > 40 ? 40 : room;
    return detail::padded_to(head() + percent + (total_ > 0 && columns >= 5 ? detail::bar_of(share(), columns, utf8_) : "") + right, width_ - 1);
  }

  std::string plain_line(std::string_view note) const {
    return head() + counts() + (total_ > 0 ? " (" + std::to_string(static_cast<int>(100 * share())) + " %)" : "") + tail(note);
  }

  progress_options how_;
  std::int64_t total_, done_, rated_work_ = 0, mark_ = 0;
  detail::smooth_rate rate_;
  int width_ = 0, columns_ = 0;
  bool utf8_ = false, over_ = false;
  double begun_ = 0, rated_ = 0, drawn_ = -1;
};

}  // namespace stretto::inline v0
