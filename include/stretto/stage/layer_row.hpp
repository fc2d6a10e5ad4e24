// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// layer_row: a layer type as a row of function pointers over untyped objects, through which the executor reaches it: one
// indirect call a pass, no base class.
//
//     row_of<my_layer>.forward(layer, context, call)        call: where the arguments lie
// Objects are made once, when a pipeline is bound. Cost: a row of pointers for each layer type, in read-only memory.
#pragma once

#include <cstdint>
#include <string_view>
#include <type_traits>
#include <utility>

#include <stretto/core/step_numbers.hpp>
#include <stretto/stage/layer.hpp>

namespace stretto::inline v0 {

/// Where the arguments of a layer's functions lie.
struct layer_call {
  const void *in = nullptr, *taken = nullptr;
  void *out = nullptr, *given = nullptr, *saved = nullptr, *carry = nullptr;
  const void *out_gradient = nullptr, *given_gradient = nullptr;
  void *in_gradient = nullptr, *taken_gradient = nullptr;
};

/// How objects of a type are made, measured and dropped. What `from` is: a layer, or for gradients the value.
struct object_row {
  const char* type = nullptr;  ///< its name, as the compiler writes it
  bool empty = true;           ///< there is nothing in it
  void* (*make)(const void* from) = nullptr;
  void (*drop)(void*) = nullptr;
  std::int64_t (*bytes)(const void*) = nullptr;                ///< what a message of it carries; of what is never sent, what it takes
  void (*assign)(void* to, const void* from) = nullptr;        ///< null where its wire_traits have none
  void (*add)(void* to, const void* more) = nullptr;           ///< likewise
  void (*cross)(void* object, crossing&) = nullptr;            ///< likewise

  /// Whether the type is the same. Names are compared: their addresses may differ between translation units.
  bool is(const object_row& other) const { return std::string_view(type) == std::string_view(other.type); }
};

struct layer_row {
  const char* layer;  ///< the type's name
  bool weighs;       ///< has weights to train
  bool splits;       ///< can do its backward in two halves
  bool keeps_input;  ///< backward wants the inputs
  bool gives, takes;
  object_row input, output, saved, carry, no_carry, given, taken;  ///< input and taken only say their type; no_carry: a carry where nothing is shared
  object_row gradient, given_gradient, in_gradient, taken_gradient;

  void (*forward)(void* layer, context&, const layer_call&);
  void (*backward_input)(void* layer, context&, const layer_call&);   ///< all of it where the layer doesn't split
  void (*backward_weight)(void* layer, context&, const layer_call&);
  bool merges;                                    ///< backward_whole does both in one go
  void (*backward_whole)(void* layer, context&, const layer_call&);
  void (*parameters)(void* layer, parameter_list&);
  object_row tools;                                    ///< what a rank has one of
  void (*reserve)(void* layer, void* tools);           ///< null where it asks for nothing
  void (*lend)(void* tools, const void* lane);         ///< gives tools the stream that they work on; null where they work on none
  void (*begin_step)(void* tools, const step_numbers&);  ///< null where they don't want to know
  void (*weights_changed)(void* layer, context&);      ///< null where it makes nothing of weights
  std::int64_t (*own_bytes)(const void* layer);        ///< besides parameters
  double (*loss)(const void* output);             ///< of the last layer: its sum
  void (*loss_later)(const void* output, double* to, const void* lane);  ///< where that is on a device: copies it, in the order of a stream; else null
  void (*seed)(void* gradient, double value);     ///< sets its gradient
};

namespace detail {

template <class T>
void drop_object(void* p) {
  delete static_cast<T*>(p);
}

/// The bytes of what a layer keeps, as far as its type says.
template <class T>
std::int64_t footprint(const T& kept) {
  if constexpr (std::is_same_v<T, nothing>) return 0;
  else if constexpr (requires { kept.bytes(); }) return static_cast<std::int64_t>(kept.bytes());
  else if constexpr (requires { kept.data(), kept.size(); }) return static_cast<std::int64_t>(kept.size()) * static_cast<std::int64_t>(sizeof(*kept.data()));
  else return sizeof(T);
}

/// What objects of type T can do besides being made.
template <class T, bool Sent>
constexpr object_row object_basics() {
  object_row row;
  row.type = type_words<T>();
  row.empty = std::is_same_v<T, nothing>;
  row.drop = drop_object<T>;
  row.bytes = [](const void* p) { return footprint(*static_cast<const T*>(p)); };
  if constexpr (Sent) {
    row.bytes = [](const void* p) { return wire_traits<T>::bytes(*static_cast<const T*>(p)); };
    if constexpr (requires(T& t) { wire_traits<T>::assign(t, t); })
      row.assign = [](void* to, const void* from) { wire_traits<T>::assign(*static_cast<T*>(to), *static_cast<const T*>(from)); };
    if constexpr (requires(T& t) { wire_traits<T>::add(t, t); })
      row.add = [](void* to, const void* more) { wire_traits<T>::add(*static_cast<T*>(to), *static_cast<const T*>(more)); };
    if constexpr (requires(T& t, crossing& w) { wire_traits<T>::cross(w, t); })
      row.cross = [](void* object, crossing& w) { wire_traits<T>::cross(w, *static_cast<T*>(object)); };
  }
  return row;
}

template <class T>
constexpr object_row gradient_row() {
  using gradient = gradient_of<T>;
  object_row row = object_basics<gradient, true>();
  row.empty = !has_gradient<T>;
  row.make = [](const void* value) -> void* { return new gradient(wire_traits<T>::gradient_like(*static_cast<const T*>(value))); };
  return row;
}

template <class L>
struct row_maker {
  using t = layer_traits<L>;
  static_assert(is_layer<L>());

