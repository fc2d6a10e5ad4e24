// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// make_stage: a layer from callables, where a struct would be too much. Outputs are returned by value.
//
//     make_stage("double", [](const float& x) { return 2 * x; },                       forward
//                          [](const float&, const float& dy) { return 2 * dy; })       gradient of the input
//     make_stage("scale", forward, backward_input, backward_weight, parameters)        with weights that the callables share
// forward takes the input and gives the output; the first argument of each may be a context&. backward gets input and
// gradient of the output and gives the gradient of the input. With parameters but without backward_weight, backward adds
// up the gradients of weights, too. The input's type is read from forward's last argument; outputs are of one size. Cost: a
// move of each output.
#pragma once

#include <type_traits>
#include <utility>

#include <stretto/stage/model.hpp>

namespace stretto::inline v0 {

namespace detail {

template <class F>
struct last_argument {
  static_assert(requires { &F::operator(); },
                "stretto: make_stage reads the input's type from forward's last argument; give forward one type, no auto, and one overload");
};
template <class... A>
struct last_of;
template <class A>
struct last_of<A> { using type = std::remove_cvref_t<A>; };
template <class A, class B>
struct last_of<A, B> { using type = std::remove_cvref_t<B>; };
template <class R, class C, class... A>
struct last_of<R (C::*)(A...)> : last_of<A...> {};
template <class R, class C, class... A>
struct last_of<R (C::*)(A...) const> : last_of<A...> {};
template <class F>
  requires requires { &F::operator(); }
struct last_argument<F> : last_of<decltype(&F::operator())> {};
template <class R, class... A>
struct last_argument<R (*)(A...)> : last_of<A...> {};

/// Calls f with the context in front where it takes one.
template <class F, class... A>
decltype(auto) call_with(F& f, context& c, const A&... a) {
  if constexpr (std::is_invocable_v<F&, context&, const A&...>) return f(c, a...);
  else return f(a...);
}

struct no_function {};

/// Callables that do what a layer does.
template <class Forward, class Backward, class Weight = no_function, class Parameters = no_function>
struct callable_layer {
  using input = typename last_argument<Forward>::type;
  using output = std::remove_cvref_t<decltype(call_with(std::declval<Forward&>(), std::declval<context&>(), std::declval<const input&>()))>;

  static_assert(fixed_size<output>, "stretto: callables of make_stage give what is of one size, for they can't say the largest; write a layer with make_output");

  callable_layer(const Forward& f, const Backward& b, const Weight& w, const Parameters& p) : forward_(f), backward_(b), weight_(w), parameters_(p) {}

  void forward(context& c, const input& in, output& out) { out = call_with(forward_, c, in); }
  void backward_input(context& c, const input& in, const gradient_of<output>& g, gradient_of<input>& d)
    requires(!std::is_same_v<Weight, no_function> || std::is_same_v<Parameters, no_function>)
  {
    push_back(c, in, g, d);
  }
  void backward(context& c, const input& in, const gradient_of<output>& g, gradient_of<input>& d)
    requires(std::is_same_v<Weight, no_function> && !std::is_same_v<Parameters, no_function>)
  {
    push_back(c, in, g, d);
  }
  void backward_weight(context& c, const input& in, const gradient_of<output>& g)
    requires(!std::is_same_v<Weight, no_function>)
  {
    call_with(weight_, c, in, g);
  }
  void parameters(parameter_list& visit)
    requires(!std::is_same_v<Parameters, no_function>)
  {
    parameters_(visit);
  }

 private:
  void push_back(context& c, const input& in, const gradient_of<output>& g, gradient_of<input>& d) {
    if constexpr (std::is_same_v<gradient_of<input>, nothing>) call_with(backward_, c, in, g);
    else d = call_with(backward_, c, in, g);
  }

  Forward forward_;
  Backward backward_;
  [[no_unique_address]] Weight weight_;
  [[no_unique_address]] Parameters parameters_;
};

template <class F, class B, class W, class P>
auto callable_recipe(label name, const F& f, const B& b, const W& w, const P& p) {
  return layer<callable_layer<F, B, W, P>>(f, b, w, p).named(name);
}

}  // namespace detail

/// A layer without weights.
template <class Forward, class Backward>
auto make_stage(label name, const Forward& forward, const Backward& backward) {
  return detail::callable_recipe(name, forward, backward, detail::no_function{}, detail::no_function{});
}

/// A layer whose backward adds up the gradients of weights, too.
template <class Forward, class Backward, class Parameters>
auto make_stage(label name, const Forward& forward, const Backward& backward, const Parameters& parameters) {
  return detail::callable_recipe(name, forward, backward, detail::no_function{}, parameters);
}

/// A layer whose weights have a pass of their own.
template <class Forward, class Backward, class Weight, class Parameters>
auto make_stage(label name, const Forward& forward, const Backward& backward_input, const Weight& backward_weight, const Parameters& parameters) {
  return detail::callable_recipe(name, forward, backward_input, backward_weight, parameters);
}

}  // namespace stretto::inline v0
