// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Runs the passes of a stage over its slots and workspaces, for one order of them: training, or evaluation.
//
//     forward          layers up, each output into the slot, the workspace or the object that is sent
//     backward_input   layers down to the first with something to train; recomputed runs do their forward again first
//     backward_weight  layers down, those with weights
// Cost: one indirect call a layer and pass; nothing is allocated.
#pragma once

#include <vector>

#include <stretto/run/recorder.hpp>
#include <stretto/run/stage.hpp>

namespace stretto::inline v0::detail {

class stage_run {
 public:
  stage_run(const bound_stage& what, bool trains) : s(what), trains_(trains) {}
  stage_run(stage_run&&) = default;
  stage_run& operator=(stage_run&&) = delete;
  stage_run(const stage_run&) = delete;
  stage_run& operator=(const stage_run&) = delete;
  ~stage_run() {
    for (const made& m : made_) m.drop(m.object);
  }

  /// `shares`: whether carries are for more than one slice or run.
  void make(int slots, int workspaces, int carries, bool shares) {
    const std::size_t n = s.rows.size();
    for (int i = 0; i < slots; ++i) {
      stage_slot slot;
      slot.in.assign(static_cast<std::size_t>(s.values_in) + 1, &none_);
      slot.out_gradient.assign(static_cast<std::size_t>(s.gradients_in) + 1, &none_);
      for (std::size_t k = 0; k < n; ++k) {
        slot.outputs.push_back(s.keeps_output(k, trains_) ? keep(s.rows[k]->output, s.layers[k]) : nullptr);
        slot.saved.push_back(s.keeps_saved(k, trains_) ? keep(s.rows[k]->saved, s.layers[k]) : nullptr);
        slot.given.push_back(s.given_inside(k) ? keep(s.rows[k]->given, s.layers[k]) : nullptr);
      }
      slots_.push_back(static_cast<stage_slot&&>(slot));
    }
    for (int i = 0; i < workspaces; ++i) {
      stage_workspace w;
      w.given_gradient.assign(n, &none_);
      for (std::size_t k = 0; k < n; ++k) {
        const layer_row& row = *s.rows[k];
        const bool back = trains_ && s.goes_back(k);
        w.outputs.push_back(s.spares_output(k, trains_) ? keep(row.output, s.layers[k]) : nullptr);
        w.saved.push_back(!s.keeps_saved(k, trains_) ? keep(row.saved, s.layers[k]) : nullptr);
        w.given.push_back(row.gives && s.again(k) && trains_ ? keep(row.given, s.layers[k]) : nullptr);
        w.gradients.push_back(s.inner(k) && trains_ ? like(row.output, row.gradient, s.layers[k]) : nullptr);
        w.given_gradients.push_back(row.gives && back ? like(row.given, row.given_gradient, s.layers[k]) : nullptr);
        w.taken_gradients.push_back(nullptr);
      }
      for (std::size_t k = 0; k < n; ++k) {
        if (!s.rows[k]->takes || !trains_ || !s.goes_back(k) || s.taken_from(k).gradient_place > 0) continue;
        const int giver = s.taken_from(k).inside;  // else nobody wants it, and its size isn't known here
        w.taken_gradients[k] = giver >= 0 ? like(s.rows[static_cast<std::size_t>(giver)]->given, s.rows[k]->taken_gradient, s.layers[static_cast<std::size_t>(giver)]) : nullptr;
      }
      w.in_gradient = &none_;
      workspaces_.push_back(static_cast<stage_workspace&&>(w));
    }
    for (int i = 0; i < carries; ++i) {
      carries_.emplace_back();
      for (std::size_t k = 0; k < n; ++k) {
        const object_row& row = shares ? s.rows[k]->carry : s.rows[k]->no_carry;
        carries_.back().push_back(row.empty ? &none_ : keep(row, s.layers[k]));
      }
    }
  }

