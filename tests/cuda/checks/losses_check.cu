// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The last layer with its loss in chunks, and the squared error, on a CUDA device, beside plain loops in the same precision and
// in double. Link -lcublasLt.
#include <stretto/cuda/chunked_cross_entropy.cuh>
#include <stretto/cuda/squared_error.cuh>
#include <stretto/numeric/chunked_cross_entropy.hpp>

#include "check.hpp"

namespace {

using namespace check;

template <class Runtime>
struct loss_checks {
  report& r;
  basic_queue<Runtime> q;

  explicit loss_checks(report& report_) : r(report_) {}

  /// `gradients`: of both, the hidden states alone, the head alone, or none.
  template <class T>
  void chunked(std::int64_t rows, std::int64_t width, std::int64_t vocabulary, std::int64_t at_once, const layout& how, const cross_entropy_options& given, bool weighted, int gradients) {
    if (r.skips()) return;
    const bool of_hidden = (gradients & 1) != 0, of_head = (gradients & 2) != 0;
    const shape<1> each{{rows}};
    const auto x = numbers<T>(shape<2>{{rows, width}}, 1), w = numbers<T>(shape<2>{{vocabulary, width}}, 2);
    auto labels = numbers<std::int32_t>(each, 3, 0, static_cast<double>(given.vocabulary > 0 ? given.vocabulary : vocabulary));
    for (std::int64_t t = 2; t < rows; t += 5) labels.data()[t] = given.ignore;
    const auto weights = numbers<float>(each, 4, 0.5, 1.5);
    const auto had = numbers<float>(shape<2>{{vocabulary, width}}, 5);
    cross_entropy_options plain_options = given;
    if (weighted) plain_options.weights = weights;
    placed<Runtime, T, 2> hidden(x, how), head(w, how), room(shape<2>{{at_once, vocabulary}}, how), dhidden(x.extents(), how);
    placed<Runtime, std::int32_t, 1> wanted(labels);
    placed<Runtime, float, 1> row_weights(weights), loss(each), lse(each), whole_loss(each), whole_lse(each);
    placed<Runtime, float, 2> dhead(had, how);
    placed<Runtime, double, 1> sums(shape<1>{{4}}), whole_sums(shape<1>{{4}});
    const auto o = given.with(weighted ? tensor_view<const float, 1, basic_memory<Runtime>>(row_weights.view) : tensor_view<const float, 1, basic_memory<Runtime>>{});
    cuda::chunked_cross_entropy(q, hidden.view, head.view, wanted.view, 0.25f, room.view, loss.view, lse.view, sums.view, of_hidden ? dhidden.view : decltype(dhidden.view){},
                                of_head ? dhead.view : decltype(dhead.view){}, o);
    placed<Runtime, T, 2> logits(shape<2>{{rows, vocabulary}});
    matrix_product(q, hidden.view, transposed(head.view), logits.view);
    cuda::cross_entropy(q, logits.view, wanted.view, whole_loss.view, whole_lse.view, whole_sums.view, o);
    q.synchronize();
    if (!r.judges()) return;
    const std::string name = words<T>("chunked_cross_entropy", shape<3>{{rows, width, vocabulary}}, std::to_string(at_once) + " at once, " + how.name + (weighted ? " weighted" : "") + (gradients == 3 ? "" : " of some"));
    tensor<float, 1> plain_loss(each), plain_lse(each);
    tensor<double, 1> true_loss(each), true_lse(each);
    tensor<T, 2> plain_dx(x.extents()), plain_room({at_once, vocabulary});
    tensor<double, 2> true_dx(x.extents()), true_room({at_once, vocabulary}), true_dw = as<double>(had);
    tensor<float, 2> plain_dw = had;
    const auto wide_x = as<double>(x), wide_w = as<double>(w);
    reference::chunked_cross_entropy(x, w, labels, 0.25f, plain_room, plain_loss, plain_lse, plain_dx, plain_dw, plain_options);
    const cross_entropy_sum all = reference::chunked_cross_entropy(wide_x, wide_w, labels, 0.25, true_room, true_loss, true_lse, true_dx, true_dw, plain_options);
    r.near(name + ", losses", loss.back(), plain_loss, true_loss);
    r.near(name + ", lse", lse.back(), plain_lse, true_lse);
    if (of_hidden) r.near(name + ", dhidden", dhidden.back(), plain_dx, true_dx);
    if (of_head) r.near(name + ", dhead", dhead.back(), plain_dw, true_dw);
    const auto got = sums.back();
    r.same(name + ", sums are those of all at once", got, whole_sums.back());
    r.check(name + ", tokens", got[2] == static_cast<double>(all.tokens) && std::abs(got[1] - all.weight) <= 1e-6 * all.weight);
    r.check(name + ", nothing beside", room.kept() && dhidden.kept() && dhead.kept() && loss.kept() && lse.kept());
  }

