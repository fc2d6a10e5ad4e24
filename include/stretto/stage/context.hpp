// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a layer is told while it works: which micro-batch this is, what the loss is divided by, random numbers that don't
// hang on how the model is cut, and feeds (labels, tokens, masks) by name.
//
//     view<const int> labels = context.feed<int>("labels");          this micro-batch's share, asked for only here
//     random_stream r = context.random(row);                         keyed by seed, step, sample and layer
//     host::tools& t = context.tools<host::tools>();                 what the layers of a rank share, where they name it as tools
// A context lives for one call. Whatever changes between steps is read through it, never kept.
#pragma once

#include <concepts>
#include <cstdint>
#include <string_view>
#include <utility>

#include <stretto/core/array.hpp>
#include <stretto/core/error.hpp>
#include <stretto/core/random.hpp>
#include <stretto/core/text.hpp>

namespace stretto::inline v0 {

/// Which share of a step's data is meant.
struct data_share {
  std::int64_t step = 0;
  int micro_batch = 0;
  int slice = 0, slices = 1;
  int order = 0;                  ///< which one asks: 0 is that of step(), others those that bind() gave
  int round = 0;                  ///< where gradients are gathered over several runs of the plan: which of them
  std::int64_t first_sample = 0;  ///< of the micro-batch, counted over the step and its rounds
  std::int64_t run = 0;           ///< of the order, from 0: texts that go on read another token in each
};

namespace detail {

/// A type's name, as the compiler writes it.
template <class T>
constexpr const char* type_words() {
  return __PRETTY_FUNCTION__;
}

/// A named function from a share to numbers. Called on the rank that asks, perhaps on several at once.
class feed_source {
 public:
  template <class T, class F>
  static feed_source of(label name, F function) {
    static_assert(requires(F& f, const data_share& share) { { f(share) } -> std::convertible_to<view<const T>>; },
                  "stretto: the function of feed<T> takes a const data_share& and gives a view<const T>; correct it");
    feed_source s;
    s.name_ = name;
    s.type_ = type_words<T>();
    s.function_ = new F(static_cast<F&&>(function));
    s.call_ = [](void* f, const data_share& share) {
      const view<const T> v = (*static_cast<F*>(f))(share);
      return view<const char>{reinterpret_cast<const char*>(v.first), v.count};
    };
    s.drop_ = [](void* f) { delete static_cast<F*>(f); };
    return s;
  }

  feed_source() = default;
  feed_source(feed_source&& other) noexcept { *this = static_cast<feed_source&&>(other); }
  feed_source& operator=(feed_source&& other) noexcept {
    std::swap(name_, other.name_), std::swap(type_, other.type_), std::swap(function_, other.function_);
    std::swap(call_, other.call_), std::swap(drop_, other.drop_);
    return *this;
  }
  ~feed_source() {
    if (function_ != nullptr) drop_(function_);
  }

  std::string_view name() const { return name_.str(); }
  bool gives(std::string_view type) const { return type_ == type; }
  view<const char> operator()(const data_share& share) const { return call_(function_, share); }

 private:
  label name_;
  std::string_view type_;
  void* function_ = nullptr;
  view<const char> (*call_)(void*, const data_share&) = nullptr;
  void (*drop_)(void*) = nullptr;
};

}  // namespace detail

namespace detail {

/// An object of which every rank has one.
struct rank_tool {
  const char* type = nullptr;  // its name, as the compiler writes it
  void* object = nullptr;
};

}  // namespace detail

/// What a layer's functions get as their first argument.
class context {
 public:
  data_share share;
  int rank = 0;
  int stage = 0;
  int layer = 0;           ///< of the model, however it is cut
  bool training = true;    ///< false in evaluation and inference
  bool begins = true;      ///< false where a carry holds what came before: in later slices, and where a run goes on
  bool again = false;      ///< a forward that is done once more because nothing was kept of the first
  double normalizer = 1;   ///< the loss is the last layer's sum divided by this
  std::uint32_t seed = 0;
  void* entered = nullptr;  ///< of a stream: what comes in, where the first layer finds it
  void* leaving = nullptr;  ///< and where the last one puts what goes out

  /// The numbers of this layer for one sample of the micro-batch.
  random_stream random(std::int64_t sample) const {
    return {seed, static_cast<std::uint32_t>(share.step), static_cast<std::uint32_t>(share.first_sample + sample), static_cast<std::uint32_t>(layer)};
  }

  /// This micro-batch's share of a feed. Throws stretto::error where there is no feed of that name and type.
  template <class T>
  view<const T> feed(std::string_view name) const {
    for (const auto& source : feeds)
      if (source.name() == name) {
        if (!source.gives(detail::type_words<T>()))
          throw error(text("stretto: layer ", layer, " asks for feed '", name, "' in another type than it is given in; ask for the type of feed<T>").str());
        const view<const char> v = source(share);
        return {reinterpret_cast<const T*>(v.first), v.count};
      }
    throw error(text("stretto: layer ", layer, " asks for feed '", name, "', which the pipeline hasn't; give it with feed<T>(name, function)").str());
  }

  /// The rank's tools of that type, which it shares with the other layers there that name the type as tools.
  template <class T>
  T& tools() const {
    constexpr const char* type = detail::type_words<T>();
    for (const auto& t : all_tools)
      if (t.type == type) return *static_cast<T*>(t.object);
    for (const auto& t : all_tools)  // the same name from another translation unit
      if (std::string_view(t.type) == type) return *static_cast<T*>(t.object);
    throw error(text("stretto: layer ", layer, " asks for tools that no layer of rank ", rank, " names; add using tools = their type to the layer").str());
  }

  view<const detail::feed_source> feeds;
  view<const detail::rank_tool> all_tools;
};

}  // namespace stretto::inline v0
