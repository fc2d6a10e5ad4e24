// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Gives the samples of a training: windows of a stream of tokens, in an order that hangs on seed and sample number alone.
//
//     token_loader data({"a.bin", "b.bin"}, {.sequence = 1024, .seed = 7, .validation = 0.01});
//     data.read(sample, to)             sequence + 1 tokens: the first `sequence` are inputs, the last `sequence` labels
//
//     tokens     0 1 2 3 4 5 6 7 8 9 …              files are one stream, end to end
//     windows    0 1 2 3 4                          of a sequence of 4: they share a token, so each is a label once
//                        4 5 6 7 8
// The last windows may be held out: another loader with .part = loader_part::validation reads them. Which window a sample is,
// window_order.hpp computes: the same on any rank, with any micro-batch, under any schedule. No file is opened before
// a token is asked for, so ranks that need no data open none. Any number of threads may read at once, without a lock once
// the files are open. Cost: a window is copied from mapped memory; opening reads 128 KiB of each file, for the digest.
#pragma once

#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <stretto/core/array.hpp>
#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/train/loader_state.hpp>
#include <stretto/train/token_file.hpp>
#include <stretto/train/window_order.hpp>

namespace stretto::inline v0 {

enum class loader_part : std::uint8_t { training, validation };

struct loader_options {
  std::int64_t sequence = 1024;                ///< tokens of a sample
  std::uint32_t seed = 0;                      ///< of the order
  bool shuffle = true;                         ///< false: windows come one after the other
  double validation = 0;                       ///< share of the windows, at the end, that is held out
  loader_part part = loader_part::training;    ///< which of the two is read
  std::int64_t vocabulary = 0;                 ///< where it isn't 0, a token that is as large is refused
  token_format format = token_format::automatic;
};

namespace detail {

/// The files of a loader, once they are open.
struct open_tokens {
  std::vector<token_file> files;
  std::vector<std::int64_t> begin;  // token of the stream that each begins with
  std::int64_t tokens = 0, first_window = 0;
  std::uint64_t digest = 0xcbf29ce484222325u;
  window_order order;

  void mix(std::uint64_t byte) { digest = (digest ^ byte) * 0x100000001b3u; }
  void mix(view<const std::byte> bytes) {  // FNV-1a of its size, its first and its last 64 KiB
    for (int shift = 0; shift < 64; shift += 8) mix((static_cast<std::uint64_t>(bytes.count) >> shift) & 255);
    constexpr std::int64_t end = 65536;
    for (std::int64_t i = 0; i < bytes.count; ++i) {
      if (i == end && bytes.count > 2 * end) i = bytes.count - end;
      mix(std::to_integer<std::uint64_t>(bytes[i]));
    }
  }

  void read(std::int64_t first, std::int64_t count, std::int64_t vocabulary, std::int32_t* to) const {
    std::size_t f = 0;
    for (std::size_t step = files.size(); step > 0; step /= 2)  // the last that begins at or before `first`
      while (f + step < files.size() && begin[f + step] <= first) f += step;
    for (; count > 0; ++f) {
      const std::int64_t at = first - begin[f], n = files[f].size() - at < count ? files[f].size() - at : count;
      files[f].read(at, n, to);
      for (std::int64_t i = 0; vocabulary > 0 && i < n; ++i)
        if (to[i] >= vocabulary)
          throw error(text("stretto: token ", at + i, " of file '", shown_path(files[f].path()), "' is ", to[i], ", and the vocabulary has ", vocabulary,
                           "; give the model a larger one, or use the file's tokenizer").str());
      first += n, count -= n, to += n;
    }
  }
};

class loader_core {
 public:
  loader_core(std::vector<std::string> paths, const loader_options& options) : paths_(std::move(paths)), options_(options) {
    if (paths_.empty()) throw error("stretto: a token_loader has no files; name at least one");
    if (options.sequence < 1 || options.sequence > INT32_MAX)
      throw error(text("stretto: loader_options::sequence is ", options.sequence, "; give how many tokens a sample has, 1 to 2147483647").str());
    if (!(options.validation >= 0 && options.validation < 1)) throw error("stretto: loader_options::validation isn't from 0 to below 1; give the share that is held out");
    if (options.vocabulary < 0) throw error("stretto: loader_options::vocabulary is below 0; give how many tokens the model knows, or 0");
  }
  loader_core(const loader_core&) = delete;
  loader_core& operator=(const loader_core&) = delete;
  ~loader_core() { delete open_.load(std::memory_order_relaxed); }

  const loader_options& options() const { return options_; }
  bool is_open() const { return open_.load(std::memory_order_acquire) != nullptr; }

