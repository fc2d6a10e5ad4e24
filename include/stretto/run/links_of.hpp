// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a model means once it is cut: which stages have something to do in a backward pass, and which skip connections join
// which stages.
//
//     layers   0 1 2 | 3 4 | 5 6        given by 1, taken by 4 and 6
//     links    stage 0 → stage 1, stage 0 → stage 2;  gradients: 4 → 1 and 6 → 1, each by itself
// Gradients of several takers are added in the order of the layers where they were given, so each comes by itself. Layers
// before the first one with weights to train need no gradient, so nothing goes back to them. Cost: O(layers²) once.
#pragma once

#include <vector>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/plan/plan.hpp>
#include <stretto/run/passes.hpp>
#include <stretto/stage/cut.hpp>
#include <stretto/stage/model.hpp>

namespace stretto::inline v0 {

/// A way of values from the stage of a giver to a stage with takers, or of one taker's gradient back.
struct skip_link {
  int giver = 0;         ///< layer
  int taker = 0;         ///< layer; of values, the first one in its stage
  int from = 0, to = 0;  ///< stages, in the direction of the link
};

/// A layer that takes what another gives.
struct skip_end {
  int giver = 0, taker = 0;
};

struct model_links {
  int first_trained = 0;                ///< the first layer with weights to train; as many as there are layers where none has
  std::vector<skip_end> ends;           ///< by taker
  std::vector<skip_link> values, gradients;
  std::vector<bool> goes_back;          ///< by stage: it has something to do in a backward pass
  std::vector<bool> lets_input_go;      ///< by stage: its inputs aren't wanted behind the forward pass
  std::vector<stage_pair> pairs;        ///< stages that values join
};

/// Throws stretto::error where the cut is of another model, or for another plan.
template <class Model>
void check_cut(const cut& c, const Model& m, const plan_view& p) {
  if (c.layers() != m.size() || c.stages() != p.stages)
    throw error(text("stretto: the cut is of ", c.layers(), " layers into ", c.stages(), " stages, the model has ", m.size(), " layers and the plan ", p.stages,
                     " stages; cut the model into the plan's stages").str());
}

/// Throws stretto::error where neighbours on a route don't fit, its ends aren't the model's, or a gradient couldn't come back.
template <class Model>
void check_routes(const plan_view& p, const Model& m, const cut& c, int first_trained) {
  for (int k = 0; k < p.routes; ++k) {
    const route_view r = p.route(k);
    int trained = -1;  // a stage that the route has passed and that has something to do in a backward pass
    for (int s = r.first(); s >= 0; s = r.next(s)) {
      const int next = r.next(s);
      if (trained >= 0 && c.first(s) < first_trained)
        throw error(text("stretto: a route passes stage ", trained, " before stage ", s, ", where layers without weights to train begin the model; what is in front of the first weights hands no gradient on, so let routes pass it first").str(),
                    {.stage = s});
      if (c.last(s) > first_trained) trained = s;
      if (s == r.first() && !m.row(c.first(s)).input.empty)
        throw error(text("stretto: a route begins with stage ", s, ", whose first layer takes an input; begin with the stage that reads the feeds").str(), {.stage = s});
      if (next < 0 && c.last(s) != m.size())
        throw error(text("stretto: a route ends with stage ", s, ", which doesn't have the model's last layer; end with stage ", c.stages() - 1).str(), {.stage = s});
      if (next >= 0 && !m.row(c.first(next)).input.is(m.row(c.last(s) - 1).output))
        throw error(text("stretto: a route goes from stage ", s, " to stage ", next, ", which takes another type than it gives; let routes join stages that fit").str(), {.stage = s});
    }
  }
}

/// Throws stretto::error where the plan splits a backward that a layer can't.
template <class Model>
void check_splits(const plan_view& p, const Model& m) {
  if ((used_passes(p) >> pass::backward_weight & 1) == 0) return;
  for (int l = 0; l < m.size(); ++l)
    if (!m.row(l).splits)
      throw error(text("stretto: layer ", l, " does its backward in one piece, and the plan has weight passes of their own; give it backward_input and backward_weight, or set pipeline_options::merged_backward").str());
}

/// Throws stretto::error for skip connections that don't fit, and for a gradient that can't come back.
template <class Model>
model_links links_of(const Model& m, const cut& c, bool recompute_all) {
  model_links out;
  const int n = m.size();
  out.first_trained = n;
  for (int l = n; l-- > 0;)
    if (m.row(l).weighs) out.first_trained = l;
  const auto name_of_layer = [&](int l) {
    text t("layer ", l);
    if (const layer_note note = m.note(l); !note.name.empty()) t.add(" (", note.name, ")");
    return t;
  };
  for (int l = 0; l < n; ++l) {
    const layer_note note = m.note(l);
    const layer_row& row = m.row(l);
    if (l + 1 < n && l >= out.first_trained && row.gradient.empty)
      throw error(text("stretto: ", name_of_layer(l).str(), " gives nothing that has a gradient, and ", name_of_layer(out.first_trained).str(),
                       " before it has weights to train; make its output of floating-point numbers, or mark those layers frozen").str());
    if (row.gives && note.given.empty())
      throw error(text("stretto: ", name_of_layer(l).str(), " gives to a skip connection that has no name; name it with gives() where the layer stands in the model").str());
    if (row.takes && note.taken.empty())
      throw error(text("stretto: ", name_of_layer(l).str(), " takes from a skip connection that has no name; name it with takes() where the layer stands in the model").str());
    if (!note.given.empty()) {
      bool taken = false;
      for (int k = 0; k < n; ++k) {
        if (k != l && m.note(k).given == note.given)
          throw error(text("stretto: ", name_of_layer(l).str(), " and ", name_of_layer(k).str(), " both give to skip connection '", note.given, "'; give each its own name").str());
        taken = taken || m.note(k).taken == note.given;
      }
      if (!taken) throw error(text("stretto: nobody takes what ", name_of_layer(l).str(), " gives to skip connection '", note.given, "'; let a layer behind it take it").str());
    }
    if (note.taken.empty()) continue;
    int giver = -1;
    for (int k = 0; k < l; ++k)
      if (m.note(k).given == note.taken) giver = k;
    if (giver < 0)
      throw error(text("stretto: ", name_of_layer(l).str(), " takes from skip connection '", note.taken, "', and no layer before it gives to it; let one give by that name").str());
    if (!m.row(giver).given.is(row.taken))
      throw error(text("stretto: ", name_of_layer(giver).str(), " gives to skip connection '", note.taken, "' another type than ", name_of_layer(l).str(),
                       " takes; make `given` of the one and `taken` of the other the same type").str());
    out.ends.push_back({giver, l});
  }
  const auto back = [&](const skip_end& e) { return e.giver >= out.first_trained && !m.row(e.giver).given_gradient.empty; };
  for (const skip_end& e : out.ends) {
    int takers = 0;
    for (const skip_end& other : out.ends) takers += other.giver == e.giver;
    if (takers > 1 && (m.row(e.giver).given.assign == nullptr || (back(e) && m.row(e.giver).given_gradient.add == nullptr)))
      throw error(text("stretto: several layers take what ", name_of_layer(e.giver).str(), " gives, and the wire_traits of its type have no assign, or those of its gradient no add; write them").str());
    const int from = c.stage_of(e.giver), to = c.stage_of(e.taker);
    if (from == to) continue;
    bool known = false;
    for (const skip_link& s : out.values) known = known || (s.giver == e.giver && s.to == to);
    if (!known) out.values.push_back({e.giver, e.taker, from, to});
    if (back(e)) out.gradients.push_back({e.giver, e.taker, to, from});
    std::size_t i = 0;
    while (i < out.pairs.size() && !(out.pairs[i].from == from && out.pairs[i].to == to)) ++i;
    if (i == out.pairs.size()) out.pairs.push_back({from, to, false});
    out.pairs[i].gradient = out.pairs[i].gradient || back(e);
  }
  for (int s = 0; s < c.stages(); ++s) {
    out.goes_back.push_back(c.last(s) > out.first_trained);
    bool wanted = false;  // the stage's first layer, and takers of what comes from elsewhere
    for (int l = c.first(s); l < c.last(s); ++l) {
      bool from_outside = l == c.first(s);
      for (const skip_end& e : out.ends) from_outside = from_outside || (e.taker == l && c.stage_of(e.giver) != s);
      wanted = wanted || (from_outside && (m.row(l).keeps_input || m.note(l).recomputed || recompute_all));
    }
    out.lets_input_go.push_back(!wanted || c.last(s) <= out.first_trained);
  }
  return out;
}

}  // namespace stretto::inline v0
