// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Several texts that go on at once, over a pipeline whose layers keep what they read in carries. Each micro-batch of the order
// is a slot for one text; requests join as slots get free and leave when they end, whatever the others do.
//
//     requests r({.sequence = 16, .positions = 64});                        before the model, which is to show it logits
//     auto model = transformer<host::device, float>(s, {.watcher = {requests::look<float>, &r}});          s.samples = 1
//     pipeline p(model, cut, order, …);
//     p.feed<std::int32_t>("tokens", [&](const data_share& d) { return r.read(d); });                      "labels": none
//     const auto runs = r.serve(p, p.bind(service_of(order, order.ranks - 1), {.keeps_carry = true}), [](const written& w) { … });
//     ticket t = r.push(prompt, {.most = 40, .stop = 0});                   any thread
//     r.finish();
//     rank 0 | a0 b0 c0 | a1 b1  · | a2 b2 d0 …       a slot without a text goes on empty; d begins where c was
// A slot has one turn under way, so as many slots as ranks keep all busy. A request's tokens are those that it would get alone, to the
// bit. Cost: a short lock a turn at either end; no memory once it is made.
#pragma once

#include <atomic>
#include <cmath>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <stretto/core/random.hpp>
#include <stretto/run/pipeline.hpp>
#include <stretto/stream/ledger.hpp>
#include <stretto/stream/requests_report.hpp>
#include <stretto/stream/result_function.hpp>
#include <stretto/tensor/view.hpp>

namespace stretto::inline v0 {

struct requests_options {
  int entry = 16;                  ///< requests that may wait for a slot
  std::int64_t sequence = 0;       ///< the most tokens that the model reads in a turn: longer prompts come in pieces
  std::int64_t positions = 0;      ///< the most tokens of a text, its prompt with it
  std::int64_t (*clock)() = detail::clock_now;
};

/// Of one request.
struct request_options {
  std::int64_t most = 16;          ///< tokens to be written
  std::int32_t stop = -1;          ///< no token behind this one; it is written, too
  double temperature = 0;          ///< 0: the likeliest
  std::uint32_t seed = 0;          ///< of what is drawn where temperature isn't 0
};

/// A token that was written; or, with another outcome than done, the end of a request without one.
struct written {
  ticket request{};
  std::int64_t index = 0;          ///< of the token, behind the prompt
  std::int32_t token = -1;         ///< -1 where `what` isn't done
  bool last = false;               ///< nothing more comes of this request
  outcome what = outcome::done;    ///< or cancelled, or failed
  std::string_view why{};          ///< where it failed: what the layer threw; until the call is over
};

class requests {
 public:
  explicit requests(const requests_options& how) : how_(how) {
    if (how.entry < 1 || how.sequence < 1 || how.positions < how.sequence)
      throw error("stretto: requests_options::entry or sequence is below 1, or positions below sequence; give those of the model");
    waiting_.resize(static_cast<std::size_t>(how.entry));
    for (text_of& t : waiting_) t.tokens.reserve(static_cast<std::size_t>(how.positions));
  }
  requests(const requests&) = delete;
  requests& operator=(const requests&) = delete;

  /// What serve() gives: where it ends, requests end. It goes before the pipeline does.
  class service {
   public:
    explicit service(requests& r) : r_(&r) {}
    service(const service&) = delete;
    ~service() {
      const served s = r_->serving_;
      try {
        r_->finish();
      } catch (...) {  // of a rank: whoever pushed was told
      }
      if (s.failed(s.pipeline)) s.stop(s.pipeline);  // or a rank would still ask what is gone
      r_->over_.store(true);                         // the pipeline may be gone before requests are
    }

   private:
    requests* r_;
  };