  /// Gradients that a layer makes and nobody wants: of the stage's input, or of what a layer takes from elsewhere. The value,
  /// in its largest shape, says how large they are.
  void spare_in_gradient(const void* value) {
    for (stage_workspace& w : workspaces_) w.in_gradient = keep_made(s.rows[0]->in_gradient.make(value), s.rows[0]->in_gradient.drop);
  }
  void spare_taken_gradient(std::size_t layer, const void* value) {
    for (stage_workspace& w : workspaces_) w.taken_gradients[layer] = keep_made(s.rows[layer]->taken_gradient.make(value), s.rows[layer]->taken_gradient.drop);
  }
  bool lacks_taken_gradient(std::size_t layer) const {
    return trains_ && s.goes_back(layer) && s.rows[layer]->takes && s.taken_from(layer).inside < 0 && s.taken_from(layer).gradient_place == 0;
  }

  noted* layer_now = nullptr;  ///< where the rank notes in which layer it is

  stage_slot& slot(int i) { return slots_[static_cast<std::size_t>(i)]; }

  /// `out`: where what leaves the stage goes, by place.
  void forward(context& c, int slot_number, int workspace, int carry, void* const* out) {
    stage_slot& slot = slots_[static_cast<std::size_t>(slot_number)];
    stage_workspace& w = workspaces_[static_cast<std::size_t>(workspace)];
    for (std::size_t k = 0; k < s.rows.size(); ++k) {
      layer_call call = call_of(slot, w, k, carry);
      const bool leaves = k + 1 == s.rows.size() && !s.ends;
      call.in = k == 0 ? slot.in[0] : slot.outputs[k - 1] != nullptr ? slot.outputs[k - 1] : w.outputs[k - 1];
      call.out = leaves ? out[0] : slot.outputs[k] != nullptr ? slot.outputs[k] : w.outputs[k];
      const std::vector<int>& links = s.given_out(k);
      if (s.rows[k]->gives) call.given = slot.given[k] != nullptr ? slot.given[k] : out[links[0]];
      enter(c, k);
      s.rows[k]->forward(s.layers[k], c, call);
      for (int link : links)
        if (out[link] != call.given) s.rows[k]->given.assign(out[link], call.given);
    }
  }

  /// Whether the last layer's sum is on a device.
  bool loses_later() const { return s.rows.back()->loss_later != nullptr; }
  void loss_later(int workspace, double* to, const void* lane) const { s.rows.back()->loss_later(workspaces_[static_cast<std::size_t>(workspace)].outputs.back(), to, lane); }
  double loss(int workspace) const { return s.rows.back()->loss(workspaces_[static_cast<std::size_t>(workspace)].outputs.back()); }

  /// `out`: where the gradients that leave the stage go, by place; null where one isn't wanted.
  void backward_input(context& c, int slot_number, int workspace, int carry, void* const* out, bool whole) {
    stage_slot& slot = slots_[static_cast<std::size_t>(slot_number)];
    stage_workspace& w = workspaces_[static_cast<std::size_t>(workspace)];
    if (s.ends) {
      s.rows.back()->seed(w.gradients.back(), 1 / c.normalizer);
      slot.out_gradient[0] = w.gradients.back();
    }
    for (std::size_t k = s.rows.size(); k-- > s.active;) {
      if (s.again(k) && (k + 1 == s.rows.size() || !s.chained(k + 1))) run_again(c, slot, w, k, carry);
      enter(c, k);
      layer_call call = back_call(slot, w, k, carry);
      const int elsewhere = s.taken_from(k).gradient_place;
      call.in_gradient = k > 0 ? w.gradients[k - 1] : out[0] != nullptr ? out[0] : w.in_gradient;
      call.taken_gradient = elsewhere > 0 ? out[elsewhere] : w.taken_gradients[k];
      if (s.rows[k]->gives) call.given_gradient = w.given_gradient[k] = sum_of(slot, w, k);
      if (whole && s.rows[k]->merges) s.rows[k]->backward_whole(s.layers[k], c, call);
      else s.rows[k]->backward_input(s.layers[k], c, call);
    }
  }

