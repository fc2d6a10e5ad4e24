// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A stage: its layers, and what each of them keeps of a micro-batch.
//
//     in ─► layer 0 ─► layer 1 ─► … ─► layer n-1 ─► out         slot: outputs and saved that backward wants, given
//     gradient of in ◄─ … ◄─ gradients[k] ◄─ … ◄─ gradient of out     workspace: gradients, and all of recomputed layers
// A slot holds what a stage keeps from a forward to the weight pass, a workspace what is wanted only while a forward runs,
// or from a backward pass for inputs to the one for weights. A layer that is recomputed keeps nothing but its input; where
// the whole stage is, nothing but the stage's input is kept. stage_run.hpp runs it.
#pragma once

#include <vector>

#include <stretto/run/links_of.hpp>
#include <stretto/stage/context.hpp>
#include <stretto/stage/model.hpp>
#include <stretto/stage/parameters.hpp>

namespace stretto::inline v0::detail {

/// What a stage keeps of one micro-batch. Places of `in` and `out_gradient`: 0 for the neighbour, then the skip links.
struct stage_slot {
  std::vector<void*> outputs, saved, given;  // by layer; null where it isn't kept
  std::vector<const void*> in, out_gradient; // taken from channels
};

struct stage_workspace {
  std::vector<void*> outputs, saved, given, gradients, given_gradients, taken_gradients;  // by layer
  std::vector<const void*> given_gradient;                                                // by layer: what backward is told
  void* in_gradient = nullptr;                                                            // where nobody wants it
};

/// What each layer of a stage keeps, gives and takes; known without making a layer.
class stage_shape {
 public:
  struct taken {
    int place = 0;           ///< among what comes from elsewhere; 0: not from there
    int gradient_place = 0;  ///< among the gradients that go elsewhere; 0: none does
    int inside = -1;         ///< the layer of this stage that gives it
  };
  struct taker {
    int layer = 0;
    int place = 0;    ///< among the gradients that come from elsewhere; 0: not from there
    int inside = -1;  ///< the layer of this stage that takes it
  };

  stage_shape() = default;
  template <class Model>
  stage_shape(const Model& model, const cut& c, int number, const model_links& links, bool recompute_all) {
    stage = number;
    whole_ = recompute_all;
    first_layer = c.first(number);
    ends = c.last(number) == model.size();
    active = static_cast<std::size_t>(links.first_trained > first_layer ? links.first_trained - first_layer : 0);
    const auto inside = [&](int l) { return l >= first_layer && l < c.last(number); };
    for (int l = first_layer; l < c.last(number); ++l) {
      rows.push_back(&model.row(l));
      names_.push_back(model.note(l).name);
      again_.push_back(recompute_all || model.note(l).recomputed);
    }
    given_out_.resize(rows.size());
    takers_.resize(rows.size());
    taken_from_.assign(rows.size(), {});
    int place = 0;
    for (const skip_link& s : links.values) {
      if (s.from == stage) given_out_[index(s.giver)].push_back(++place);
      values_out = place;
    }
    place = 0;
    for (const skip_link& s : links.values) {
      if (s.to != stage) continue;
      ++place;
      for (const skip_end& e : links.ends)
        if (e.giver == s.giver && inside(e.taker)) taken_from_[index(e.taker)].place = place;
    }
    values_in = place;
    int out = 0, back = 0;
    for (const skip_link& s : links.gradients) {
      if (s.from == stage) taken_from_[index(s.taker)].gradient_place = ++out;
      if (s.to == stage) takers_[index(s.giver)].push_back({s.taker, ++back, -1});
    }
    gradients_out = out;
    gradients_in = back;
    for (const skip_end& e : links.ends) {
      if (!inside(e.giver) || !inside(e.taker)) continue;
      taken_from_[index(e.taker)].inside = static_cast<int>(index(e.giver));
      if (e.giver >= links.first_trained) takers_[index(e.giver)].push_back({e.taker, 0, static_cast<int>(index(e.taker))});
    }
    for (auto& t : takers_)  // in the order of the layers
      for (std::size_t i = 0; i < t.size(); ++i)
        for (std::size_t k = i + 1; k < t.size(); ++k)
          if (t[k].layer < t[i].layer) std::swap(t[i], t[k]);
  }