  /// Serves by an order with keeps_carry, until finish(). `on_token` is called by the last stage's rank.
  template <class Model, class Optimizer, class Transport, class F>
  [[nodiscard]] service serve(pipeline<Model, Optimizer, Transport>& p, int order, F on_token) {
    using Pipeline = pipeline<Model, Optimizer, Transport>;
    const plan_view v = p.steps(order);
    if (serving_.pipeline != nullptr) throw error("stretto: requests serve already; make another for another pipeline");
    if (v.routes != 1 || v.slices != 1) throw error(text("stretto: a request's turns come whole and all make one way, and the plan has ", v.routes, " routes and ", v.slices, " slices; serve by service_of(plan)").str());
    if (!p.keeps_carry(order)) throw error(text("stretto: order ", order, " is to write texts, and keeps nothing between runs; bind it with {.keeps_carry = true}").str());
    tell_ = detail::result_function<written>(std::move(on_token));
    slots_.resize(static_cast<std::size_t>(v.micro_batches));
    for (slot& s : slots_) s.now.tokens.reserve(static_cast<std::size_t>(how_.positions));
    order_ = order, first_ = v.route(0).first(), last_ = v.route(0).last(), first_rank_ = v.route(0).rank_of(first_);
    if constexpr (requires(const typename Model::first_layer& l) { l.vocabulary(); })
      p.look_at(0, [&](const layer_row&, const void* l) { vocabulary_ = static_cast<const typename Model::first_layer*>(l)->vocabulary(); });
    serving_.pipeline = &p;
    serving_.ring = [](void* to, bool rank, int who) { static_cast<Pipeline*>(to)->transport().ring(rank ? who : static_cast<Pipeline*>(to)->transport().host()); };
    serving_.doze = [](void* at, bool (*there)(void*), void* what) {
      auto& t = static_cast<Pipeline*>(at)->transport();
      t.doze(t.host(), [&] { return there(what) || t.failed(); });
      if (t.failed()) t.rethrow();
    };
    serving_.ended = [](void* at) { static_cast<Pipeline*>(at)->has_served(); };
    serving_.failed = [](void* at) { return static_cast<Pipeline*>(at)->transport().failed(); };
    serving_.finish = [](void* at) { static_cast<Pipeline*>(at)->finish(); };
    serving_.stop = [](void* at) { static_cast<Pipeline*>(at)->stop(); };
    calls_ = {this, [](void* r, int stage, std::int64_t n) { return static_cast<requests*>(r)->ready(stage, n); },
              [](void* r, int stage, std::int64_t n, std::int32_t mark, context& c) { return static_cast<requests*>(r)->begin(stage, n, mark, c); },
              [](void* r, int stage, std::int64_t n, int layer, const char* what) { return static_cast<requests*>(r)->threw(stage, n, layer, what); },
              [](void* r, int stage, std::int64_t n, std::int32_t mark) { static_cast<requests*>(r)->end(stage, n, mark); }};
    passed_ = std::vector<counter>(static_cast<std::size_t>(v.stages));
    before_.assign(static_cast<std::size_t>(v.stages), -1);
    for (int s = first_; s >= 0 && s != last_; s = v.route(0).next(s)) before_[static_cast<std::size_t>(v.route(0).next(s))] = s;
    try {
      p.serve(order, calls_);
    } catch (...) {
      serving_ = {};
      throw;
    }
    return service(*this);
  }

  /// Waits for room at the entry.
  ticket push(view<const std::int32_t> prompt, const request_options& how = {}) {
    ticket t = try_push(prompt, how);
    while (!t) {
      serving_.doze(serving_.pipeline, [](void* r) { return static_cast<requests*>(r)->room_.load(std::memory_order_acquire); }, this);
      t = try_push(prompt, how);
    }
    return t;
  }
  /// No ticket where there is no room.
  ticket try_push(view<const std::int32_t> prompt, const request_options& how = {}) {
    if (serving_.pipeline == nullptr) throw error("stretto: a request is pushed before serve(); give requests a pipeline first");
    if (prompt.count < 1 || how.most < 1 || how.most > how_.positions - prompt.count)
      throw error(text("stretto: a request has a prompt of ", prompt.count, " tokens and asks for ", how.most, ", and a text has up to ", how_.positions, "; give at least one of each, and ask for fewer").str());
    for (std::int64_t i = 0; i < prompt.count; ++i)
      if (const std::int32_t one = prompt.first[i]; one < 0 || one >= vocabulary_)
        throw error(text("stretto: token ", i, " of a request's prompt is ", one, ", and the model knows 0 to ", vocabulary_ - 1, "; use the tokenizer that the model was trained with").str());
    ticket t;
    {
      const std::lock_guard lock(mutex_);
      if (closed_) throw error("stretto: a request is pushed behind finish(); push before");
      if (serving_.failed(serving_.pipeline)) serving_.doze(serving_.pipeline, [](void*) { return true; }, this);  // throws what ended the run
      if (count_ == static_cast<std::int64_t>(waiting_.size())) return t;
      text_of& place = waiting_[static_cast<std::size_t>((begun_ + count_++) % static_cast<std::int64_t>(waiting_.size()))];
      place.tokens.assign(prompt.first, prompt.first + prompt.count);
      place.prompt = prompt.count, place.read = 0, place.how = how, place.pushed = how_.clock();
      place.number = t.number = report_.pushed++;
      room_.store(count_ < static_cast<std::int64_t>(waiting_.size()), std::memory_order_release);
      wants_.store(true, std::memory_order_release);
    }
    serving_.ring(serving_.pipeline, true, first_rank_);
    return t;
  }

