// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// expect: stretto: what a layer gives must be what the next layer takes; make the output of one the input of the other
// expect: stretto: nothing goes into the first layer of a model but feeds; make its input stretto::nothing
// expect: stretto: the last layer of a model gives the sum that becomes the loss; make its output float or double
// expect: stretto: a layer that is repeated takes what it gives; make its input and output one type
// expect: stretto: a layer that gives to a skip connection names its type given; add using given = that type
// expect: stretto: a layer that takes from a skip connection names its type taken; add using taken = that type
//
// Layers that don't make a model.
#include <stretto/stage/model.hpp>

using namespace stretto;

template <class In, class Out>
struct step {
  using input = In;
  using output = Out;
  void forward(context&, const In&, Out&) {}
  void backward_input(context&, const In&, const gradient_of<Out>&, gradient_of<In>&) {}
};
struct end : step<float, double> {
  using given = float;
  using taken = float;
  void forward(context&, const float&, const float&, double&, float&) {}
  void backward_input(context&, const float&, const float&, const double&, const float&, float&, float&) {}
};

#ifdef STRETTO_COMPILE_FAIL_CONTROL
using odd = float;
using plain = end;
#else
using odd = int;
using plain = step<float, double>;
#endif

auto neighbours() { return sequential(layer<step<nothing, float>>(), layer<step<odd, double>>()); }
#ifdef STRETTO_COMPILE_FAIL_CONTROL
auto first() { return sequential(layer<step<nothing, double>>()); }
#else
auto first() { return sequential(layer<step<float, double>>()); }
auto last() { return sequential(layer<step<nothing, int>>()); }
#endif
auto repeated() { return repeat<step<float, odd>>(3); }
auto given() { return layer<plain>().gives("u"); }
auto taken() { return layer<plain>().takes("u"); }