  bool keeps_output(std::size_t k, bool trains) const {
    if (!trains || k + 1 >= rows.size() || k + 1 < active) return false;
    return again_[k + 1] ? !chained(k + 1) : rows[k + 1]->keeps_input;
  }
  /// Whether a layer is done again together with the one before it: where nothing but the stage's input is kept.
  bool chained(std::size_t k) const { return whole_ && k > active; }
  /// Whether what a layer gives stays in the stage: the model's last output, too.
  bool inner(std::size_t k) const { return k + 1 < rows.size() || ends; }
  /// Whether a workspace has room for a layer's output: where no slot keeps it, or where its forward is done again.
  bool spares_output(std::size_t k, bool trains) const { return again_[k] || (inner(k) && !keeps_output(k, trains)); }
  bool keeps_saved(std::size_t k, bool trains) const { return trains && k >= active && !again_[k]; }
  bool given_inside(std::size_t k) const {
    for (const taken& t : taken_from_)
      if (t.inside == static_cast<int>(k)) return true;
    return false;
  }
  bool goes_back(std::size_t k) const { return k >= active; }

  int stage = 0, first_layer = 0;
  std::size_t active = 0;  ///< the first layer with something to do in a backward pass
  bool ends = false;       ///< has the model's last layer
  int values_in = 0, values_out = 0, gradients_in = 0, gradients_out = 0;  ///< skip links
  std::vector<const layer_row*> rows;

  // By layer.
  const std::vector<int>& given_out(std::size_t k) const { return given_out_[k]; }  ///< places of the links that it gives to
  const std::vector<taker>& takers(std::size_t k) const { return takers_[k]; }      ///< whose gradients come back
  const taken& taken_from(std::size_t k) const { return taken_from_[k]; }
  bool again(std::size_t k) const { return again_[k]; }

 protected:
  const label& name(std::size_t k) const { return names_[k]; }

 private:
  std::size_t index(int layer) const { return static_cast<std::size_t>(layer - first_layer); }

  bool whole_ = false;  // everything is done again
  std::vector<bool> again_;
  std::vector<label> names_;
  std::vector<std::vector<int>> given_out_;
  std::vector<std::vector<taker>> takers_;
  std::vector<taken> taken_from_;
};

/// The same with its layers.
class bound_stage : public stage_shape {
 public:
  template <class Model>
  bound_stage(const Model& model, const cut& c, int number, const model_links& links, bool recompute_all) : stage_shape(model, c, number, links, recompute_all) {
    layers.reserve(rows.size()), owned_.all.reserve(rows.size());
    for (int l = first_layer; l < c.last(number); ++l) {
      void (*drop)(void*) = nullptr;
      layers.push_back(model.make(l, &drop));
      owned_.all.push_back({layers.back(), drop});
    }
  }
  bound_stage(const bound_stage&) = delete;
  bound_stage& operator=(const bound_stage&) = delete;
  bound_stage(bound_stage&&) = default;
  bound_stage& operator=(bound_stage&&) = delete;
  ~bound_stage() = default;

  void parameters(parameter_list& list) {
    for (std::size_t k = 0; k < rows.size(); ++k) {
      list.layer(first_layer + static_cast<int>(k), name(k));
      rows[k]->parameters(layers[k], list);
    }
  }

  std::vector<void*> layers;

 private:
  struct owned {  // so that those that were made are dropped where the constructor of the next one throws
    struct one {
      void* layer;
      void (*drop)(void*);
    };
    std::vector<one> all;
    owned() = default;
    owned(owned&&) = default;
    owned& operator=(owned&&) = delete;
    ~owned() {
      for (const one& o : all) o.drop(o.layer);
    }
  };
  owned owned_;
};

}  // namespace stretto::inline v0::detail
