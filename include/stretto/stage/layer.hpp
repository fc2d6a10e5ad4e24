// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a layer is, and layer_row, the table of function pointers through which it is reached: one indirect call a pass,
// no base class.
//
//     struct my_layer {
//       using input = values<float>;  using output = values<float>;
//       using saved = values<float>;                                  optional: what backward needs beyond the input
//       void forward(context&, const input&, output&, saved&);
//       void backward_input(context&, const input&, const gradient_of<output>&, gradient_of<input>&, saved&);
//       void backward_weight(context&, const input&, const gradient_of<output>&, saved&);      where it has parameters
//       void parameters(auto&& visit) { visit("weight", weight, weight_gradient); }            likewise
//       output make_output() const;  saved make_saved() const;        in the largest shape, where output{} won't do
//     };
// A layer that can't split its backward has one `backward` with the arguments of backward_input. Without `saved` the last
// argument is left out. input, gradient and saved keep value and address until the micro-batch's weight pass.
#pragma once

#include <cstdint>
#include <type_traits>

#include <stretto/core/text.hpp>
#include <stretto/stage/context.hpp>
#include <stretto/stage/parameters.hpp>
#include <stretto/stage/wire.hpp>

namespace stretto::inline v0 {

namespace detail {

template <class L>
struct layer_types {
  static constexpr auto saved_mark() {
    if constexpr (requires { typename L::saved; }) return static_cast<typename L::saved*>(nullptr);
    else return static_cast<nothing*>(nullptr);
  }
  using saved = std::remove_pointer_t<decltype(saved_mark())>;
  static constexpr bool saves = !std::is_same_v<saved, nothing>;
};

}  // namespace detail

/// What a layer can do, found by looking at its functions.
template <class L>
struct layer_traits {
  using input = typename L::input;
  using output = typename L::output;
  using saved = typename detail::layer_types<L>::saved;
  using grad_input = gradient_of<input>;
  using grad_output = gradient_of<output>;
  static constexpr bool saves = detail::layer_types<L>::saves;

  static constexpr bool goes_forward = [] {
    if constexpr (saves) return requires(L& l, context& c, const input& i, output& o, saved& s) { l.forward(c, i, o, s); };
    else return requires(L& l, context& c, const input& i, output& o) { l.forward(c, i, o); };
  }();
  static constexpr bool splits = [] {
    if constexpr (saves)
      return requires(L& l, context& c, const input& i, const grad_output& g, grad_input& d, saved& s) { l.backward_input(c, i, g, d, s); };
    else
      return requires(L& l, context& c, const input& i, const grad_output& g, grad_input& d) { l.backward_input(c, i, g, d); };
  }();
  static constexpr bool weighs = [] {
    if constexpr (saves) return requires(L& l, context& c, const input& i, const grad_output& g, saved& s) { l.backward_weight(c, i, g, s); };
    else return requires(L& l, context& c, const input& i, const grad_output& g) { l.backward_weight(c, i, g); };
  }();
  static constexpr bool merges = [] {
    if constexpr (saves)
      return requires(L& l, context& c, const input& i, const grad_output& g, grad_input& d, saved& s) { l.backward(c, i, g, d, s); };
    else
      return requires(L& l, context& c, const input& i, const grad_output& g, grad_input& d) { l.backward(c, i, g, d); };
  }();
  static constexpr bool has_parameters = requires(L& l, parameter_list& p) { l.parameters(p); };
  static constexpr bool frozen = [] {
    if constexpr (requires { L::frozen; }) return static_cast<bool>(L::frozen);
    else return false;
  }();
};

namespace detail {

/// Each missing member in one sentence.
template <class L>
constexpr bool is_layer() {
  static_assert(requires { typename L::input; typename L::output; },
                "stretto: a layer names what it takes and gives, as the types input and output; add them");
  using t = layer_traits<L>;
  static_assert(t::goes_forward, "stretto: a layer needs void forward(context&, const input&, output&[, saved&]); add it, or correct its arguments");
  static_assert(t::splits || t::merges,
                "stretto: a layer needs void backward_input(context&, const input&, const gradient_of<output>&, gradient_of<input>&[, saved&]), or backward with the same arguments; add one");
  static_assert(!t::has_parameters || t::frozen || t::weighs || t::merges,
                "stretto: a layer with parameters needs void backward_weight(context&, const input&, const gradient_of<output>&[, saved&]); add it, or say static constexpr bool frozen = true");
  return t::goes_forward && (t::splits || t::merges);
}

}  // namespace detail

/// A layer type as functions over untyped objects. Objects are made once, when a pipeline is bound.
struct layer_row {
  bool weighs;  ///< has weights to train: backward_weight does something

