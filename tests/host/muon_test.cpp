// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <stretto/host/muon.hpp>

#include "bounds.hpp"
#include "catch.hpp"

using namespace stretto;
using Catch::Matchers::Equals;

namespace {

template <class T>
struct matrices {
  using C = computes_in<T>;
  tensor<C, 2> gradient, momentum, master;
  tensor<T, 2> weight;
  tensor<C, 1> work;

  matrices(std::int64_t rows, std::int64_t columns, bool mastered)
      : gradient(test::numbers<C, 2>({{rows, columns}}, 1)), momentum(test::numbers<C, 2>({{rows, columns}}, 2)),
        master(mastered ? test::numbers<C, 2>({{rows, columns}}, 3) : tensor<C, 2>()), weight(test::numbers<T, 2>({{rows, columns}}, 3)), work({muon_workspace(rows, columns)}) {}
};

const optimizer_scalars scalars{.scale = 0.3, .rate = 0.5, .count = 2};
const muon_options options{.rate = 0.1, .decay = 0.1};

}  // namespace

TEMPLATE_TEST_CASE("Steps of Muon are near those in double", "", float, bf16) {
  for (host::isa level : test::levels()) {
    host::queue q({.most = level}), two({.threads = 2, .most = level});
    for (const shape<2>& s : {shape<2>{1, 1}, shape<2>{3, 50}, shape<2>{40, 17}, shape<2>{33, 33}}) {
      CAPTURE(s[0], s[1], host::isa_name(level));
      const bool mastered = sizeof(TestType) == 2;
      matrices<TestType> got(s[0], s[1], mastered), again = got, plain = got;
      matrices<double> truth(s[0], s[1], mastered);
      truth.gradient = test::as<double>(got.gradient), truth.momentum = test::as<double>(got.momentum);
      truth.master = test::as<double>(got.master), truth.weight = test::as<double>(got.weight);
      host::muon_step(q, got.gradient, got.momentum, got.master, got.weight, got.work, &scalars, options);
      host::muon_step(two, again.gradient, again.momentum, again.master, again.weight, again.work, &scalars, options);
      reference::muon_step(plain.gradient, plain.momentum, plain.master, tensor_view<TestType, 2>(plain.weight), &scalars, options);
      host::muon_step(q, truth.gradient, truth.momentum, truth.master, truth.weight, truth.work, &scalars, options);
      CHECK(test::near_truth(got.momentum, plain.momentum, truth.momentum));
      CHECK(test::near_truth(got.master, plain.master, truth.master));
      CHECK(test::near_truth(got.weight, plain.weight, truth.weight));
      CHECK(test::same_bits(got.weight, again.weight));
      CHECK(test::same_bits(got.momentum, again.momentum));
    }
  }
}

TEST_CASE("Muon rounds by chance and skips as other optimizers do") {
  host::queue q;
  matrices<bf16> w(8, 9, true);
  host::muon_step(q, w.gradient, w.momentum, w.master, w.weight, w.work, &scalars, options, {.stochastic = true, .seed = 1, .first_index = 5});
  for (std::int64_t i = 0; i < 72; ++i)
    CHECK(w.weight.data()[i].bits == round_by_chance<bf16>(w.master.data()[i], weight_rounding{.stochastic = true, .seed = 1, .first_index = 5}.chance(2, i)).bits);
  const matrices<bf16> before = w;
  const optimizer_scalars skipped{.skip = 1};
  host::muon_step(q, w.gradient, w.momentum, w.master, w.weight, w.work, &skipped, options);
  CHECK((test::same_bits(w.weight, before.weight) && test::same_bits(w.momentum, before.momentum)));
}

TEST_CASE("Muon refuses other shapes, gaps and a workspace that is too small") {
  host::queue q;
  tensor<float, 2> w({4, 6}), other({6, 4});
  tensor<float, 1> work({muon_workspace(4, 6)});
  const optimizer_scalars s;
  CHECK_THROWS_WITH(host::muon_step(q, w, other, {}, w, work, &s), Equals("stretto: muon_step of a matrix of 4 by 6 was given a gradient, momentum or master of another shape; give one for each weight"));
  const tensor_view<float, 2> part = w.columns(0, 3);
  CHECK_THROWS_WITH(host::muon_step(q, part, part, {}, part, work, &s), Equals("stretto: muon_step was given a matrix with gaps between its rows; copy it first"));
  CHECK_THROWS_WITH(host::muon_step(q, w, w, {}, w, work.part(0, 0, 95), &s),
                    Equals("stretto: muon_step of a matrix of 4 by 6 has a workspace of 96 numbers, and was given 95; give muon_workspace(rows, columns)"));
}
