// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What each of the two translation units tells main() about the plan that it made, and the layers of a model of which each
// unit makes one row.
#pragma once

#include <typeinfo>

#include <stretto/run.hpp>
#include <stretto/stretto.hpp>

struct unit_report {
  bool ok;
  const std::type_info* plan_type;
  const stretto::layer_row* row;
};

unit_report report_of_one();
unit_report report_of_two();

struct first_layer {
  using input = stretto::nothing;
  using output = stretto::values<float>;
  output make_output() const { return output(1); }
  void forward(stretto::context& c, const stretto::nothing&, output& out) { out[0] = c.feed<float>("x")[0]; }
};
struct second_layer {
  using input = stretto::values<float>;
  using output = double;
  void forward(stretto::context&, const input& in, double& out) { out = static_cast<double>(in[0]); }
  void backward_input(stretto::context&, const input&, const double& g, input& d) { d[0] = static_cast<float>(g); }
};
