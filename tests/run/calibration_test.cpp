// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Calibration: exact figures from made-up recordings, the best order by what simulate says of them, the same choice on all
// ranks, and the bits of a run that goes on by the order that was chosen.
#include <algorithm>
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "run/toy.hpp"
#include "schedule/sweep.hpp"
#include <stretto/run.hpp>
#include <stretto/run/order_choice.hpp>

using namespace stretto;

namespace {

plan plan_of(int ranks, int micro_batches) { return make_plan(one_f_one_b{}, {.ranks = ranks, .micro_batches = micro_batches}); }

/// A step as simulate foretells it, `times` as slow, recorded by clocks that are `ahead` of rank 0's.
recording foretold(const plan_view& p, const costs& c, double times = 1, const std::vector<double>& ahead = {}) {
  const forecast f = simulate(p, c, holding(), {.record = true});
  const auto clock = [&](int rank) { return 100 + (ahead.empty() ? 0 : ahead[static_cast<std::size_t>(rank)]); };
  recording out;
  for (int r = 0; r < p.ranks; ++r) {
    double before = 0;
    for (std::int64_t i = p.rows[r]; i < p.rows[r + 1]; ++i) {
      out.waits.push_back(clock(r) + times * before);
      out.starts.push_back(clock(r) + times * f.starts[i]);
      out.ends.push_back(clock(r) + times * f.ends[i]);
      before = f.ends[i];
    }
  }
  for (std::int64_t i = 0; i < p.actions.count; ++i) {
    const action& a = p.actions[i];
    const bool forward = a.pass == pass::forward;
    const route_view route = p.route_of(a.micro_batch);
    const int to = forward ? route.next(a.stage) : route.previous(a.stage);
    if (to < 0 || a.pass == pass::backward_weight || route.rank_of(to) == route.rank_of(a.stage)) continue;
    message_times m{route.rank_of(a.stage), route.rank_of(to), a.stage, to, a.micro_batch, 0, forward, 0, 0};
    m.put = clock(m.from) + times * f.ends[i];
    std::int64_t taker = entry_of(p, forward ? action::forward(to, a.micro_batch) : action::backward(to, a.micro_batch));
    if (taker < 0) taker = entry_of(p, action::backward_input(to, a.micro_batch));
    m.taken = clock(m.to) + times * std::max(f.starts[taker], f.ends[i] + c.latency);
    out.messages.push_back(m);
  }
  return out;
}

/// Stage 1 is slow, and whole backward passes take less than their halves together.
costs uneven() {
  costs c(2, 2.5, 1.5, 0.25);
  for (pass_id k : {pass::forward, pass::backward_input, pass::backward_weight}) c.specials.push_back({scope::stage, 1, k, 3.0 + k});
  return c;
}

std::vector<std::string> on_all(int ranks, const std::function<void(int)>& work) {
  std::vector<std::string> thrown(static_cast<std::size_t>(ranks));
  std::vector<std::thread> all;
  for (int r = 0; r < ranks; ++r) all.emplace_back([&, r] { thrown[static_cast<std::size_t>(r)] = sweep::thrown([&] { work(r); }); });
  for (std::thread& one : all) one.join();
  return thrown;
}

}  // namespace

TEST_CASE("medians of passes and latencies of links are those of the undisturbed steps") {
  const plan p = make_plan(one_f_one_b_split{}, {.ranks = 3, .micro_batches = 6});
  const calibration c = calibrate(p, {foretold(p, uneven()), foretold(p, uneven(), 9), foretold(p, uneven())});
  CHECK(c.steps == 3);
  CHECK(c.span == Approx(simulate(p, uneven()).span));
  for (int s = 0; s < 3; ++s)
    for (pass_id k : {pass::forward, pass::backward_input, pass::backward_weight}) {
      const pass_figure* f = c.find(s, s, k);
      REQUIRE(f != nullptr);
      CHECK(f->count == 3 * 6);
      CHECK(f->seconds == Approx(s == 1 ? 3.0 + k : k == pass::forward ? 2.0 : k == pass::backward_input ? 2.5 : 1.5));
    }
  REQUIRE(c.links.size() == 4);
  for (const link_figure& l : c.links) {
    CHECK(std::abs(l.from - l.to) == 1);
    if (l.count > 0) CHECK(l.latency == Approx(0.25));
  }
  CHECK(std::count_if(c.links.begin(), c.links.end(), [](const link_figure& l) { return l.count > 0; }) >= 2);
  const plan other = make_plan(zb_h1{}, {.ranks = 3, .micro_batches = 6});
  CHECK(simulate(other, c.prices(other)).makespan == Approx(simulate(other, uneven()).makespan));
}

