// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Operations on images: convolution, of each channel by itself, too, and pooling.
#include <stretto/cuda.cuh>

#include "operations.hpp"

namespace operations {
namespace {

void convolve(room& r, std::int64_t in, const shape<4>& w) {
  auto& q = r.q;
  const convolution_options o{.stride = {2, 2}, .padding = {1, 1}};
  const shape<4> s{{2, 9, 9, in}};
  const auto x = r.images<element>(s), weight = r.images<element>(w), y = r.images<element>(convolved(s, w, o));
  const auto dw = r.images<float>(w);
  const auto bias = r.run<element>(w[0]), work = r.run<element>(cuda::convolution_room<element>(q, s, w, o));
  cuda::convolution(q, x, weight, bias, y, work, o);
  cuda::convolution_backward_input(q, weight, y, x, work, o);
  cuda::convolution_backward_weight(q, x, y, dw, r.run<float>(w[0]), work, o);
}

}  // namespace

void images(room& r) {
  convolve(r, 8, {{16, 3, 3, 8}});
  convolve(r, 16, {{16, 3, 3, 1}});
  const auto x = r.images<element>({{2, 6, 6, 8}}), y = r.images<element>({{2, 3, 3, 8}}), dx = r.images<element>({{2, 6, 6, 8}});
  cuda::max_pooling(r.q, x, y);
  cuda::max_pooling_backward(r.q, x, y, dx);
  cuda::average_pooling(r.q, x, y);
  cuda::average_pooling_backward(r.q, y, dx);
}

}  // namespace operations
