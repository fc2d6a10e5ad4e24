// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a layer is: a struct that names its types and does forward and backward. What it has no use for it leaves out.
//
//     struct my_layer {
//       using input = values<float>;  using output = values<float>;
//       using saved = …;                  what backward needs beyond the input: one a micro-batch (or slice)
//       using carry = …;                  shared by the slices of a micro-batch: keys, values, their gradients; or by runs that go on
//       using given = …;  using taken = …;     the ends of skip connections
//       void forward        (context&, const input&, [const taken&,] output&, [given&,] [saved&,] [carry&]);
//       void backward_input (context&, const input&, [const taken&,] const gradient_of<output>&, [const gradient_of<given>&,]
//                            gradient_of<input>&, [gradient_of<taken>&,] [saved&,] [carry&]);
//       void backward_weight(context&, const input&, [const taken&,] const gradient_of<output>&, [const gradient_of<given>&,]
//                            [saved&,] [carry&]);                               where it has parameters
//       void parameters(auto&& visit) { visit("weight", weight, weight_gradient); }
//       output make_output() const;       and make_saved, make_given: in the largest shape, where output{} won't do
//       carry make_carry(bool) const;     likewise; false: nothing is shared, so that it may be empty
//       using tools = …;                  what it shares with the other layers of its rank: a queue, room for what lives within a call;
//       void reserve(tools&);             asks it for room when the pipeline is bound; context.tools<tools>() is it while it works
//       void weights_changed(context&);   before the first pass, and after every update: what is made of weights is made anew here
//       std::int64_t bytes() const;       what it keeps of its own besides parameters, for the forecast of memory
//     };
// A layer that can't split its backward has one `backward` with the arguments of backward_input. Inputs, gradients and
// saved keep value and address until the micro-batch's weight pass. With `static constexpr bool keeps_input = false` the
// inputs are let go after forward, and the backward functions don't get them; with `frozen = true` nothing is trained. A
// layer that takes nothing with a gradient and trains nothing needs no backward.
#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>

#include <stretto/stage/context.hpp>
#include <stretto/stage/parameters.hpp>
#include <stretto/stage/wire.hpp>

namespace stretto::inline v0 {

namespace detail {

template <class... T>
struct type_list {
  static constexpr int size = sizeof...(T);
};
template <class... Lists>
struct joined;
template <class... A>
struct joined<type_list<A...>> {
  using type = type_list<A...>;
};
template <class... A, class... B, class... Rest>
struct joined<type_list<A...>, type_list<B...>, Rest...> : joined<type_list<A..., B...>, Rest...> {};
template <bool There, class... T>
using where = std::conditional_t<There, type_list<T...>, type_list<>>;

/// Whether a layer has each function, with these arguments behind the context.
template <class L, class List>
struct functions_of;
template <class L, class... A>
struct functions_of<L, type_list<A...>> {
  /// Whether an argument that is to be filled is taken in a way that may fill a copy: as a value, or as const.
  template <bool Forward, std::size_t J, std::size_t... I>
  static constexpr bool copies_one(std::index_sequence<I...>) {
    constexpr bool fixed[] = {std::is_const_v<A>...};
    if constexpr (fixed[J]) return false;
    else return calls<Forward, std::conditional_t<I == J, A&&, A&>...>();
  }
  template <bool Forward, class... As>
  static constexpr bool calls() {
    constexpr bool forth = requires(L& l, context& c, std::remove_reference_t<As>&... a) { l.forward(c, static_cast<As>(a)...); };
    constexpr bool whole = requires(L& l, context& c, std::remove_reference_t<As>&... a) { l.backward(c, static_cast<As>(a)...); };
    constexpr bool half = requires(L& l, context& c, std::remove_reference_t<As>&... a) { l.backward_input(c, static_cast<As>(a)...); };
    return Forward ? forth : whole || half;
  }
  template <bool Forward, std::size_t... J>
  static constexpr bool copies_any(std::index_sequence<J...> all) {
    return (copies_one<Forward, J>(all) || ...);
  }
  static constexpr bool forward_copies = copies_any<true>(std::index_sequence_for<A...>{});
  static constexpr bool backward_copies = copies_any<false>(std::index_sequence_for<A...>{});

