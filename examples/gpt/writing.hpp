// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Texts from a model that is spread over ranks, several at once. The last rank is shown logits, draws the next token of each
// text by counting, and the first rank reads it:
//
//     first rank   read "A pipeline" ─ 0: 1 token ─ 1: 1 token ─ 0: 1 token …      texts of micro-batch 0, of 1, …
//     last rank          └──────────► draw 0 ──────┴► draw 1 ────┘
// What was read before stands in the layers' carries, so a turn costs a token a text, not the whole window. Where the window is
// full, half of it is read anew. Turns are asked for ahead: the feed waits for the token, and meanwhile ranks work on the
// texts of other micro-batches.
#pragma once

#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <vector>

#include <stretto/core/random.hpp>
#include <stretto/model/head.hpp>

namespace gpt {

class writer {
 public:
  writer(std::int64_t sequence, std::int64_t samples, double temperature, std::uint32_t seed) : sequence_(sequence), samples_(samples), temperature_(temperature), seed_(seed) {}

  /// Whether an order's feeds are this writer's to give.
  bool asks(const stretto::data_share& d) const { return d.order == order_; }

  /// Writes so many tokens behind the prompt of each text. With `keeps`, by an order that keeps carries; else each turn reads
  /// the window again. Gives the seconds that it took. Where ranks are processes, rank `draws` tells the others what it drew, turn by turn.
  template <class Pipeline, class Ranks>
  double write(Pipeline& p, int order, bool keeps, int micro_batches, const std::vector<std::int32_t>& prompt, int letters, Ranks& ranks, int draws) {
    order_ = order, keeps_ = keeps, stopped_ = false;
    batches_.assign(static_cast<std::size_t>(micro_batches), {});
    for (batch& b : batches_) b.texts.assign(static_cast<std::size_t>(samples_), prompt);
    const auto begin = std::chrono::steady_clock::now();
    try {
      std::int64_t held = 0;
      for (int i = 0; i < letters; ++i) {
        const bool anew = advance(held, i == 0 ? static_cast<std::int64_t>(prompt.size()) : 1);
        if (anew || !keeps) p.run(order);
        else p.go_on(order);
        if (Ranks::apart) p.finish(), tell(ranks, draws);
      }
      p.finish();
    } catch (...) {
      stop();  // or the first rank would wait for a token that nobody draws
      throw;
    }
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
  const std::vector<std::int32_t>& text(std::int64_t n) const { return batches_[static_cast<std::size_t>(n / samples_)].texts[static_cast<std::size_t>(n % samples_)]; }

  /// The feed "tokens". Its layer asks once a turn.
  stretto::view<const std::int32_t> read(const stretto::data_share& d) {
    std::unique_lock lock(mutex_);
    batch& b = batches_[static_cast<std::size_t>(d.micro_batch)];
    drawn_.wait(lock, [&] { return b.length() > b.read || stopped_; });
    if (stopped_) throw stretto::error("stretto: another rank has failed");
    const std::int64_t fresh = b.length() - b.read;
    const bool anew = advance(b.held, fresh);
    const std::int64_t count = anew || !keeps_ ? b.held : fresh;
    b.read = b.length();
    b.share.clear();
    for (const auto& t : b.texts) b.share.insert(b.share.end(), t.end() - count, t.end());
    return {b.share.data(), static_cast<std::int64_t>(b.share.size())};
  }

  /// The logits' watcher.
  template <class T>
  static void look(void* with, const stretto::data_share& d, const stretto::tensor_view<const T, 2>& logits) {
    writer& w = *static_cast<writer*>(with);
    if (!w.asks(d)) return;
    const std::lock_guard lock(w.mutex_);
    batch& b = w.batches_[static_cast<std::size_t>(d.micro_batch)];
    const std::int64_t each = logits.rows() / w.samples_;
    for (std::int64_t n = 0; n < w.samples_; ++n) {
      const stretto::random_stream stream{.seed = w.seed_, .sample = static_cast<std::uint32_t>(d.micro_batch * w.samples_ + n), .layer = 0xffffffffu};
      b.texts[static_cast<std::size_t>(n)].push_back(
          w.draw([&](std::int64_t i) { return static_cast<double>(static_cast<float>(logits(n * each + each - 1, i))); }, logits.columns(), static_cast<double>(stream.uniform(b.turns))));
    }
    ++b.turns;
    w.drawn_.notify_all();
  }

 private:
  /// The texts of a micro-batch.
  struct batch {
    std::vector<std::vector<std::int32_t>> texts;
    std::vector<std::int32_t> share;        // what the model reads now
    std::int64_t read = 0, held = 0, turns = 0;  // tokens of each text that were read; that carries hold; drawn
    std::int64_t length() const { return static_cast<std::int64_t>(texts[0].size()); }
  };

  /// How many tokens of a text the model has seen once it has read `fresh` more; whether it must read them all for that.
  bool advance(std::int64_t& held, std::int64_t fresh) const {
    const bool begins = held == 0, full = held + fresh > sequence_;
    held = full ? sequence_ - sequence_ / 2 + (begins || sequence_ == 1 ? 0 : 1) : held + fresh;
    return begins || full;
  }
  /// All processes get the last token of each text.
  template <class Ranks>
  void tell(Ranks& ranks, int draws) {
    std::vector<std::int32_t> drawn;
    for (const batch& b : batches_)
      for (const auto& t : b.texts) drawn.push_back(t.back());
    ranks.broadcast(drawn, draws);
    auto next = drawn.begin();
    for (batch& b : batches_)
      for (auto& t : b.texts) {
        if (!ranks.local(draws)) t.push_back(*next);
        ++next;
      }
  }
  void stop() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    drawn_.notify_all();
  }

  template <class Logit>
  std::int32_t draw(Logit&& logit, std::int64_t count, double where) const {
    double best = logit(0);
    std::int64_t at = 0;
    for (std::int64_t i = 1; i < count; ++i)
      if (logit(i) > best) best = logit(i), at = i;
    if (temperature_ <= 0) return static_cast<std::int32_t>(at);
    double all = 0;
    for (std::int64_t i = 0; i < count; ++i) all += std::exp((logit(i) - best) / temperature_);
    double wanted = where * all;
    for (std::int64_t i = 0; i < count; ++i) {
      wanted -= std::exp((logit(i) - best) / temperature_);
      if (wanted < 0) return static_cast<std::int32_t>(i);
    }
    return static_cast<std::int32_t>(at);
  }

  std::int64_t sequence_, samples_;
  double temperature_;
  std::uint32_t seed_;
  int order_ = -1;
  bool keeps_ = true, stopped_ = false;
  std::vector<batch> batches_;
  std::mutex mutex_;
  std::condition_variable drawn_;
};

}  // namespace gpt
