// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A stage at work: its layers, and the slots that hold what they keep of a micro-batch.
//
//     in ─► layer 0 ─► layer 1 ─► … ─► layer n-1 ─► out        outputs[k], saved[k] of a slot
//     gradient of in ◄─ … ◄─ gradients[k] ◄─ … ◄─ gradient of out
// Everything is made when the stage is bound. The untyped objects are reached through the layers' rows.
#pragma once

#include <vector>

#include <stretto/stage/context.hpp>
#include <stretto/stage/layer.hpp>
#include <stretto/stage/parameters.hpp>

namespace stretto::inline v0::detail {

/// What a stage keeps of one micro-batch.
struct stage_slot {
  std::vector<void*> outputs, saved, gradients;  // by layer; the last output and gradient only where the model ends
  const void* in = nullptr;                      // taken from a channel, or nothing
  const void* gradient_out = nullptr;            // likewise
};

class bound_stage {
 public:
  bound_stage() = default;
  bound_stage(const bound_stage&) = delete;
  bound_stage& operator=(const bound_stage&) = delete;
  bound_stage(bound_stage&&) = default;
  bound_stage& operator=(bound_stage&&) = delete;
  ~bound_stage() {
    for (stage_slot& slot : slots)
      for (std::size_t k = 0; k < rows.size(); ++k) {
        if (slot.outputs[k] != nullptr) rows[k]->drop_output(slot.outputs[k]);
        if (slot.gradients[k] != nullptr) rows[k]->drop_gradient(slot.gradients[k]);
        rows[k]->drop_saved(slot.saved[k]);
      }
    for (std::size_t k = 0; k < layers.size(); ++k) drops[k](layers[k]);
  }

  /// Makes layers first … last - 1 of a model.
  template <class Model>
  void make(const Model& model, int number, int first, int last) {
    stage = number;
    first_layer = first;
    ends = last == model.size();
    for (int l = first; l < last; ++l) {
      rows.push_back(&model.row(l));
      drops.push_back(nullptr);
      layers.push_back(model.make(l, &drops.back()));
    }
  }

  void make_slots(int count, bool trains) {
    for (int i = 0; i < count; ++i) {
      stage_slot s;
      for (std::size_t k = 0; k < rows.size(); ++k) {
        const bool inner = k + 1 < rows.size() || ends;
        s.outputs.push_back(inner ? rows[k]->make_output(layers[k]) : nullptr);
        s.gradients.push_back(inner && trains ? rows[k]->make_gradient(s.outputs[k]) : nullptr);
        s.saved.push_back(rows[k]->make_saved(layers[k]));
      }
      slots.push_back(static_cast<stage_slot&&>(s));
    }
  }

  void parameters(parameter_list& list) {
    for (std::size_t k = 0; k < rows.size(); ++k) {
      list.layer(first_layer + static_cast<int>(k));
      rows[k]->parameters(layers[k], list);
    }
  }

  /// `out` is where the last output goes; null where the model ends.
  void forward(context& c, stage_slot& s, const void* in, void* out) {
    s.in = in;
    for (std::size_t k = 0; k < rows.size(); ++k) {
      c.layer = first_layer + static_cast<int>(k);
      void* to = k + 1 < rows.size() || out == nullptr ? s.outputs[k] : out;
      rows[k]->forward(layers[k], c, input_of(s, k), to, s.saved[k]);
    }
  }

  double loss(const stage_slot& s) const { return rows.back()->loss(s.outputs.back()); }

  /// `gradient_out` is null where the model ends; then the loss is the start.
  void backward_input(context& c, stage_slot& s, const void* gradient_out, void* gradient_in) {
    if (gradient_out == nullptr) {
      rows.back()->seed(s.gradients.back(), 1 / c.normalizer);
      gradient_out = s.gradients.back();
    }
    s.gradient_out = gradient_out;
    for (std::size_t k = rows.size(); k-- > 0;) {
      c.layer = first_layer + static_cast<int>(k);
      rows[k]->backward_input(layers[k], c, input_of(s, k), gradient_of_layer(s, k), k > 0 ? s.gradients[k - 1] : gradient_in, s.saved[k]);
    }
  }

  void backward_weight(context& c, stage_slot& s) {
    for (std::size_t k = rows.size(); k-- > 0;) {
      if (!rows[k]->weighs) continue;
      c.layer = first_layer + static_cast<int>(k);
      rows[k]->backward_weight(layers[k], c, input_of(s, k), gradient_of_layer(s, k), s.saved[k]);
    }
  }

  int stage = 0, first_layer = 0;
  bool ends = false;  ///< has the model's last layer
  std::vector<const layer_row*> rows;
  std::vector<void*> layers;
  std::vector<void (*)(void*)> drops;
  std::vector<stage_slot> slots;

 private:
  const void* input_of(const stage_slot& s, std::size_t k) const { return k == 0 ? s.in : s.outputs[k - 1]; }
  const void* gradient_of_layer(const stage_slot& s, std::size_t k) const { return k + 1 == rows.size() ? s.gradient_out : s.gradients[k]; }
};

}  // namespace stretto::inline v0::detail
