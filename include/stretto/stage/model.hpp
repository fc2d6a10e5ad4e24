// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A model: a list of layers. Every rank knows all of them and makes only its own.
//
//     auto m = sequential(layer<embedding>(vocabulary, width), repeat<block>(12, width), layer<head>(width, vocabulary));
//     m.size() == 14
//     sequential(…, layer<down>(8).gives("u"), …, layer<up>(8).takes("u"), …)     a skip connection, over any cut
//     sequential(…, recompute(repeat<block>(12, width)), …)                       of each of these nothing but its input is kept
//     sequential(…, layer<head>(…).named("head"))                                 m.find("head") == 13
//     sequential(…, repeat(12, layer<attention>(…).named("h.#.attn"), layer<mlp>(…).named("h.#.mlp")), …)      pairs, 12 times
// A name names parameters, too: "h.3.attn.weight" instead of "7.weight"; # is which of the repeated ones it is.
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

namespace detail {

/// Whether what each of these gives is what the next takes.
template <class... Recipes>
constexpr bool fit() {
  return []<std::size_t... I>(std::index_sequence<I...>) {
    using all = std::tuple<Recipes...>;
    return (std::is_same_v<typename std::tuple_element_t<I, all>::last::output, typename std::tuple_element_t<I + 1, all>::first::input> && ...);
  }(std::make_index_sequence<sizeof...(Recipes) - 1>{});
}

/// A name with the number in place of its #.
inline label numbered(const label& name, int number) {
  const std::string_view s = name.str();
  const std::size_t at = s.find('#');
  return at == std::string_view::npos ? name : label(text(s.substr(0, at), number, s.substr(at + 1)).str());
}

template <class R>
concept recipe = requires { typename R::first; typename R::last; };

}  // namespace detail

/// A layer to be made, some times over.
template <class L, class... Arguments>
struct layer_recipe {
  using made = L;
  using first = L;  ///< of what it makes
  using last = L;
  static constexpr bool is_made_of_layers = detail::is_layer<L>();
  static constexpr bool splits = row_of<L>.splits;
  std::tuple<Arguments...> arguments;
  int times = 1;
  layer_note note = {};

  constexpr int size() const { return times > 0 ? times : 0; }
  /// Calls on(recipe, which): the recipe of layer i of these, and how many of its kind come before.
  template <class On>
  void visit(int i, On&& on) const {
    on(*this, i);
  }

  void* make(int layer) const {
    return std::apply(
        [&](const Arguments&... a) {
          if constexpr (std::is_constructible_v<L, layer_index, const Arguments&...>) return new L(layer_index{layer}, a...);
          else if constexpr (std::is_constructible_v<L, const Arguments&...>) return new L(a...);
          else return new L{a...};
        },
        arguments);
  }

  /// Gives it a name, for find(), for its parameters and for messages.
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

/// Layers of several kinds in turn, some times over.
template <class... Recipes>
struct layer_group {
  std::tuple<Recipes...> kinds;
  int times = 1;
  using first = typename std::tuple_element_t<0, std::tuple<Recipes...>>::first;
  using last = typename std::tuple_element_t<sizeof...(Recipes) - 1, std::tuple<Recipes...>>::last;
  static constexpr bool is_made_of_layers = (Recipes::is_made_of_layers && ...);
  static constexpr bool splits = (Recipes::splits && ...);

  constexpr int turn() const {
    return std::apply([](const Recipes&... r) { return (r.size() + ...); }, kinds);
  }
  constexpr int size() const { return times > 0 ? turn() * times : 0; }
  template <class On>
  void visit(int i, On&& on) const {
    const int each = turn(), round = i / each;
    int place = i % each;
    const auto one = [&](const auto& r) {
      if (place >= 0 && place < r.size()) r.visit(place, [&](const auto& kind, int which) { on(kind, round * r.size() + which); });
      place -= r.size();
    };
    std::apply([&](const Recipes&... r) { (one(r), ...); }, kinds);
  }
};

/// Layers of these recipes in turn, so many times: repeat(12, layer<attention>(…), layer<mlp>(…)).
template <class... Recipes>
  requires(detail::recipe<Recipes> && ...)
constexpr layer_group<Recipes...> repeat(int times, const Recipes&... recipes) {
  static_assert(sizeof...(Recipes) > 0, "stretto: repeat is given no layers; give the recipes of those that are repeated");
  static_assert(detail::fit<Recipes...>(), "stretto: what a layer gives must be what the next layer takes; make the output of one the input of the other");
  static_assert(std::is_same_v<typename layer_group<Recipes...>::first::input, typename layer_group<Recipes...>::last::output>,
                "stretto: layers that are repeated in turn take what the last of them gives; make the first one's input and the last one's output one type");
  return {std::tuple<Recipes...>(recipes...), times};
}

/// The same layers; of each nothing but its input is kept from forward to backward, and its forward is done again.
template <class Recipe>
constexpr Recipe recompute(Recipe recipe) {
  if constexpr (requires { recipe.kinds; }) std::apply([](auto&... r) { ((r = recompute(r)), ...); }, recipe.kinds);
  else recipe.note.recomputed = true;
  return recipe;
}

/// The list of layers.
template <class... Recipes>
class layer_sequence {
  static_assert((Recipes::is_made_of_layers && ...));
  static_assert(sizeof...(Recipes) > 0, "stretto: a model has at least one layer; add one");
  static_assert(detail::fit<Recipes...>(), "stretto: what a layer gives must be what the next layer takes; make the output of one the input of the other");
  using ends = layer_group<Recipes...>;
  static_assert(std::is_same_v<typename ends::first::input, nothing>,
                "stretto: nothing goes into the first layer of a model but feeds; make its input stretto::nothing");
  static_assert(std::is_floating_point_v<typename ends::last::output> || detail::row_maker<typename ends::last>::loses_later,
                "stretto: the last layer of a model gives the sum that becomes the loss; make its output float or double");

 public:
  using first_layer = typename ends::first;
  using last_layer = typename ends::last;
  /// Whether every layer can do its backward in two halves.
  static constexpr bool splits = (Recipes::splits && ...);

  constexpr explicit layer_sequence(const Recipes&... recipes) : recipes_(recipes...) {}

  /// How many layers there are.
  constexpr int size() const {
    return std::apply([](const Recipes&... r) { return (r.size() + ...); }, recipes_);
  }

  /// The row of layer i.
  const layer_row& row(int i) const {
    const layer_row* found = nullptr;
    visit(i, [&]<class R>(const R&, int) { found = &row_of<typename R::made>; });
    return *found;
  }

  /// What is said of layer i.
  layer_note note(int i) const {
    layer_note found;
    visit(i, [&](const auto& r, int which) { found = r.note, found.name = detail::numbered(found.name, which); });
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
    visit(i, [&]<class R>(const R& r, int) {
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
            if (i >= 0 && i < recipe.size()) recipe.visit(i, on);
            i -= recipe.size();
          };
          (one(r), ...);
        },
        recipes_);
  }

  std::tuple<Recipes...> recipes_;
};

template <class... Recipes>
constexpr auto sequential(const Recipes&... recipes) {
  constexpr bool are_recipes = (detail::recipe<Recipes> && ...);
  static_assert(are_recipes, "stretto: sequential takes what layer<L>(arguments), repeat<L>(times, arguments) and make_stage give, not layers themselves; write layer<L>() for each");
  if constexpr (are_recipes) return layer_sequence<Recipes...>(recipes...);
}

}  // namespace stretto::inline v0