TEST_CASE("a whole backward that wasn't seen costs both halves, halves that weren't are half of it, and what another order showed is added") {
  const plan whole = plan_of(2, 4), split = make_plan(one_f_one_b_split{}, {.ranks = 2, .micro_batches = 4});
  costs c(1, 3, 1);
  calibration of_whole = calibrate(whole, {foretold(whole, c)});
  const calibration of_split = calibrate(split, {foretold(split, c)});
  bool assumed = false;
  CHECK(of_split.price(1, action::backward(1, 0), &assumed) == Approx(4));
  CHECK(!assumed);
  CHECK(of_whole.price(1, action::backward_input(1, 0), &assumed) == Approx(2));
  CHECK(assumed);
  of_whole.add(of_split);
  assumed = false;
  CHECK(of_whole.price(1, action::backward_input(1, 0), &assumed) == Approx(3));
  CHECK(of_whole.price(0, action::backward_weight(0, 3), &assumed) == Approx(1));
  CHECK(of_whole.price(0, action::backward(0, 3), &assumed) == Approx(4));
  CHECK(!assumed);
  CHECK(sweep::thrown([&] { of_whole.price(1, action::forward(0, 0)); }) ==
        "stretto: a calibration has nothing of pass 0 of stage 0 on rank 1; calibrate with recordings of a step that trains, over the same cut and placement");
  CHECK(sweep::thrown([&] { calibrate(whole, {}); }) == "stretto: a calibration is asked for without a recorded step; give handle.measured() of some steps");
  CHECK(sweep::thrown([&] { calibrate(split, {foretold(whole, c)}); }) ==
        "stretto: a calibration for a program of 24 entries is given a recorded step of 16; give steps of that program, which is steps() of their pipeline");
}

TEST_CASE("recordings that lack times, or have messages of ranks that aren't there, are refused in a sentence") {
  const plan p = plan_of(3, 6);
  const std::string entries = std::to_string(p.actions.size()), behind = "; give steps of that program, which is steps() of their pipeline";
  for (const auto times : {&recording::waits, &recording::starts, &recording::ends}) {
    recording r = foretold(p, uneven());
    (r.*times).clear();
    CHECK(sweep::thrown([&] { calibrate(p, {foretold(p, uneven()), r}); }) == "stretto: a calibration for a program of " + entries + " entries is given a recorded step of 0" + behind);
  }
  for (const int rank : {-3, 3, 99}) {
    recording r = foretold(p, uneven());
    r.messages[2].to = rank;
    const std::string words = "stretto: a calibration for a program of 3 ranks is given a message from rank " + std::to_string(r.messages[2].from) + " to rank " + std::to_string(rank) + behind;
    CHECK(sweep::thrown([&] { calibrate(p, {r}); }) == words);
    r = foretold(p, uneven()), r.messages[0].from = rank;
    CHECK(sweep::thrown([&] { calibrate(p, {r}); }).find(" is given a message from rank " + std::to_string(rank) + " to rank ") != std::string::npos);
  }
}

