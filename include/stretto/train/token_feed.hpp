// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Samples of a token_loader as the feed of a pipeline.
//
//     const feed_shape shape{.samples = 4, .step_samples = 32};          8 micro-batches of 4 samples
//     p.feed<std::int32_t>("tokens", inputs_of(data, shape));
//     p.feed<std::int32_t>("labels", labels_of(data, shape));            the same windows, shifted by one
//
//     step 0                      step 1
//     samples  0 1 2 3 | 4 … 31   samples  32 …                         each belongs to one micro-batch of one step
// A micro-batch's tokens stand sample behind sample; of slices, each has its part of every sample. A layer's call gives a
// view that stays until its thread asks for that micro-batch in another step. Ranks may ask from any number of threads: each thread
// has memory of its own, so that nobody waits and nobody changes what another reads, even a step behind.
// Cost: a copy for each thread and micro-batch; asking again in the same step costs nothing.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <stretto/core/array.hpp>
#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/stage/context.hpp>
#include <stretto/train/loader.hpp>

namespace stretto::inline v0 {

struct feed_shape {
  std::int64_t samples = 1;       ///< of a micro-batch: the pipeline's option of that name
  std::int64_t step_samples = 1;  ///< of a step: of all its micro-batches and rounds
  std::int64_t first_step = 0;    ///< the step that begins with the loader's position()
  std::int64_t replica = 0;       ///< which of several equal pipelines this is
  std::int64_t replicas = 1;      ///< they take turns: a step's samples of replica 0, then those of replica 1, …
};

namespace detail {

class feed_memory {
 public:
  feed_memory() = default;
  feed_memory(const feed_memory&) = delete;
  feed_memory& operator=(const feed_memory&) = delete;
  ~feed_memory() {
    for (own* o = first_.load(std::memory_order_relaxed); o != nullptr;) delete std::exchange(o, o->next);
  }

  struct place {
    std::int64_t step = -1;
    std::vector<std::int32_t> tokens;
  };

  /// A place of the thread that asks.
  place& at(std::int64_t index) {
    const void* const who = &thread_mark;
    own* mine = first_.load(std::memory_order_acquire);
    while (mine != nullptr && mine->who != who) mine = mine->next;
    if (mine == nullptr) {
      mine = new own{who, first_.load(std::memory_order_relaxed), {}};
      while (!first_.compare_exchange_weak(mine->next, mine, std::memory_order_release, std::memory_order_relaxed)) {
      }
    }
    if (index >= static_cast<std::int64_t>(mine->places.size())) mine->places.resize(static_cast<std::size_t>(index) + 1);  // tokens stay where they are
    return mine->places[static_cast<std::size_t>(index)];
  }

 private:
  struct own {
    const void* who;
    own* next;
    std::vector<place> places;
  };
  static inline thread_local char thread_mark = 0;  // its address tells threads apart
  std::atomic<own*> first_{nullptr};
};

}  // namespace detail

/// A function of a share; copies are one.
class token_feed {
 public:
  token_feed(const token_loader& loader, const feed_shape& shape, bool labels)
      : loader_(loader), shape_(shape), labels_(labels), memory_(std::make_shared<detail::feed_memory>()) {
    if (shape.samples < 1 || shape.step_samples < shape.samples || shape.step_samples % shape.samples != 0)
      throw error(text("stretto: a feed of tokens has ", shape.samples, " samples a micro-batch and ", shape.step_samples, " a step; give a multiple of the micro-batch's for the step").str());
    if (shape.first_step < 0) throw error(text("stretto: a feed of tokens begins with step ", shape.first_step, "; steps count from 0").str());
    if (shape.replicas < 1 || shape.replica < 0 || shape.replica >= shape.replicas)
      throw error(text("stretto: a feed of tokens is of replica ", shape.replica, " of ", shape.replicas, "; they count from 0").str());
  }

  view<const std::int32_t> operator()(const data_share& share) const {
    const std::int64_t sequence = loader_.options().sequence, n = share.slices < 1 ? 0 : sequence / share.slices;
    if (share.slices < 1 || n * share.slices != sequence || share.slice < 0 || share.slice >= share.slices)
      throw error(text("stretto: slice ", share.slice, " of ", share.slices, " is asked for of a sample of ", sequence, " tokens; choose a sequence that slices divide").str());
    if (share.first_sample < 0 || share.first_sample % shape_.samples != 0 || share.first_sample > shape_.step_samples - shape_.samples || share.step < shape_.first_step)
      throw error(text("stretto: sample ", share.first_sample, " of step ", share.step, " is asked for of a feed whose steps from ", shape_.first_step, " on have ", shape_.step_samples,
                       " samples, ", shape_.samples, " a micro-batch; give it the feed_shape of the pipeline").str());
    std::int64_t first = 0, behind = 0, index = 0, count = 0;
    if (__builtin_mul_overflow(share.step - shape_.first_step, shape_.replicas, &first) || __builtin_add_overflow(first, shape_.replica, &first) ||
        __builtin_mul_overflow(first, shape_.step_samples, &first) || __builtin_add_overflow(first, share.first_sample, &first) ||
        __builtin_add_overflow(first, loader_.position(), &first) || __builtin_add_overflow(first, shape_.samples, &behind) ||
        __builtin_mul_overflow(share.first_sample / shape_.samples, std::int64_t{share.slices}, &index) || __builtin_mul_overflow(shape_.samples, n, &count))
      throw error(text("stretto: step ", share.step, " of a feed of tokens is beyond all samples that can be counted; correct the step").str());
    detail::feed_memory::place& p = memory_->at(index + share.slice);
    if (p.step != share.step) {
      p.step = -1;  // until all is read
      p.tokens.resize(static_cast<std::size_t>(count));
      for (std::int64_t s = 0; s < shape_.samples; ++s) loader_.read(first + s, share.slice * n + (labels_ ? 1 : 0), n, p.tokens.data() + s * n);
      p.step = share.step;
    }
    return {p.tokens.data(), count};
  }

 private:
  token_loader loader_;
  feed_shape shape_;
  bool labels_;
  std::shared_ptr<detail::feed_memory> memory_;
};

/// What a pipeline's feed of tokens calls. Restore the loader first: a feed goes on from its position().
inline token_feed inputs_of(const token_loader& loader, const feed_shape& shape) { return {loader, shape, false}; }
/// The same windows, each a token further.
inline token_feed labels_of(const token_loader& loader, const feed_shape& shape) { return {loader, shape, true}; }

}  // namespace stretto::inline v0