  void* (*make_output)(const void* layer);
  void (*drop_output)(void*);
  void* (*make_saved)(const void* layer);
  void (*drop_saved)(void*);
  void* (*make_gradient)(const void* output);  // of the output
  void (*drop_gradient)(void*);

  void (*forward)(void* layer, context&, const void* in, void* out, void* saved);
  void (*backward_input)(void* layer, context&, const void* in, const void* gradient_out, void* gradient_in, void* saved);
  void (*backward_weight)(void* layer, context&, const void* in, const void* gradient_out, void* saved);
  void (*parameters)(void* layer, parameter_list&);
  double (*loss)(const void* output);             // of the last layer: its sum
  void (*seed)(void* gradient, double value);     // sets its gradient
};

namespace detail {

template <class T>
void drop_object(void* p) {
  delete static_cast<T*>(p);
}

template <class L>
struct row_maker {
  using t = layer_traits<L>;
  static_assert(is_layer<L>());
  using in = typename t::input;
  using out = typename t::output;
  using saved = typename t::saved;

  static const L& of(const void* l) { return *static_cast<const L*>(l); }

  static void* make_output(const void* l) {
    if constexpr (requires { of(l).make_output(); }) return new out(of(l).make_output());
    else return new out{};
  }
  static void* make_saved(const void* l) {
    if constexpr (requires { of(l).make_saved(); }) return new saved(of(l).make_saved());
    else return new saved{};
  }
  static void* make_gradient(const void* o) {
    return new gradient_of<out>(wire_traits<out>::gradient_like(*static_cast<const out*>(o)));
  }
  static void forward(void* l, context& c, const void* i, void* o, void* s) {
    L& layer = *static_cast<L*>(l);
    if constexpr (t::saves) layer.forward(c, *static_cast<const in*>(i), *static_cast<out*>(o), *static_cast<saved*>(s));
    else layer.forward(c, *static_cast<const in*>(i), *static_cast<out*>(o));
  }
  static void backward_input(void* l, context& c, const void* i, const void* g, void* d, void* s) {
    L& layer = *static_cast<L*>(l);
    const in& x = *static_cast<const in*>(i);
    const auto& dy = *static_cast<const gradient_of<out>*>(g);
    auto& dx = *static_cast<gradient_of<in>*>(d);
    if constexpr (t::splits && t::saves) layer.backward_input(c, x, dy, dx, *static_cast<saved*>(s));
    else if constexpr (t::splits) layer.backward_input(c, x, dy, dx);
    else if constexpr (t::saves) layer.backward(c, x, dy, dx, *static_cast<saved*>(s));
    else layer.backward(c, x, dy, dx);
  }
  static void backward_weight(void* l, context& c, const void* i, const void* g, void* s) {
    L& layer = *static_cast<L*>(l);
    const in& x = *static_cast<const in*>(i);
    const auto& dy = *static_cast<const gradient_of<out>*>(g);
    if constexpr (t::weighs && t::saves) layer.backward_weight(c, x, dy, *static_cast<saved*>(s));
    else if constexpr (t::weighs) layer.backward_weight(c, x, dy);
  }
  static void parameters(void* l, parameter_list& p) {
    if constexpr (t::has_parameters) static_cast<L*>(l)->parameters(p);
  }
  static double loss(const void* o) {
    if constexpr (std::is_floating_point_v<out>) return static_cast<double>(*static_cast<const out*>(o));
    else return 0;
  }
  static void seed(void* g, double value) {
    if constexpr (std::is_floating_point_v<out>) *static_cast<out*>(g) = static_cast<out>(value);
  }
};

}  // namespace detail

/// The row of a layer type.
template <class L>
inline constexpr layer_row row_of = {
    layer_traits<L>::weighs && !layer_traits<L>::frozen,
    detail::row_maker<L>::make_output,
    detail::drop_object<typename layer_traits<L>::output>,
    detail::row_maker<L>::make_saved,
    detail::drop_object<typename layer_traits<L>::saved>,
    detail::row_maker<L>::make_gradient,
    detail::drop_object<typename layer_traits<L>::grad_output>,
    detail::row_maker<L>::forward,
    detail::row_maker<L>::backward_input,
    detail::row_maker<L>::backward_weight,
    detail::row_maker<L>::parameters,
    detail::row_maker<L>::loss,
    detail::row_maker<L>::seed,
};

}  // namespace stretto::inline v0