  /// Ends a request in front of its next turn. Whether it was still on its way.
  bool cancel(const ticket& t) {
    const std::lock_guard lock(mutex_);
    for (std::int64_t i = 0; i < count_; ++i)
      if (text_of& w = waiting_[static_cast<std::size_t>((begun_ + i) % static_cast<std::int64_t>(waiting_.size()))]; w.number == t.number) return w.cancelled = true;
    for (slot& s : slots_)
      if (s.busy && s.now.number == t.number) return s.now.cancelled = true;
    return false;
  }

  /// Takes no more requests, and waits until all have ended.
  void finish() {
    if (serving_.pipeline == nullptr || over_.load(std::memory_order_acquire)) return;
    if (tell_.within()) throw error("stretto: finish is called of requests by the function that tokens go to, which it would wait for; call it elsewhere");
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
      wants_.store(true, std::memory_order_release);
    }
    serving_.ring(serving_.pipeline, true, first_rank_);
    serving_.doze(serving_.pipeline, [](void* r) { return static_cast<requests*>(r)->over_.load(std::memory_order_acquire); }, this);
    serving_.finish(serving_.pipeline);
  }

  requests_report report() const {
    const std::lock_guard lock(mutex_);
    return report_;
  }

  /// The feed "tokens": what a slot's text has more than was read.
  view<const std::int32_t> read(const data_share& d) const {
    const text_of& t = slots_[static_cast<std::size_t>(d.micro_batch)].now;
    return {t.tokens.data() + t.read, piece(t)};
  }
  bool asks(const data_share& d) const { return d.order == order_; }

  /// The logits' watcher.
  template <class T>
  static void look(void* with, const data_share& d, const tensor_view<const T, 2>& logits) {
    requests& r = *static_cast<requests*>(with);
    if (!r.asks(d)) return;
    text_of& t = r.slots_[static_cast<std::size_t>(d.micro_batch)].now;
    t.drawn = draw([&](std::int64_t i) { return static_cast<double>(static_cast<float>(logits(logits.rows() - 1, i))); }, logits.columns(), t);
  }

 private:
  struct text_of {
    std::vector<std::int32_t> tokens;
    std::int64_t prompt = 0, read = 0, number = -1, pushed = 0, last = 0;  // read: tokens that carries hold; last: when the last one came
    std::int32_t drawn = -1;
    bool cancelled = false;
    request_options how;
    std::string why;
  };
  struct slot {
    text_of now;
    bool busy = false;                 // under the mutex
    std::atomic<bool> away = false;    // its turn hasn't come back
    slot() = default;
    slot(slot&& other) noexcept : now(static_cast<text_of&&>(other.now)) {}
  };
  struct alignas(64) counter {
    std::atomic<std::int64_t> turns = 0;
    counter() = default;
    counter(const counter&) {}
  };

  std::int64_t piece(const text_of& t) const {
    const std::int64_t fresh = static_cast<std::int64_t>(t.tokens.size()) - t.read;
    return fresh < how_.sequence ? fresh : how_.sequence;
  }

  template <class Logit>
  static std::int32_t draw(Logit&& logit, std::int64_t count, const text_of& t) {
    double best = logit(0);
    std::int64_t at = 0;
    for (std::int64_t i = 1; i < count; ++i)
      if (logit(i) > best) best = logit(i), at = i;
    if (t.how.temperature <= 0) return static_cast<std::int32_t>(at);
    double all = 0;
    for (std::int64_t i = 0; i < count; ++i) all += std::exp((logit(i) - best) / t.how.temperature);
    double wanted = static_cast<double>(random_stream{t.how.seed, 0, 0, 0xffffffffu}.uniform(static_cast<std::int64_t>(t.tokens.size()))) * all;
    for (std::int64_t i = 0; i < count; ++i)
      if ((wanted -= std::exp((logit(i) - best) / t.how.temperature)) < 0) return static_cast<std::int32_t>(i);
    return static_cast<std::int32_t>(at);
  }

  // On the threads of the ranks:

  slot& of(std::int64_t n) { return slots_[static_cast<std::size_t>(n % static_cast<std::int64_t>(slots_.size()))]; }

  bool ready(int stage, std::int64_t n) {
    if (stage != first_) return passed_[static_cast<std::size_t>(before_[static_cast<std::size_t>(stage)])].turns.load(std::memory_order_acquire) > n;
    if (of(n).away.load(std::memory_order_acquire)) return false;
    return wants_.load(std::memory_order_acquire) || together_.load(std::memory_order_acquire) > 0;  // else all slots are idle
  }