  /// Calls f with the context and references to what `at` points to, as the types of a list say.
  template <class F, class... A, std::size_t... I>
  static void spread(F&& f, type_list<A...>, void* const* at, std::index_sequence<I...>) {
    f(*static_cast<A*>(at[I])...);
  }

  struct places {
    void* at[8];
    int count = 0;
    void inputs(const layer_call& a) {
      at[count++] = const_cast<void*>(a.in);
      if constexpr (t::takes) at[count++] = const_cast<void*>(a.taken);
    }
    void kept(const layer_call& a) {
      if constexpr (t::keeps_input) inputs(a);
    }
    void gradients_in(const layer_call& a) {
      at[count++] = const_cast<void*>(a.out_gradient);
      if constexpr (t::gives) at[count++] = const_cast<void*>(a.given_gradient);
    }
    void gradients_out(const layer_call& a) {
      at[count++] = a.in_gradient;
      if constexpr (t::takes) at[count++] = a.taken_gradient;
    }
    void state(const layer_call& a) {
      if constexpr (t::saves) at[count++] = a.saved;
      if constexpr (t::carries) at[count++] = a.carry;
    }
  };
  template <class List, class F>
  static void call(const places& p, F&& f) {
    spread(static_cast<F&&>(f), List{}, p.at, std::make_index_sequence<static_cast<std::size_t>(List::size)>{});
  }

  static void forward(void* l, context& c, const layer_call& a) {
    places p;
    p.inputs(a);
    p.at[p.count++] = a.out;
    if constexpr (t::gives) p.at[p.count++] = a.given;
    p.state(a);
    call<typename t::forward_arguments>(p, [&](auto&... each) { static_cast<L*>(l)->forward(c, each...); });
  }
  static void backward_input(void* l, context& c, const layer_call& a) {
    places p;
    p.kept(a), p.gradients_in(a), p.gradients_out(a), p.state(a);
    if constexpr (t::splits) call<typename t::backward_arguments>(p, [&](auto&... each) { static_cast<L*>(l)->backward_input(c, each...); });
    else if constexpr (t::merges) call<typename t::backward_arguments>(p, [&](auto&... each) { static_cast<L*>(l)->backward(c, each...); });
  }
  static void backward_whole(void* l, context& c, const layer_call& a) {
    places p;
    p.kept(a), p.gradients_in(a), p.gradients_out(a), p.state(a);
    if constexpr (t::merges) call<typename t::backward_arguments>(p, [&](auto&... each) { static_cast<L*>(l)->backward(c, each...); });
  }
  static void backward_weight(void* l, context& c, const layer_call& a) {
    if constexpr (t::weighs) {
      places p;
      p.kept(a), p.gradients_in(a), p.state(a);
      call<typename t::weight_arguments>(p, [&](auto&... each) { static_cast<L*>(l)->backward_weight(c, each...); });
    }
  }
  static void parameters(void* l, parameter_list& p) {
    p.frozen(t::frozen);
    if constexpr (t::has_parameters) static_cast<L*>(l)->parameters(p);
  }

  static void reserve(void* l, void* tools) {
    if constexpr (t::reserves) static_cast<L*>(l)->reserve(*static_cast<typename t::tools*>(tools));
  }
  static void lend(void* tools, const void* lane) {
    if constexpr (lends) static_cast<typename t::tools*>(tools)->use_lane(lane);
  }
  static constexpr bool lends = requires(typename t::tools& tools, const void* lane) { tools.use_lane(lane); };
  static void begin_step(void* tools, const step_numbers& n) {
    if constexpr (begins) static_cast<typename t::tools*>(tools)->begin_step(n);
  }
  static constexpr bool begins = requires(typename t::tools& tools, const step_numbers& n) { tools.begin_step(n); };
  static void weights_changed(void* l, context& c) {
    if constexpr (t::follows_weights) static_cast<L*>(l)->weights_changed(c);
  }
  static std::int64_t own_bytes(const void* l) {
    if constexpr (requires { of(l).bytes(); }) return static_cast<std::int64_t>(of(l).bytes());
    else return 0;
  }
  static void* make_tools(const void* layer) {
    using T = typename t::tools;
    if constexpr (requires { of(layer).make_tools(); }) return new T(of(layer).make_tools());
    else return new T{};
  }

