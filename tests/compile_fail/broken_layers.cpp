// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// expect: stretto: a layer names what it takes and gives, as the types input and output; add them
// expect: stretto: a layer needs void forward(context&, const input&, [const taken&,] output&, [given&,] [saved&,] [carry&]), with the types that it has; add it, or correct its arguments
// expect: with the types that it has, or backward with the same arguments; add one, without input and taken where keeps_input is false
// expect: stretto: a layer with parameters needs void backward_weight(context&, const input&, [const taken&,] const gradient_of<output>&, [const gradient_of<given>&,] [saved&,] [carry&]); add it, or say static constexpr bool frozen = true
// expect: stretto: a layer has backward, which does all, or backward_input and backward_weight; add backward_input, or take backward_weight away
// expect: so that it doesn't fill a copy; take these arguments by reference
// expect: stretto: a layer that gives values has output make_output() const, for the largest shape; add it
//
// One layer each lacks a member.
#include <stretto/stage/layer_row.hpp>

using namespace stretto;

struct whole {
  using input = float;
  using output = float;
  float w[1] = {}, g[1] = {};
  void forward(context&, const float&, float&) {}
  void backward_input(context&, const float&, const float&, float&) {}
  void backward_weight(context&, const float&, const float&) {}
  void parameters(parameter_list&) {}
};

#ifdef STRETTO_COMPILE_FAIL_CONTROL
using no_types = whole;
using no_forward = whole;
using no_backward = whole;
using no_weight = whole;
using half = whole;
#else
struct no_types {
  using output = float;
  void forward(context&, const float&, float&) {}
};
struct no_forward {
  using input = float;
  using output = float;
  using saved = int;
  void forward(context&, const float&, float&) {}  // without the int
  void backward_input(context&, const float&, const float&, float&, int&) {}
};
struct no_backward {
  using input = float;
  using output = float;
  void forward(context&, const float&, float&) {}
};
struct no_weight {
  using input = float;
  using output = float;
  void forward(context&, const float&, float&) {}
  void backward_input(context&, const float&, const float&, float&) {}
  void parameters(parameter_list&) {}
};
struct half {
  using input = float;
  using output = float;
  void forward(context&, const float&, float&) {}
  void backward(context&, const float&, const float&, float&) {}
  void backward_weight(context&, const float&, const float&) {}
};
static_assert(detail::is_layer<no_types>());
#endif

static_assert(detail::is_layer<no_forward>());
static_assert(detail::is_layer<no_backward>());
static_assert(detail::is_layer<no_weight>());
static_assert(detail::is_layer<half>());

#ifdef STRETTO_COMPILE_FAIL_CONTROL
using copies = whole;
using no_room = whole;
#else
struct copies {
  using input = float;
  using output = float;
  void forward(context&, const float&, float&) {}
  void backward_input(context&, const float&, float, float) {}
};
struct no_room {
  using input = float;
  using output = values<float>;
  void forward(context&, const float&, values<float>&) {}
  void backward_input(context&, const float&, const values<float>&, float&) {}
};
#endif
static_assert(detail::is_layer<copies>());
static_assert(detail::is_layer<no_room>());