  std::int32_t begin(int stage, std::int64_t n, std::int32_t mark, context& c) {
    slot& s = of(n);
    if (stage == first_) {
      const std::lock_guard lock(mutex_);
      if (s.busy && s.now.cancelled) {
        mark = detail::mark_of(outcome::cancelled, stage);
      } else if (!s.busy && count_ > 0) {
        text_of& from = waiting_[static_cast<std::size_t>(begun_++ % static_cast<std::int64_t>(waiting_.size()))];
        std::swap(s.now, from);
        --count_;
        room_.store(true, std::memory_order_release);
        s.busy = true;
        const int together = together_.fetch_add(1) + 1;
        if (together > report_.most_together) report_.most_together = together;
        if (s.now.cancelled) mark = detail::mark_of(outcome::cancelled, stage);
      } else if (!s.busy) {
        mark = detail::mark_of(outcome::closed, stage) + (closed_ && together_.load() == 0 ? service_calls::last : 0);
      }
      wants_.store(count_ > 0 || closed_, std::memory_order_release);
      if (s.busy) s.now.drawn = -1, s.away.store(true, std::memory_order_release);
    }
    if (stage == first_) serving_.ring(serving_.pipeline, false, 0);
    if (mark == 0) c.begins = s.now.read == 0;  // so the text before it in this slot is forgotten
    return mark;
  }

  std::int32_t threw(int stage, std::int64_t n, int layer, const char* what) {
    of(n).now.why = text("stage ", stage, " layer ", layer, " threw: ", what).str();
    return detail::mark_of(outcome::failed, stage);
  }

  void end(int stage, std::int64_t n, std::int32_t mark) {
    if (stage == last_) come_back(n, mark);
    passed_[static_cast<std::size_t>(stage)].turns.store(n + 1, std::memory_order_release);
  }

  /// A turn is through: its text has a token more, or has ended, or has more of its prompt to read.
  void come_back(std::int64_t n, std::int32_t mark) {
    slot& s = of(n);
    const outcome what = mark == 0 ? outcome::done : detail::outcome_of(mark);
    if (what == outcome::closed) {
      if ((mark & service_calls::last) != 0 && (n + 1) % static_cast<std::int64_t>(slots_.size()) == 0) {
        serving_.ended(serving_.pipeline);
        over_.store(true, std::memory_order_release);
        serving_.ring(serving_.pipeline, false, 0);
      }
      return;
    }
    text_of& t = s.now;
    written w{{t.number}, static_cast<std::int64_t>(t.tokens.size()) - t.prompt, -1, true, what, {}};
    bool tells = true;
    if (what == outcome::failed) w.why = t.why;
    if (what == outcome::done) {
      t.read += piece(t);
      tells = t.read == static_cast<std::int64_t>(t.tokens.size());
      if (t.drawn < 0) {
        tells = true, w.what = outcome::failed, w.why = "stretto: requests were shown no logits; give the model {.watcher = {requests::look<T>, &requests}}";
      } else if (tells) {
        t.tokens.push_back(w.token = t.drawn);
        w.last = w.index + 1 == t.how.most || t.drawn == t.how.stop;
      } else {
        w.last = false;
      }
    }
    if (tells) tell_(w);
    {
      const std::lock_guard lock(mutex_);
      const std::int64_t now = how_.clock();
      if (tells && w.what == outcome::done) {
        ++report_.tokens;
        (w.index == 0 ? report_.first : report_.next).add(now - (w.index == 0 ? t.pushed : t.last));
        t.last = now;
      }
      if (w.last) {
        ++report_.ended;
        t.cancelled = false, t.number = -1;
        s.busy = false;
        together_.fetch_sub(1);
        wants_.store(count_ > 0 || closed_, std::memory_order_release);
      }
    }
    s.away.store(false, std::memory_order_release);
    serving_.ring(serving_.pipeline, true, first_rank_);
  }

  struct served {
    void* pipeline = nullptr;
    void (*ring)(void*, bool rank, int who) = nullptr;
    void (*doze)(void*, bool (*)(void*), void*) = nullptr;
    void (*ended)(void*) = nullptr;
    bool (*failed)(void*) = nullptr;
    void (*finish)(void*) = nullptr;
    void (*stop)(void*) = nullptr;
  };

  requests_options how_;
  served serving_;
  service_calls calls_;
  detail::result_function<written> tell_;
  int order_ = -1, first_ = 0, last_ = 0, first_rank_ = 0;
  std::int64_t vocabulary_ = std::int64_t{1} << 31;   // tokens that the first layer knows, where it says so
  std::vector<int> before_;               // by stage: the one before it
  std::vector<counter> passed_;           // by stage: turns that it has ended
  mutable std::mutex mutex_;
  std::vector<text_of> waiting_;          // a ring, under the mutex, as the rest up to here
  std::int64_t begun_ = 0, count_ = 0;
  bool closed_ = false;
  requests_report report_;
  std::vector<slot> slots_;
  std::atomic<bool> room_ = true, wants_ = false, over_ = false;
  std::atomic<int> together_ = 0;         // slots with a text
};

}  // namespace stretto::inline v0
