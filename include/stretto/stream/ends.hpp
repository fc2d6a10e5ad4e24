// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The ends of a model that serves a stream: the layer by which items come in, and the one by which they go out.
//
//     sequential(layer<stream_entry<audio>>(), layer<recognise>(), layer<speak>(), layer<stream_exit<video>>())
//     layer<stream_entry<values<float>>>(values<float>(512))      the largest item, where the type itself doesn't say how large
// Items change places with what the slots hold, so nothing is copied. Cost: a swap an item and end.
#pragma once

#include <utility>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/stage/context.hpp>
#include <stretto/stage/wire.hpp>

namespace stretto::inline v0 {

namespace detail {

inline error out_of_stream(int layer) {
  return error(text("stretto: layer ", layer, " is an end of a stream, and no stream runs; make a stream of the pipeline, and push items").str());
}

/// Whether the CPU, which hands items in and takes them out, may look at them.
template <class T>
constexpr bool is_on_cpu() {
  if constexpr (requires { T::space::reachable; }) return T::space::reachable;
  else return true;
}

}  // namespace detail

template <class T>
struct stream_entry {
  static_assert(detail::is_on_cpu<T>(), "stretto: items of a stream lie in the CPU's memory, and this type lies in a device's; let the first layer upload them and the last one bring them back");
  using input = nothing;
  using output = T;
  using item = T;

  T largest;

  explicit stream_entry(const T& one = T{}) : largest(one) {}

  T make_output() const { return largest; }
  void forward(context& c, const nothing&, T& out) {
    if (c.entered == nullptr) throw detail::out_of_stream(c.layer);
    using std::swap;
    swap(*static_cast<T*>(c.entered), out);
  }
  void backward_input(context& c, const nothing&, const gradient_of<T>&, nothing&) { throw detail::out_of_stream(c.layer); }
};

template <class T>
struct stream_exit {
  static_assert(detail::is_on_cpu<T>(), "stretto: items of a stream lie in the CPU's memory, and this type lies in a device's; let the first layer upload them and the last one bring them back");
  using input = T;
  using output = double;  // nothing is summed
  using item = T;

  void forward(context& c, const T& in, double& out) {
    if (c.leaving == nullptr) throw detail::out_of_stream(c.layer);
    out = 0;
    using std::swap;
    swap(*static_cast<T*>(c.leaving), const_cast<T&>(in));  // an object of the pipeline's, which nobody reads any more
  }
  void backward_input(context& c, const T&, const double&, gradient_of<T>&) { throw detail::out_of_stream(c.layer); }
};

}  // namespace stretto::inline v0
