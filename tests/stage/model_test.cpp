// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Lists of layers: groups that are repeated, and names.
#include "catch.hpp"

#include <string>

#include <stretto/stage/model.hpp>

using namespace stretto;

namespace {

struct first_layer {
  using input = nothing;
  using output = double;
  void forward(context&, const nothing&, double& y) { y = 1; }
};
template <int Kind>
struct scaling {
  using input = double;
  using output = double;
  int told;
  double w[1] = {1}, g[1] = {0};
  struct run {
    double* at;
    double* data() { return at; }
    int size() const { return 1; }
  };
  explicit scaling(layer_index at) : told(at.value) {}
  void forward(context&, const double& x, double& y) { y = x * w[0]; }
  void backward_input(context&, const double&, const double& dy, double& dx) { dx = dy * w[0]; }
  void backward_weight(context&, const double& x, const double& dy) { g[0] += x * dy; }
  void parameters(auto&& visit) {
    run value{w}, gradient{g};
    visit("weight", value, gradient);
  }
};

template <class Model>
std::string kinds(const Model& m) {
  std::string all;
  for (int i = 0; i < m.size(); ++i) all += m.row(i).layer == row_of<scaling<0>>.layer ? "a" : m.row(i).layer == row_of<scaling<1>>.layer ? "b" : ".";
  return all;
}

}  // namespace

TEST_CASE("layers of several kinds are repeated in turn") {
  CHECK(kinds(sequential(layer<first_layer>(), repeat(3, layer<scaling<0>>(), layer<scaling<1>>()), layer<scaling<0>>())) == ".abababa");
  CHECK(kinds(sequential(layer<first_layer>(), repeat(2, repeat<scaling<0>>(2), layer<scaling<1>>()))) == ".aabaab");
  CHECK(kinds(sequential(layer<first_layer>(), repeat(2, repeat(2, layer<scaling<0>>(), layer<scaling<1>>()), layer<scaling<0>>()))) == ".ababaababa");
  CHECK(kinds(sequential(layer<first_layer>(), repeat(0, layer<scaling<0>>()), repeat<scaling<1>>(-1), layer<scaling<0>>())) == ".a");
}

TEST_CASE("a repeated layer is told which of the model it is") {
  const auto m = sequential(layer<first_layer>(), repeat(3, layer<scaling<0>>(), layer<scaling<1>>()));
  void (*drop)(void*) = nullptr;
  void* made = m.make(5, &drop);
  CHECK(static_cast<scaling<0>*>(made)->told == 5);
  drop(made);
}

TEST_CASE("names count what is repeated, and parameters bear them") {
  const auto m = sequential(layer<first_layer>().named("in"), repeat(3, layer<scaling<0>>().named("h.#.a"), layer<scaling<1>>()), repeat<scaling<1>>(2).named("tail"));
  CHECK(m.find("h.2.a") == 5);
  CHECK(m.find("h.0.a") == 1);
  CHECK(m.find("tail") == 7);
  CHECK(m.note(4).name.empty());
  CHECK_THROWS_WITH(m.find("h.3.a"), "stretto: the model has no layer named 'h.3.a'; name one with named()");
  scaling<0> one(layer_index{3});
  parameter_list list;
  list.layer(3, "h.1.a");
  one.parameters(list);
  list.layer(4);
  one.parameters(list);
  CHECK(std::string(list.all()[0].name.str()) == "h.1.a.weight");
  CHECK(std::string(list.all()[1].name.str()) == "4.weight");
}

TEST_CASE("groups are recomputed as a whole") {
  const auto m = sequential(layer<first_layer>(), recompute(repeat(2, layer<scaling<0>>(), repeat(2, layer<scaling<1>>()))), layer<scaling<0>>());
  for (int i = 0; i < m.size(); ++i) CHECK(m.note(i).recomputed == (i > 0 && i < 7));
}