  static constexpr bool forward = requires(L& l, context& c, std::remove_reference_t<A>&... a) { l.forward(c, a...); };
  static constexpr bool backward = requires(L& l, context& c, std::remove_reference_t<A>&... a) { l.backward(c, a...); };
  static constexpr bool backward_input = requires(L& l, context& c, std::remove_reference_t<A>&... a) { l.backward_input(c, a...); };
  static constexpr bool backward_weight = requires(L& l, context& c, std::remove_reference_t<A>&... a) { l.backward_weight(c, a...); };
};

// Types that a layer may leave out.
template <class L>
struct saved_type { using type = nothing; };
template <class L>
  requires requires { typename L::saved; }
struct saved_type<L> { using type = typename L::saved; };
template <class L>
struct carry_type { using type = nothing; };
template <class L>
  requires requires { typename L::carry; }
struct carry_type<L> { using type = typename L::carry; };
template <class L>
struct given_type { using type = nothing; };
template <class L>
  requires requires { typename L::given; }
struct given_type<L> { using type = typename L::given; };
template <class L>
struct taken_type { using type = nothing; };
template <class L>
  requires requires { typename L::taken; }
struct taken_type<L> { using type = typename L::taken; };

template <class L>
struct tools_type { using type = nothing; };
template <class L>
  requires requires { typename L::tools; }
struct tools_type<L> { using type = typename L::tools; };

template <class L>
constexpr bool says_frozen() {
  if constexpr (requires { L::frozen; }) return static_cast<bool>(L::frozen);
  else return false;
}
template <class L>
constexpr bool says_keeps_input() {
  if constexpr (requires { L::keeps_input; }) return static_cast<bool>(L::keeps_input);
  else return true;
}

}  // namespace detail

/// What a layer can do, found by looking at its functions.
template <class L>
struct layer_traits {
  using input = typename L::input;
  using output = typename L::output;
  using saved = typename detail::saved_type<L>::type;
  using carry = typename detail::carry_type<L>::type;
  using given = typename detail::given_type<L>::type;
  using taken = typename detail::taken_type<L>::type;
  using tools = typename detail::tools_type<L>::type;
  static constexpr bool has_tools = !std::is_same_v<tools, nothing>;
  static constexpr bool reserves = requires(L& l, tools& t) { l.reserve(t); };
  static constexpr bool follows_weights = requires(L& l, context& c) { l.weights_changed(c); };
  static constexpr bool saves = !std::is_same_v<saved, nothing>;
  static constexpr bool carries = !std::is_same_v<carry, nothing>;
  static constexpr bool gives = !std::is_same_v<given, nothing>;
  static constexpr bool takes = !std::is_same_v<taken, nothing>;
  static constexpr bool frozen = detail::says_frozen<L>();
  static constexpr bool keeps_input = detail::says_keeps_input<L>();
  static constexpr bool has_parameters = requires(L& l, parameter_list& p) { l.parameters(p); };

  using inputs = typename detail::joined<detail::type_list<const input>, detail::where<takes, const taken>>::type;
  using kept = std::conditional_t<keeps_input, inputs, detail::type_list<>>;
  using gradients_in = typename detail::joined<detail::type_list<const gradient_of<output>>, detail::where<gives, const gradient_of<given>>>::type;
  using gradients_out = typename detail::joined<detail::type_list<gradient_of<input>>, detail::where<takes, gradient_of<taken>>>::type;
  using state = typename detail::joined<detail::where<saves, saved>, detail::where<carries, carry>>::type;

  using forward_arguments = typename detail::joined<inputs, detail::type_list<output>, detail::where<gives, given>, state>::type;
  using backward_arguments = typename detail::joined<kept, gradients_in, gradients_out, state>::type;
  using weight_arguments = typename detail::joined<kept, gradients_in, state>::type;