TEST_CASE("the best order is the one that simulate foretells the least time among those with the same bits and room") {
  const plan now = plan_of(4, 8), split = make_plan(one_f_one_b_split{}, {.ranks = 4, .micro_batches = 8});
  calibration c = calibrate(now, {foretold(now, uneven())});
  c.add(calibrate(split, {foretold(split, uneven())}));
  const std::vector<named_order> candidates = orders_like(now, all_schedules());
  for (const double most : {0.0, 100.0}) {
    const order_choice best = best_order(now, candidates, c, {.most_held = most});
    REQUIRE(best.all.size() == candidates.size() + 1);
    double least = simulate(now, c.prices(now)).makespan;
    const double cap = most > 0 ? most : simulate(now).peak;
    for (const named_order& one : candidates)
      if (simulate(one.order).peak <= cap) least = std::min(least, simulate(one.order, c.prices(one.order)).makespan);
    CHECK(best.all[static_cast<std::size_t>(best.fastest)].step == least);
    CHECK(best.changes());
    CHECK(best.gain == Approx(1 - least / best.all[0].step));
    CHECK(simulate(best.order, c.prices(best.order)).makespan == least);
    for (std::size_t i = 1; i < best.all.size(); ++i) CHECK(best.all[i].name != best.all[0].name);  // the order that is run stands there once
    CHECK(to_table(best).find("* " + best.all[static_cast<std::size_t>(best.taken)].name) != std::string::npos);
    // A change that gains too little isn't made; nor is one within the noise of the steps that were measured.
    CHECK(!best_order(now, candidates, c, {.least_gain = 0.9, .most_held = most}).changes());
    calibration noisy = c;
    noisy.noise = 0.9;
    CHECK(!best_order(now, candidates, noisy, {.most_held = most}).changes());
  }
  CHECK(sweep::thrown([&] { best_order(now, candidates, c, {.least_gain = -1}); }) == "stretto: choice_options::least_gain or most_held is below 0 or no number; correct it");
}

TEST_CASE("an order with other bits, or without room, is refused in a sentence") {
  const plan now = plan_of(4, 8);
  const calibration c = calibrate(now, {foretold(now, uneven())});
  const auto refused = [&](const plan& p, const choice_options& how = {}) { return best_order(now, {{"x", copied(p)}}, c, how).all[1].refused; };
  CHECK(refused(plan_of(2, 8)) == "stretto: an order of 2 ranks and 2 stages is to replace one of 4 and 4; give orders over the same cut");
  CHECK(refused(plan_of(4, 9)) == "stretto: an order of 9 micro-batches in 1 slices is to replace one of 8 in 1, which adds other gradients; give as many");
  CHECK(refused(make_plan(gpipe{.drain = drain_order::descending}, {.ranks = 4, .micro_batches = 8})) ==
        "stretto: an order that adds the gradients of stage 0 in another order of micro-batches is to replace the one that is run, and gives other bits; give one that adds them alike");
  CHECK(refused(make_plan(gpipe{}, {.ranks = 4, .micro_batches = 8})) ==
        "stretto: an order that holds 8 micro-batches on a rank is to replace the one that is run, and there may be 4; raise choice_options::most_held");
  CHECK(refused(make_plan(zb_h1{}, {.ranks = 4, .micro_batches = 8}), {.refuses = [](const plan_view&) { return std::string("not on Sundays"); }}) == "not on Sundays");
  CHECK(refused(make_plan(zb_h1{}, {.ranks = 4, .micro_batches = 8})) == "");
  const plan loop = make_plan(interleaved_one_f_one_b{}, {.ranks = 2, .micro_batches = 4, .chunks = 2}), v = make_plan(one_f_one_b_v{}, {.ranks = 2, .micro_batches = 4, .chunks = 2});
  CHECK(best_order(loop, {{"v", copied(v)}}, calibrate(loop, {foretold(loop, costs())})).all[1].refused ==
        "stretto: an order that does stage 2 of micro-batch 0 on rank 1 is to replace one that does it on rank 0; give orders with the same placement");
}

TEST_CASE("recordings of clocks that begin anywhere are put on one") {
  const plan p = plan_of(4, 8);
  std::vector<recording> all{foretold(p, uneven(), 1, {0, 40, -7, 1000})};
  detail::set_clocks(p, all);
  const recording right = foretold(p, uneven());
  for (std::size_t i = 0; i < right.ends.size(); ++i) CHECK(all[0].ends[i] == Approx(right.ends[i]));
  for (std::size_t i = 0; i < right.messages.size(); ++i) CHECK(all[0].messages[i].taken == Approx(right.messages[i].taken));
}

