// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A model: a list of layers. Every rank knows all of them and makes only its own.
//
//     auto m = sequential(layer<embedding>(vocabulary, width), repeat<block>(12, width), layer<head>(width, vocabulary));
//     m.size() == 14
//     sequential(…, layer<down>(8).gives("u"), …, layer<up>(8).takes("u"), …)     a skip connection, over any cut
//     sequential(…, recompute(repeat<block>(12, width)), …)                       of each of these nothing but its input is kept
//     sequential(…, layer<head>(…).named("head"))                                 m.find("head") == 13
// layer<L>(arguments…) keeps the arguments and makes an L of them where one is needed, with its layer_index in front where
// its constructor takes that. Neighbouring types are checked when this compiles: a cut may lie between any two layers, so what
// one gives must be what the next takes. Cost: finding layer i walks the recipes; nothing does while steps run.
#pragma once

#include <cstdint>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/stage/layer_row.hpp>

namespace stretto::inline v0 {

/// What is said of a layer where it stands in a model.
struct layer_note {
  label name, given, taken;  ///< empty where there is none
  bool recomputed = false;   ///< its forward is done once more for its backward
};

/// Which layer of the model this is. A layer whose constructor takes one first, before the recipe's arguments, is told it
/// there: repeated layers begin with weights of their own by it.
struct layer_index {
  int value = 0;
};

/// A layer to be made, some times over.
template <class L, class... Arguments>
struct layer_recipe {
  using made = L;
  std::tuple<Arguments...> arguments;
  int times = 1;
  layer_note note = {};

  void* make(int layer) const {
    return std::apply(
        [&](const Arguments&... a) {
          if constexpr (std::is_constructible_v<L, layer_index, const Arguments&...>) return new L(layer_index{layer}, a...);
          else if constexpr (std::is_constructible_v<L, const Arguments&...>) return new L(a...);
          else return new L{a...};
        },
        arguments);
  }

  /// Gives it a name, for find() and messages.
  constexpr layer_recipe named(label name) const {
    layer_recipe r = *this;
    r.note.name = name;
    return r;
  }
  /// It is the beginning of the skip connection of that name.
  constexpr layer_recipe gives(label name) const {
    static_assert(layer_traits<L>::gives, "stretto: a layer that gives to a skip connection names its type given; add using given = that type");
    layer_recipe r = *this;
    r.note.given = name;
    return r;
  }
  /// It is an end of the skip connection of that name.
  constexpr layer_recipe takes(label name) const {
    static_assert(layer_traits<L>::takes, "stretto: a layer that takes from a skip connection names its type taken; add using taken = that type");
    layer_recipe r = *this;
    r.note.taken = name;
    return r;
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

/// The same layers; of each nothing but its input is kept from forward to backward, and its forward is done again.
template <class Recipe>
constexpr Recipe recompute(Recipe recipe) {
  recipe.note.recomputed = true;
  return recipe;
}

/// The list of layers.
template <class... Recipes>
class layer_sequence {
  static_assert((detail::is_layer<typename Recipes::made>() && ...));
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
  /// Whether every layer can do its backward in two halves.
  static constexpr bool splits = (row_of<typename Recipes::made>.splits && ...);

  constexpr explicit layer_sequence(const Recipes&... recipes) : recipes_(recipes...) {}

  /// How many layers there are.
  constexpr int size() const {
    return std::apply([](const Recipes&... r) { return ((r.times > 0 ? r.times : 0) + ...); }, recipes_);
  }

  /// The row of layer i.
  const layer_row& row(int i) const {
    const layer_row* found = nullptr;
    visit(i, [&]<class R>(const R&) { found = &row_of<typename R::made>; });
    return *found;
  }

  /// What is said of layer i.
  layer_note note(int i) const {
    layer_note found;
    visit(i, [&](const auto& r) { found = r.note; });
    return found;
  }

  /// The layer of that name; of several, the first. Throws stretto::error where there is none.
  int find(std::string_view name) const {
    for (int i = 0; i < size(); ++i)
      if (note(i).name.str() == name) return i;
    throw error(text("stretto: the model has no layer named '", name, "'; name one with named()").str());
  }

  /// Makes layer i; the caller drops it with the function that comes along.
  void* make(int i, void (**drop)(void*)) const {
    void* made = nullptr;
    visit(i, [&]<class R>(const R& r) {
      made = r.make(i);
      *drop = detail::drop_object<typename R::made>;
    });
    return made;
  }

 private:
  template <class Visit>
  void visit(int i, Visit&& on) const {
    std::apply(
        [&](const Recipes&... r) {
          const auto one = [&](const auto& recipe) {
            if (i >= 0 && i < recipe.times) on(recipe);
            i -= recipe.times;
          };
          (one(r), ...);
        },
        recipes_);
  }

  std::tuple<Recipes...> recipes_;
};

namespace detail {

template <class R>
concept recipe = requires { typename R::made; };

}  // namespace detail

template <class... Recipes>
constexpr auto sequential(const Recipes&... recipes) {
  constexpr bool are_recipes = (detail::recipe<Recipes> && ...);
  static_assert(are_recipes, "stretto: sequential takes what layer<L>(arguments), repeat<L>(times, arguments) and make_stage give, not layers themselves; write layer<L>() for each");
  if constexpr (are_recipes) return layer_sequence<Recipes...>(recipes...);
}

}  // namespace stretto::inline v0