  static constexpr bool goes_forward = detail::functions_of<L, forward_arguments>::forward;
  static constexpr bool splits = detail::functions_of<L, backward_arguments>::backward_input;
  static constexpr bool merges = detail::functions_of<L, backward_arguments>::backward;
  static constexpr bool weighs = detail::functions_of<L, weight_arguments>::backward_weight;
  /// Needs no backward: nothing that it takes has a gradient, and it trains nothing.
  static constexpr bool ends_backward = !has_gradient<input> && !has_gradient<taken> && (!has_parameters || frozen);
};

namespace detail {

/// Whether what makes objects can be asked of a layer that is looked at.
template <class L>
constexpr bool makes_const() {
  constexpr bool output = requires(L& l) { l.make_output(); } == requires(const L& l) { l.make_output(); };
  constexpr bool saved = requires(L& l) { l.make_saved(); } == requires(const L& l) { l.make_saved(); };
  constexpr bool carry = requires(L& l) { l.make_carry(); } == requires(const L& l) { l.make_carry(); } &&
                         requires(L& l) { l.make_carry(true); } == requires(const L& l) { l.make_carry(true); };
  constexpr bool given = requires(L& l) { l.make_given(); } == requires(const L& l) { l.make_given(); };
  return output && saved && carry && given;
}

/// Each missing member in one sentence.
template <class L>
constexpr bool is_layer() {
  static_assert(requires { typename L::input; typename L::output; },
                "stretto: a layer names what it takes and gives, as the types input and output; add them");
  using t = layer_traits<L>;
  static_assert(t::goes_forward,
                "stretto: a layer needs void forward(context&, const input&, [const taken&,] output&, [given&,] [saved&,] [carry&]), with the types that it has; add it, or correct its arguments");
  static_assert(t::splits || t::merges || t::ends_backward,
                "stretto: a layer needs void backward_input(context&, const input&, [const taken&,] const gradient_of<output>&, [const gradient_of<given>&,] gradient_of<input>&, [gradient_of<taken>&,] [saved&,] [carry&]), with the types that it has, or backward with the same arguments; add one, without input and taken where keeps_input is false");
  static_assert(!t::has_parameters || t::frozen || t::weighs || t::merges,
                "stretto: a layer with parameters needs void backward_weight(context&, const input&, [const taken&,] const gradient_of<output>&, [const gradient_of<given>&,] [saved&,] [carry&]); add it, or say static constexpr bool frozen = true");
  static_assert(!t::weighs || t::has_parameters || t::frozen,
                "stretto: a layer with backward_weight shows its weights in void parameters(auto&& visit), which isn't const; add it, or correct it");
  static_assert(!(t::merges && t::weighs && !t::splits),
                "stretto: a layer has backward, which does all, or backward_input and backward_weight; add backward_input, or take backward_weight away");
  static_assert(!functions_of<L, typename t::forward_arguments>::forward_copies && !functions_of<L, typename t::backward_arguments>::backward_copies,
                "stretto: a layer takes what it is to fill as output&, given&, saved&, carry& or gradient_of<...>&, so that it doesn't fill a copy; take these arguments by reference");
  static_assert(fixed_size<typename t::output> || requires(L& l) { l.make_output(); },
                "stretto: a layer that gives values has output make_output() const, for the largest shape; add it");
  static_assert(fixed_size<typename t::saved> || requires(L& l) { l.make_saved(); }, "stretto: a layer that saves values has saved make_saved() const, for the largest shape; add it");
  static_assert(fixed_size<typename t::given> || requires(L& l) { l.make_given(); },
                "stretto: a layer that gives values to a skip connection has given make_given() const, for the largest shape; add it");
  static_assert(!t::has_tools || std::is_default_constructible_v<typename t::tools> || requires(const L& l) { l.make_tools(); },
                "stretto: tools of a layer are made of nothing, or by tools make_tools() const of the first layer of a rank that names them; add it");
  static_assert(makes_const<L>(), "stretto: make_output, make_saved, make_carry and make_given of a layer are const; add const");
  return t::goes_forward && (t::splits || t::merges || t::ends_backward);
}

}  // namespace detail

}  // namespace stretto::inline v0
