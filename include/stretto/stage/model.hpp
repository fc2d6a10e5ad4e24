// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A model: a list of layers. Every rank knows all of them and makes only its own.
//
//     auto m = sequential(layer<embedding>(vocabulary, width), repeat<block>(12, width), layer<head>(width, vocabulary));
//     m.size() == 14
// layer<L>(arguments…) keeps the arguments and makes an L of them where one is needed. Neighbouring types are checked when
// this compiles: a cut may lie between any two layers, so what one gives must be what the next takes.
#pragma once

#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>

#include <stretto/stage/layer.hpp>

namespace stretto::inline v0 {

/// A layer to be made, some times over.
template <class L, class... Arguments>
struct layer_recipe {
  using made = L;
  std::tuple<Arguments...> arguments;
  int times = 1;

  void* make() const {
    return std::apply([](const Arguments&... a) { return new L(a...); }, arguments);
  }
};

/// A layer of type L, made of these arguments.
template <class L, class... Arguments>
constexpr layer_recipe<L, Arguments...> layer(Arguments... arguments) {
  return {std::tuple<Arguments...>(arguments...), 1};
}

/// Layers of type L behind each other, all made of these arguments.
template <class L, class... Arguments>
constexpr layer_recipe<L, Arguments...> repeat(int times, Arguments... arguments) {
  static_assert(std::is_same_v<typename L::input, typename L::output>,
                "stretto: a layer that is repeated takes what it gives; make its input and output one type");
  return {std::tuple<Arguments...>(arguments...), times};
}

/// The list of layers.
template <class... Recipes>
class model {
  static_assert(sizeof...(Recipes) > 0, "stretto: a model has at least one layer; add one");

  template <std::size_t... I>
  static constexpr bool neighbours_fit(std::index_sequence<I...>) {
    using all = std::tuple<typename Recipes::made...>;
    return (std::is_same_v<typename std::tuple_element_t<I, all>::output, typename std::tuple_element_t<I + 1, all>::input> && ...);
  }
  static_assert(neighbours_fit(std::make_index_sequence<sizeof...(Recipes) - 1>{}),
                "stretto: what a layer gives must be what the next layer takes; make the output of one the input of the other");
  using ends = std::tuple<typename Recipes::made...>;
  static_assert(std::is_same_v<typename std::tuple_element_t<0, ends>::input, nothing>,
                "stretto: nothing goes into the first layer of a model but feeds; make its input stretto::nothing");
  static_assert(std::is_floating_point_v<typename std::tuple_element_t<sizeof...(Recipes) - 1, ends>::output>,
                "stretto: the last layer of a model gives the sum that becomes the loss; make its output float or double");

 public:
  constexpr explicit model(const Recipes&... recipes) : recipes_(recipes...) {}

  /// How many layers there are.
  constexpr int size() const {
    return std::apply([](const Recipes&... r) { return ((r.times > 0 ? r.times : 0) + ...); }, recipes_);
  }

  /// The row of layer i.
  const layer_row& row(int i) const {
    const layer_row* found = nullptr;
    find(i, [&]<class R>(const R&) { found = &row_of<typename R::made>; });
    return *found;
  }

  /// Makes layer i; the caller drops it with the function that comes along.
  void* make(int i, void (**drop)(void*)) const {
    void* made = nullptr;
    find(i, [&]<class R>(const R& r) {
      made = r.make();
      *drop = detail::drop_object<typename R::made>;
    });
    return made;
  }

 private:
  template <class Visit>
  void find(int i, Visit&& visit) const {
    std::apply(
        [&](const Recipes&... r) {
          const auto one = [&](const auto& recipe) {
            if (i >= 0 && i < recipe.times) visit(recipe);
            i -= recipe.times;
          };
          (one(r), ...);
        },
        recipes_);
  }

  std::tuple<Recipes...> recipes_;
};

template <class... Recipes>
constexpr model<Recipes...> sequential(const Recipes&... recipes) {
  return model<Recipes...>(recipes...);
}

}  // namespace stretto::inline v0
