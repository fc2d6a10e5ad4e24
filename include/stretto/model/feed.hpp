// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The first layer of models that begin with numbers: hands on a feed of float, as T, in the shape of a micro-batch.
//
//     layer<feed_layer<Device, T, 4>>("images", shape<4>{{samples, height, width, channels}}, queue)
// Cost: a copy. Nothing goes back to it.
#pragma once

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/stage/model.hpp>
#include <stretto/tensor/element.hpp>

namespace stretto::inline v0 {

template <class Device, class T, int Rank>
class feed_layer {
 public:
  using input = nothing;
  using output = typename Device::template tensor<T, Rank>;
  using tools = typename Device::tools;

  feed_layer(label name, const shape<Rank>& s, const typename Device::options& q) : name_(name), shape_(s), queue_(q) {}

  tools make_tools() const { return tools(queue_); }
  output make_output() const { return output(shape_); }

  void forward(context& c, const nothing&, output& x) {
    const view<const float> given = c.feed<float>(name_);
    if (given.count != shape_.count())
      throw error(text("stretto: feed '", name_, "' gives ", given.count, " numbers where a micro-batch has shape ", shape_.words().str(), "; give as many").str());
    const shape<2> row{{1, given.count}};
    auto& q = c.tools<tools>().queue;
    const auto there = q.upload(given);
    if constexpr (std::is_same_v<T, float>) q.copy(there, x);
    else cast(q, there.template shaped<2>(row), x.template shaped<2>(row));
  }

 private:
  label name_;
  shape<Rank> shape_;
  typename Device::options queue_;
};

}  // namespace stretto::inline v0