  template <class T>
  void squares(const shape<2>& s, const layout& how) {
    if (r.skips()) return;
    const auto x = numbers<T>(s, 6);
    const auto t = numbers<float>(s, 7);
    placed<Runtime, T, 2> scores(x, how), gradient(s, how);
    placed<Runtime, float, 2> targets(t, how);
    const cuda::basic_sum<Runtime> sum;
    cuda::squared_error(q, scores.view, targets.view, sum);
    cuda::squared_error_backward(q, scores.view, targets.view, 0.375, gradient.view);
    cuda::squared_error_backward(q, scores.view, targets.view, 0.375, scores.view);
    q.synchronize();
    tensor<double, 1> four({4});
    cuda::to_host(sum.view(), four.data());
    if (!r.judges()) return;
    const std::string name = words<T>("squared_error", s, how.name);
    tensor<T, 2> plain(s);
    const double truth = reference::squared_error(x, t);
    reference::squared_error_backward(x, t, 0.375, plain);
    r.check(name, std::abs(four[0] - truth) <= 1e-12 * truth);
    r.same(name + " backward", gradient.back(), plain);
    r.same(name + " backward, in place", scores.back(), plain);
    r.check(name + ": nothing beside", gradient.kept() && scores.kept());
  }

  void refusals() {
    placed<Runtime, float, 2> x(shape<2>{{3, 8}}), head(shape<2>{{5, 8}}), room(shape<2>{{2, 5}}), none(shape<2>{{0, 5}});
    placed<Runtime, std::int32_t, 1> labels(shape<1>{{3}});
    placed<Runtime, float, 1> three(shape<1>{{3}});
    placed<Runtime, double, 1> five(shape<1>{{5}});
    r.throws("no room", "stretto: chunked_cross_entropy has no room for logits; give it a matrix of (rows of a chunk, 5)",
             [&] { cuda::chunked_cross_entropy(q, x.view, head.view, labels.view, 1, none.view, three.view, three.view); });
    r.throws("five sums", "stretto: chunked_cross_entropy writes 4 sums, and was given room for 5; give room for 4, or {}",
             [&] { cuda::chunked_cross_entropy(q, x.view, head.view, labels.view, 1, room.view, three.view, three.view, five.view); });
    r.throws("targets", "stretto: squared_error of scores of shape (3, 8) was given targets or a gradient of shape (2, 5); give them the same shape",
             [&] { cuda::squared_error(q, x.view, room.view, cuda::basic_sum<Runtime>{}); });
  }

  void speeds() {
    if (!r.judges() || !r.measures()) return;
    const std::int64_t rows = 8192, width = 2048, vocabulary = 50304, at_once = 1024;
    placed<Runtime, bf16, 2> x(shape<2>{{rows, width}}), head(shape<2>{{vocabulary, width}}), room(shape<2>{{at_once, vocabulary}}), dx(shape<2>{{rows, width}});
    placed<Runtime, float, 2> dhead(shape<2>{{vocabulary, width}});
    placed<Runtime, std::int32_t, 1> labels(shape<1>{{rows}});
    placed<Runtime, float, 1> loss(shape<1>{{rows}}), lse(shape<1>{{rows}});
    placed<Runtime, double, 1> sums(shape<1>{{4}});
    r.speed("chunked_cross_entropy bf16 8192 by 2048, vocabulary 50304; GB/s of logits", q, rows * vocabulary * 2,
            [&] { cuda::chunked_cross_entropy(q, x.view, head.view, labels.view, 1, room.view, loss.view, lse.view, sums.view, dx.view, dhead.view, {}); }, 5);
  }

  void all() {
    refusals();
    for (const layout& how : layouts)
      each_type([&](auto zero) {
        using T = decltype(zero);
        chunked<T>(1, 1, 2, 1, how, {}, false, 3);
        chunked<T>(11, 8, 20, 4, how, {.count_right = true}, false, 3);
        chunked<T>(12, 16, 40, 12, how, {.vocabulary = 37, .label_smoothing = 0.1, .count_right = true}, true, 3);
        chunked<T>(13, 24, 72, 5, how, {.z_loss = 1e-3, .soft_cap = 20}, true, 1);
        chunked<T>(9, 8, 33, 100, how, {}, false, 2);
        chunked<T>(7, 8, 33, 2, how, {.count_right = true}, false, 0);
        squares<T>({{1, 1}}, how);
        squares<T>({{5, 7}}, how);
        squares<T>({{64, 40}}, how);
      });
    speeds();
  }
};

struct cases {
  template <class Runtime>
  static void run(report& r) {
    loss_checks<Runtime>(r).all();
  }
};

}  // namespace

int main(int argc, char** argv) { return check::main<cases>(argc, argv, "losses"); }
