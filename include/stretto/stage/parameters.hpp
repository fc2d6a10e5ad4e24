// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The parameters of layers by global name, as a layer's `parameters(auto&& visit)` tells them:
//
//     visit("weight", weight, weight_gradient);                       a parameter of layer 3 is called "3.weight", or by the
//                                                                     layer's name, where it has one: "h.1.mlp.weight"
//     visit("table", table, table_gradient, tied{"embedding"});       the same numbers as every other use of that name
//     visit("scale", scale);                                          frozen: it has no gradient
// Values and gradients are runs of float or double: anything with data() and size(). The name doesn't hang on the cut.
#pragma once

#include <cstdint>
#include <string_view>
#include <type_traits>

#include <stretto/core/array.hpp>
#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/tensor/memory.hpp>

namespace stretto::inline v0 {

/// Marks a parameter as one use of a tied one. Each use has its own values and its own gradient; the gradients are added
/// in the order of the layers, and all uses take the same step.
struct tied {
  label name;
};

enum class number_type : std::uint8_t { float32, float64 };

struct parameter {
  text name;             ///< "<layer>.<name>", or "<name of the layer>.<name>"
  label tie;             ///< empty where it isn't tied
  int layer = 0;
  int rank = 0;          ///< who has it: of a stage with several owners each has its own
  number_type type = number_type::float32;
  std::int64_t count = 0;
  void* value = nullptr;
  void* gradient = nullptr;  ///< null where it is frozen
  bool reachable = true;     ///< whether the CPU may read and write it
  void (*copy)(void* to, const void* from, std::int64_t bytes) = nullptr;  ///< to and from the CPU's memory, when no step is under way
  bool one_dimensional = false;    ///< a tensor of one dimension, a bias or the scale of a norm: it often isn't to decay
  void* states[4] = {};            ///< of a pipeline: runs as long, which the optimizer keeps beside it; null behind the last
  bool partial = false;            ///< of a pipeline: others of the model's parameters are in other processes
};

/// What `parameters` is called with: it gathers what it is shown.
class parameter_list {
 public:
  explicit parameter_list(int layer = 0) : layer_(layer) {}

  template <class V>
  void operator()(std::string_view name, V& value) {
    add(name, value, static_cast<V*>(nullptr), {});
  }
  template <class V, class G>
    requires(!std::is_same_v<std::remove_cvref_t<G>, tied>)
  void operator()(std::string_view name, V& value, G& gradient) {
    add(name, value, &gradient, {});
  }
  template <class V, class G>
  void operator()(std::string_view name, V& value, G& gradient, const tied& tie) {
    add(name, value, &gradient, tie.name);
  }

  void layer(int index, label name = {}) { layer_ = index, layer_name_ = name; }
  void frozen(bool yes) { frozen_ = yes; }  ///< what is shown from here on has no gradient, whatever is shown
  const grow_array<parameter>& all() const { return all_; }

 private:
  template <class V, class G>
  void add(std::string_view name, V& value, G* gradient, label tie) {
    static_assert(requires { value.data(), value.size(); }, "stretto: a parameter is a run of numbers with data() and size(); show a vector or values, not a number");
    using number = std::remove_cvref_t<decltype(*value.data())>;
    static_assert(std::is_same_v<number, float> || std::is_same_v<number, double>, "stretto: parameters are runs of float or double; give one of them");
    parameter p;
    if (layer_name_.empty()) p.name.add(layer_);
    else p.name.add(layer_name_);
    p.name.add(".", name);
    p.tie = tie;
    p.layer = layer_;
    p.type = std::is_same_v<number, float> ? number_type::float32 : number_type::float64;
    p.count = static_cast<std::int64_t>(value.size());
    p.value = value.data();
    if constexpr (requires { V::space::reachable; }) p.reachable = V::space::reachable, p.copy = V::space::copy;
    else p.copy = host_memory::copy;
    if constexpr (requires { V::rank; }) p.one_dimensional = V::rank == 1;
    if (gradient != nullptr) {
      if (static_cast<std::int64_t>(gradient->size()) != p.count)
        throw error(text("stretto: parameter ", p.name.str(), " has ", p.count, " values and a gradient of ", static_cast<std::int64_t>(gradient->size()),
                         "; make them of one size").str());
      if (!frozen_) p.gradient = gradient->data();
    }
    all_.push_back(p);
  }

  int layer_;
  label layer_name_;
  bool frozen_ = false;
  grow_array<parameter> all_;
};

}  // namespace stretto::inline v0