TEST_CASE("what each rank knows of its own entries and messages is put together on all of them") {
  const plan p = plan_of(4, 8);
  const recording right = foretold(p, uneven()), seen = foretold(p, uneven(), 1, {0, 40, -7, 1000});
  threads t(4, {.deadline = 20});
  const auto thrown = on_all(4, [&](int r) {
    endpoint mine(t, r);
    mine.enter(mine.host());
    recording own = seen;
    own.messages.clear();
    for (int k = 0; k < 4; ++k)
      for (std::int64_t i = p.rows[k]; i < p.rows[k + 1]; ++i)
        for (std::vector<double>* times : {&own.waits, &own.starts, &own.ends})
          if (k != r) (*times)[static_cast<std::size_t>(i)] = 0;
    for (message_times m : seen.messages) {
      m.put = m.from == r ? m.put : 0, m.taken = m.to == r ? m.taken : 0;
      if (m.put != 0 || m.taken != 0) own.messages.push_back(m);
    }
    const std::vector<recording> all = detail::gather_recordings(mine, p, {own, own}, 7, [](text& words) { words.add("the others"); });
    mine.leave(mine.host());
    if (all.size() != 2 || all[1].messages.size() != right.messages.size()) throw std::runtime_error("something is lost");
    const auto off = [](double a, double b) { return std::abs(a - b) > 1e-9; };
    for (std::size_t i = 0; i < right.ends.size(); ++i)
      if (off(all[1].ends[i], right.ends[i]) || off(all[1].waits[i], right.waits[i])) throw std::runtime_error("another time");
    double sums[2] = {};
    for (const message_times& m : all[1].messages) sums[0] += m.taken - m.put;
    for (const message_times& m : right.messages) sums[1] += m.taken - m.put;
    if (off(sums[0], sums[1])) throw std::runtime_error("another time under way");
  });
  for (const std::string& words : thrown) CHECK(words == "");
}

TEST_CASE("a run that calibrates and goes on by another order has the bits of one that doesn't") {
  const toy::data data(8);
  const auto run = [&](bool chooses) {
    pipeline p(toy::model_of(6), toy::cut_of(9, 4), plan_of(4, 8), adamw{.rate = 0.01}, {.seed = 3, .samples = toy::rows, .clip = 0.5, .record = true});
    toy::feed(p, data);
    std::vector<double> bits;
    std::vector<recording> seen;
    for (int i = 0; i < 6; ++i) {
      auto step = p.step(24);
      bits.push_back(step.loss()), bits.push_back(step.norm());
      seen.push_back(step.measured());
      if (!chooses || i != 2) continue;
      calibration c = p.calibrate(seen);
      CHECK(c.steps == 3);
      c.noise = 0;
      const auto only = [&](const plan_view& o) { return o.name.str() == "zb_h1" ? p.refuses(o) : std::string("another one is tried"); };
      for (pass_figure& f : c.passes) f.seconds = 1;  // whatever the clock said: zb_h1 is faster
      const order_choice best = best_order(p.steps(), {}, c);
      CHECK(!best.changes());
      const order_choice other = best_order(plan_of(4, 8), orders_like(plan_of(4, 8), all_schedules()), c, {.refuses = only});
      REQUIRE(other.changes());
      CHECK(other.order.name.str() == "zb_h1");
      p.rebind(other.order);
      seen.clear();
    }
    for (const parameter& one : p.parameters())
      for (std::int64_t k = 0; k < one.count; ++k) bits.push_back(static_cast<double>(static_cast<const float*>(one.value)[k]));
    return bits;
  };
  CHECK(run(true) == run(false));
}