  static const L& of(const void* layer) { return *static_cast<const L*>(layer); }
  static void* make_output(const void* layer) {
    using T = typename t::output;
    if constexpr (requires { of(layer).make_output(); }) return new T(of(layer).make_output());
    else return new T{};
  }
  static void* make_saved(const void* layer) {
    using T = typename t::saved;
    if constexpr (requires { of(layer).make_saved(); }) return new T(of(layer).make_saved());
    else return new T{};
  }
  template <bool Shared>
  static void* make_carry(const void* layer) {
    using T = typename t::carry;
    if constexpr (requires { of(layer).make_carry(Shared); }) return new T(of(layer).make_carry(Shared));
    else if constexpr (requires { of(layer).make_carry(); }) return new T(of(layer).make_carry());
    else return new T{};
  }
  static void* make_given(const void* layer) {
    using T = typename t::given;
    if constexpr (requires { of(layer).make_given(); }) return new T(of(layer).make_given());
    else return new T{};
  }

  using last = typename t::output;
  static double loss(const void* o) {
    if constexpr (std::is_floating_point_v<last>) return static_cast<double>(*static_cast<const last*>(o));
    else return 0;
  }
  static constexpr bool loses_later = requires(const last& sum, double* to, const void* lane) { sum.copy_to(to, lane); };
  static void loss_later(const void* o, double* to, const void* lane) {
    if constexpr (loses_later) static_cast<const last*>(o)->copy_to(to, lane);
  }
  static void seed(void* g, double value) {
    if constexpr (loses_later) *static_cast<double*>(g) = value;
    else if constexpr (std::is_floating_point_v<last>) *static_cast<last*>(g) = static_cast<last>(value);
  }

  template <class T, bool Sent>
  static constexpr object_row made_by(void* (*make)(const void*)) {
    object_row row = object_basics<T, Sent>();
    row.make = make;
    return row;
  }
};

}  // namespace detail

/// The row of a layer type.
template <class L>
inline constexpr layer_row row_of = {
    .layer = detail::type_words<L>(),
    .weighs = !layer_traits<L>::frozen && (layer_traits<L>::weighs || (layer_traits<L>::has_parameters && layer_traits<L>::merges)),
    .splits = layer_traits<L>::splits || !layer_traits<L>::has_parameters || layer_traits<L>::frozen,
    .keeps_input = layer_traits<L>::keeps_input,
    .gives = layer_traits<L>::gives,
    .takes = layer_traits<L>::takes,
    .input = detail::object_basics<typename layer_traits<L>::input, true>(),
    .output = detail::row_maker<L>::template made_by<typename layer_traits<L>::output, true>(detail::row_maker<L>::make_output),
    .saved = detail::row_maker<L>::template made_by<typename layer_traits<L>::saved, false>(detail::row_maker<L>::make_saved),
    .carry = detail::row_maker<L>::template made_by<typename layer_traits<L>::carry, false>(detail::row_maker<L>::template make_carry<true>),
    .no_carry = detail::row_maker<L>::template made_by<typename layer_traits<L>::carry, false>(detail::row_maker<L>::template make_carry<false>),
    .given = detail::row_maker<L>::template made_by<typename layer_traits<L>::given, true>(detail::row_maker<L>::make_given),
    .taken = detail::object_basics<typename layer_traits<L>::taken, true>(),
    .gradient = detail::gradient_row<typename layer_traits<L>::output>(),
    .given_gradient = detail::gradient_row<typename layer_traits<L>::given>(),
    .in_gradient = detail::gradient_row<typename layer_traits<L>::input>(),
    .taken_gradient = detail::gradient_row<typename layer_traits<L>::taken>(),
    .forward = detail::row_maker<L>::forward,
    .backward_input = detail::row_maker<L>::backward_input,
    .backward_weight = detail::row_maker<L>::backward_weight,
    .merges = layer_traits<L>::merges,
    .backward_whole = detail::row_maker<L>::backward_whole,
    .parameters = detail::row_maker<L>::parameters,
    .tools = detail::row_maker<L>::template made_by<typename layer_traits<L>::tools, false>(detail::row_maker<L>::make_tools),
    .reserve = layer_traits<L>::has_tools && layer_traits<L>::reserves ? detail::row_maker<L>::reserve : nullptr,
    .lend = detail::row_maker<L>::lends ? detail::row_maker<L>::lend : nullptr,
    .begin_step = detail::row_maker<L>::begins ? detail::row_maker<L>::begin_step : nullptr,
    .weights_changed = layer_traits<L>::follows_weights ? detail::row_maker<L>::weights_changed : nullptr,
    .own_bytes = detail::row_maker<L>::own_bytes,
    .loss = detail::row_maker<L>::loss,
    .loss_later = detail::row_maker<L>::loses_later ? detail::row_maker<L>::loss_later : nullptr,
    .seed = detail::row_maker<L>::seed,
};

}  // namespace stretto::inline v0
