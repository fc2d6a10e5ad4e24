// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// expect: stretto: a model that serves a stream begins with layer<stream_entry<T>>() and ends with layer<stream_exit<U>>(); add them
//
// A stream of a model that nothing can be pushed into.
#include <stretto/stream.hpp>

using namespace stretto;

struct reads_a_feed {
  using input = nothing;
  using output = int;
  void forward(context&, const nothing&, int&) {}
  void backward_input(context&, const nothing&, const nothing&, nothing&) {}
};

#ifdef STRETTO_COMPILE_FAIL_CONTROL
using first = stream_entry<int>;
#else
using first = reads_a_feed;
#endif
using model = decltype(sequential(layer<first>(), layer<stream_exit<int>>()));
using served = pipeline<model>;
auto rate(served& p) { return stream<model, sgd, threads>(p).report().rate(); }