TEST_CASE("ranks of several processes get the same figures and choose alike, however each is disturbed") {
  const toy::data data(8);
  threads t(4, {.deadline = 20});
  std::vector<std::string> chosen(4);
  std::vector<std::vector<double>> figures(4);
  const auto thrown = on_all(4, [&](int r) {
    endpoint mine(t, r);
    std::this_thread::sleep_for(std::chrono::milliseconds(3 * r));  // so that clocks begin at different times
    pipeline p(mine, toy::model_of(6), toy::cut_of(9, 4), plan_of(4, 8), sgd{.rate = 0.01}, {.samples = toy::rows, .record = true});
    toy::feed(p, data);
    std::vector<recording> seen;
    for (int i = 0; i < 3; ++i) {
      auto step = p.step(24);
      step.loss();
      seen.push_back(step.measured());
      for (double& e : seen.back().ends) e += e > 0 ? 0.001 * r : 0;  // each rank has noise of its own
    }
    const calibration c = p.calibrate(seen);
    for (const pass_figure& f : c.passes) figures[static_cast<std::size_t>(r)].push_back(f.seconds);
    for (const link_figure& l : c.links) figures[static_cast<std::size_t>(r)].push_back(l.latency);
    if (c.find(3, 3, pass::backward) == nullptr) throw std::runtime_error("nothing of rank 3");
    const order_choice best = best_order(plan_of(4, 8), orders_like(plan_of(4, 8), all_schedules()), c, {.least_gain = 0});
    chosen[static_cast<std::size_t>(r)] = to_table(best);
    p.rebind(best.order);
    p.step(24).loss();
    p.rebind(plan_of(4, 8));
    std::vector<recording> again;
    for (int i = 0; i < 2 - (r == 2); ++i) again.push_back(p.step(24).measured());
    if (r == 2) p.step(24).loss();
    p.calibrate(again);
  });
  CHECK(thrown[0] == "stretto: rank 2 calibrates with 1 recorded steps and this one with 2; give those of the same steps on all ranks");
  for (int r = 1; r < 4; ++r) {
    CHECK(figures[static_cast<std::size_t>(r)] == figures[0]);
    CHECK(chosen[static_cast<std::size_t>(r)] == chosen[0]);
  }
  CHECK(figures[0].size() == 4 * 2 + 8);  // and a skip connection over two ranks
}

namespace {

/// Sleeps: F, I and W of layer 2 take three times as long.
template <class In, class Out>
struct sleeper {
  using input = In;
  using output = Out;
  std::vector<float> w{1}, g{0};
  static double seconds(int layer) { return layer == 2 ? 0.006 : 0.002; }
  static void sleep(const context& c) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds(c.layer))); }
  void forward(context& c, const In&, Out& out) { sleep(c), out = 1; }
  void backward_input(context& c, const In&, const Out&, gradient_of<In>&) { sleep(c); }
  void backward_weight(context& c, const In&, const Out&) { sleep(c); }
  void parameters(auto&& visit) { visit("w", w, g); }
};

}  // namespace

TEST_CASE("layers that take known times are seen to, and what is bound then was foretold the least time") {
  const plan whole = plan_of(4, 6), split = make_plan(one_f_one_b_split{}, {.ranks = 4, .micro_batches = 6});
  pipeline p(sequential(layer<sleeper<nothing, float>>(), repeat<sleeper<float, float>>(2), layer<sleeper<float, double>>()), cut::of({1, 1, 1, 1}), whole, sgd{}, {.record = true});
  const auto seen = [&] {
    std::vector<recording> all;
    for (int i = 0; i < 2; ++i) all.push_back(p.step().measured());
    return p.calibrate(all);
  };
  calibration c = seen();
  p.rebind(split);
  c.add(seen());
  for (int s = 0; s < 4; ++s) {
    const double one = sleeper<float, float>::seconds(s);
    CHECK(c.find(s, s, pass::forward)->seconds >= one);
    CHECK(c.find(s, s, pass::backward)->seconds >= 2 * one);
    CHECK(c.find(s, s, pass::backward_input)->seconds >= one);
    CHECK(c.find(s, s, pass::backward_weight)->seconds >= one);
  }
  CHECK(c.find(2, 2, pass::forward)->seconds > c.find(1, 1, pass::forward)->seconds);
  CHECK(c.span >= 6 * 3 * 0.006);
  const auto candidates = orders_like(split, all_schedules());
  const order_choice best = best_order(split, candidates, c, {.least_gain = 0, .refuses = [&](const plan_view& o) { return p.refuses(o); }});
  for (const judged_order& j : best.all) {
    CHECK(!j.assumed);
    if (j.refused.empty()) CHECK(best.all[static_cast<std::size_t>(best.fastest)].step <= j.step);
  }
  p.rebind(best.order);
  CHECK(p.step().loss() == 6);
}