  void backward_weight(context& c, int slot_number, int workspace, int carry, bool whole) {
    stage_slot& slot = slots_[static_cast<std::size_t>(slot_number)];
    stage_workspace& w = workspaces_[static_cast<std::size_t>(workspace)];
    for (std::size_t k = s.rows.size(); k-- > s.active;) {
      if (!s.rows[k]->weighs || (whole && s.rows[k]->merges)) continue;
      enter(c, k);
      layer_call call = back_call(slot, w, k, carry);
      call.given_gradient = w.given_gradient[k];
      s.rows[k]->backward_weight(s.layers[k], c, call);
    }
  }

 private:
  struct made {
    void* object;
    void (*drop)(void*);
  };
  void* keep_made(void* object, void (*drop)(void*)) {
    if (object != nullptr) made_.push_back({object, drop});
    return object != nullptr ? object : &none_;
  }
  void* keep(const object_row& row, const void* layer) { return keep_made(row.make(layer), row.drop); }
  void* like(const object_row& value, const object_row& gradient, const void* layer) {
    void* v = value.make(layer);
    void* g = gradient.make(v);
    value.drop(v);
    return keep_made(g, gradient.drop);
  }

  void enter(context& c, std::size_t k) {
    c.layer = s.first_layer + static_cast<int>(k);
    *layer_now = c.layer + 1;
  }
  const void* input_of(const stage_slot& slot, const stage_workspace& w, std::size_t k) const {
    if (k == 0) return slot.in[0];
    if (s.chained(k)) return w.outputs[k - 1];
    return slot.outputs[k - 1];
  }
  layer_call call_of(const stage_slot& slot, const stage_workspace& w, std::size_t k, int carry) {
    layer_call call;
    call.saved = slot.saved[k] != nullptr ? slot.saved[k] : w.saved[k];
    call.carry = carries_[static_cast<std::size_t>(carry)][k];
    const bound_stage::taken& t = s.taken_from(k);
    if (t.inside >= 0) call.taken = slot.given[static_cast<std::size_t>(t.inside)];
    else if (t.place > 0) call.taken = slot.in[static_cast<std::size_t>(t.place)];
    return call;
  }
  layer_call back_call(const stage_slot& slot, const stage_workspace& w, std::size_t k, int carry) {
    layer_call call = call_of(slot, w, k, carry);
    call.in = input_of(slot, w, k);
    call.out_gradient = k + 1 == s.rows.size() ? slot.out_gradient[0] : w.gradients[k];
    return call;
  }

  /// The forward of a run of recomputed layers that ends with layer `last`, into the workspace.
  void run_again(context& c, stage_slot& slot, stage_workspace& w, std::size_t last, int carry) {
    std::size_t k = last;
    while (s.chained(k)) --k;
    c.again = true;
    for (; k <= last; ++k) {
      enter(c, k);
      layer_call call = call_of(slot, w, k, carry);
      call.in = input_of(slot, w, k);
      call.out = w.outputs[k];
      call.given = w.given[k];
      s.rows[k]->forward(s.layers[k], c, call);
    }
    c.again = false;
  }

  /// What comes back to a layer that gives: its takers' gradients, added in the order of the layers.
  const void* sum_of(const stage_slot& slot, const stage_workspace& w, std::size_t k) const {
    const std::vector<bound_stage::taker>& all = s.takers(k);
    if (all.empty()) return w.given_gradients[k];
    const auto one = [&](const bound_stage::taker& t) -> const void* {
      return t.inside >= 0 ? w.taken_gradients[static_cast<std::size_t>(t.inside)] : slot.out_gradient[static_cast<std::size_t>(t.place)];
    };
    if (all.size() == 1) return one(all[0]);
    const object_row& row = s.rows[k]->given_gradient;
    row.assign(w.given_gradients[k], one(all[0]));
    for (std::size_t i = 1; i < all.size(); ++i) row.add(w.given_gradients[k], one(all[i]));
    return w.given_gradients[k];
  }

  static inline nothing none_;

  const bound_stage& s;
  bool trains_;
  std::vector<stage_slot> slots_;
  std::vector<stage_workspace> workspaces_;
  std::vector<std::vector<void*>> carries_;
  std::vector<made> made_;
};

}  // namespace stretto::inline v0::detail