  const open_tokens& open() {
    if (const open_tokens* const there = open_.load(std::memory_order_acquire)) return *there;
    const std::lock_guard hold(mutex_);
    if (const open_tokens* const there = open_.load(std::memory_order_relaxed)) return *there;
    auto made = std::make_unique<open_tokens>();
    for (const std::string& p : paths_) {
      made->files.emplace_back(p, options_.format);
      const token_file& f = made->files.back();
      made->begin.push_back(made->tokens);
      made->tokens += f.size();
      made->mix(f.bytes());
      made->mix(f.index_bytes());
    }
    made->digest &= INT64_MAX;
    const std::int64_t all = made->tokens < 1 ? 0 : (made->tokens - 1) / options_.sequence;
    if (all == 0)
      throw error(text("stretto: file '", shown_path(paths_[0]), "' and its fellows, ", static_cast<std::int64_t>(paths_.size()), " in all, have ", made->tokens,
                       " tokens, too few for a window of ", options_.sequence, " and one; lower loader_options::sequence, or give more text").str());
    const auto held = static_cast<std::int64_t>(std::ceil(options_.validation * static_cast<double>(all)));
    const bool training = options_.part == loader_part::training;
    made->first_window = training ? 0 : all - held;
    made->order = {options_.seed, training ? all - held : held, options_.shuffle};
    if (made->order.windows == 0)
      throw error(text("stretto: of ", all, " windows ", held, " are held out for validation, and no window is in the part that a token_loader is to read; correct loader_options::validation, or give more text").str());
    if (expected_ != nullptr) compare(*expected_, *made);
    open_.store(made.release(), std::memory_order_release);
    return *open_.load(std::memory_order_relaxed);
  }

  /// Files that aren't those of a state are refused, now or when they are opened.
  void expect(const loader_state& s) {
    const loader_state mine = {s.samples, options_.seed, options_.shuffle, options_.sequence, s.windows, s.tokens, s.digest};
    if (!(s == mine))
      throw error(text("stretto: the loader's state has seed ", s.seed, ", shuffle ", s.shuffle, " and sequence ", s.sequence, ", and the loader has ", mine.seed, ", ",
                       mine.shuffle, " and ", mine.sequence, "; give it the same loader_options").str());
    if (s.samples < 0) throw error("stretto: the loader's state has fewer than no samples; give the one that was saved");
    const std::lock_guard hold(mutex_);
    if (const open_tokens* const there = open_.load(std::memory_order_relaxed)) compare(s, *there);
    expected_ = std::make_unique<loader_state>(s);
  }

 private:
  void compare(const loader_state& s, const open_tokens& o) const {
    if (s.tokens != o.tokens || s.digest != static_cast<std::int64_t>(o.digest))
      throw error(text("stretto: the loader's state is of files of ", s.tokens, " tokens with digest ", s.digest, ", and file '", shown_path(paths_[0]), "' and its fellows, ",
                       static_cast<std::int64_t>(paths_.size()), " in all, have ", o.tokens, " with digest ", static_cast<std::int64_t>(o.digest),
                       "; give the files that it was saved with, in their order").str());
    if (s.windows != o.order.windows)
      throw error(text("stretto: the loader's state is of ", s.windows, " windows, and the loader has ", o.order.windows, "; give it the same validation and part").str());
  }

  std::vector<std::string> paths_;
  loader_options options_;
  std::mutex mutex_;
  std::unique_ptr<loader_state> expected_;
  std::atomic<open_tokens*> open_{nullptr};
};

}  // namespace detail

/// Copies share the files.
class token_loader {
 public:
  explicit token_loader(std::vector<std::string> paths, const loader_options& options = {}) : core_(std::make_shared<detail::loader_core>(std::move(paths), options)) {}

  const loader_options& options() const { return core_->options(); }
  std::int64_t windows() const { return core_->open().order.windows; }  ///< of its part: the samples of an epoch
  std::int64_t tokens() const { return core_->open().tokens; }          ///< of all files
  bool is_open() const { return core_->is_open(); }                     ///< whether anybody has asked for anything yet

  /// The first token of a sample's window, counted over all files.
  std::int64_t first_token(std::int64_t sample) const {
    const detail::open_tokens& o = core_->open();
    if (sample < 0) throw error(text("stretto: sample ", sample, " of a token_loader is asked for; samples count from 0").str());
    return (o.first_window + o.order(sample)) * options().sequence;
  }
  /// Tokens [from, from + count) of a sample's sequence + 1.
  void read(std::int64_t sample, std::int64_t from, std::int64_t count, std::int32_t* to) const {
    if (from < 0 || count < 0 || from > options().sequence + 1 - count)
      throw error(text("stretto: ", count, " tokens from ", from, " on are asked for of a sample, which has ", options().sequence + 1, "; stay within them").str());
    core_->open().read(first_token(sample) + from, count, options().vocabulary, to);
  }
  void read(std::int64_t sample, std::int32_t* to) const { read(sample, 0, options().sequence + 1, to); }

  /// The sample that a run begins with: 0, or where the state that was restored had come to.
  std::int64_t position() const { return position_; }
  /// The state behind so many samples from position() on. Opens the files, for the digest.
  loader_state state(std::int64_t samples) const {
    const detail::open_tokens& o = core_->open();
    const loader_options& how = options();
    std::int64_t behind = 0;
    if (samples < 0 || __builtin_add_overflow(position_, samples, &behind))
      throw error(text("stretto: the state behind ", samples, " samples from ", position_, " on is asked for; give how many were read").str());
    return {behind, how.seed, how.shuffle, how.sequence, o.order.windows, o.tokens, static_cast<std::int64_t>(o.digest)};
  }
  /// Goes on where a state was. What doesn't fit is refused: options at once, files when they are opened.
  void restore(const loader_state& s) {
    core_->expect(s);
    position_ = s.samples;
  }

 private:
  std::shared_ptr<detail::loader_core> core_;
  std::int64_t position_ = 0;
};

}  // namespace stretto::inline v0
