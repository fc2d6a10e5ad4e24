// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A pipeline for each rank, as it is where ranks are processes: the same bits, what one is bound to compared with the
// others, and failures that reach all.
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "run/toy.hpp"
#include "schedule/sweep.hpp"
#include <stretto/run.hpp>

using namespace stretto;

namespace {

/// Runs work(rank) on a thread for each rank; gives what each threw.
std::vector<std::string> on_all(int ranks, const std::function<void(int)>& work) {
  std::vector<std::string> thrown(static_cast<std::size_t>(ranks));
  std::vector<std::thread> all;
  for (int r = 0; r < ranks; ++r)
    all.emplace_back([&, r] { thrown[static_cast<std::size_t>(r)] = sweep::thrown([&] { work(r); }); });
  for (std::thread& one : all) one.join();
  return thrown;
}

plan plan_of(int ranks, int micro_batches) { return make_plan(one_f_one_b{}, {.ranks = ranks, .micro_batches = micro_batches}); }

}  // namespace

TEST_CASE("ranks that each bind a pipeline of their own give the bits of one") {
  const toy::data data(5);
  const pipeline_options how{.seed = 3, .samples = toy::rows, .clip = 0.5};
  const auto outcome = [&](auto& p) {
    toy::feed(p, data);
    std::vector<double> all;
    for (int i = 0; i < 4; ++i) {
      auto step = p.step(15);
      all.push_back(step.loss());
      all.push_back(step.norm());
    }
    return all;
  };
  pipeline alone(toy::model_of(6), toy::cut_of(9, 1), plan_of(1, 5), adamw{.rate = 0.01}, how);
  const auto expected = outcome(alone);
  for (int ranks : {2, 3, 4}) {
    threads t(ranks, {.deadline = 20});
    const auto thrown = on_all(ranks, [&](int r) {
      endpoint mine(t, r);
      pipeline p(mine, toy::model_of(6), toy::cut_of(9, ranks), plan_of(ranks, 5), adamw{.rate = 0.01}, how);
      if (outcome(p) != expected) throw std::runtime_error("other bits");
      const int e = p.bind(make_plan(forward_only{}, {.ranks = ranks, .micro_batches = 5}));
      const double before = p.run(e, 15).loss();  // this model drops out in evaluation, too
      if (p.step(15).loss() != before) throw std::runtime_error("evaluation and training differ");
    });
    for (const std::string& words : thrown) CHECK(words == "");
  }
}

TEST_CASE("a rank that is bound to another plan, cut or model is refused by all") {
  const auto bound = [](const std::function<void(int, endpoint<threads>&)>& bind) {
    threads t(3, {.deadline = 20});
    return on_all(3, [&](int r) {
      endpoint mine(t, r);
      bind(r, mine);
    });
  };
  for (const std::string& words : bound([](int r, auto& mine) {
         pipeline p(mine, toy::model_of(6), toy::cut_of(9, 3), r == 2 ? make_plan(gpipe{}, {.ranks = 3, .micro_batches = 5}) : plan_of(3, 5));
       }))
    CHECK(words == "stretto: rank 2 is bound to another plan than rank 0; bind all ranks to one plan, cut and model, with the same options");
  for (const std::string& words : bound([](int r, auto& mine) {
         pipeline p(mine, sequential(layer<toy::embedding>(), repeat<toy::block<false>>(7, 0.0), layer<toy::head>()), r == 1 ? cut::of({4, 2, 3}) : cut::of({3, 3, 3}), plan_of(3, 5));
       }))
    CHECK(words == "stretto: rank 1 is bound to another cut than rank 0; bind all ranks to one plan, cut and model, with the same options");
  for (const std::string& words : bound([](int r, auto& mine) {
         if (r == 2) pipeline p(mine, sequential(layer<toy::embedding>(), layer<narrow<bfloat16>>(18), layer<widen<bfloat16>>(18), layer<toy::head>()), cut::of({2, 1, 1}), plan_of(3, 5));
         else pipeline p(mine, sequential(layer<toy::embedding>(), repeat<toy::block<false>>(2, 0.0), layer<toy::head>()), cut::of({2, 1, 1}), plan_of(3, 5));
       }))
    CHECK(words == "stretto: rank 2 is bound to another model than rank 0; bind all ranks to one plan, cut and model, with the same options");
}

TEST_CASE("ranks that are asked with other options or another normalizer are told so") {
  const auto words = [](const std::function<void(int, endpoint<threads>&)>& run) {
    threads t(2, {.deadline = 20});
    return on_all(2, [&](int r) {
      endpoint mine(t, r);
      run(r, mine);
    });
  };
  const toy::data data(5);
  for (const std::string& w : words([&](int r, auto& mine) { pipeline p(mine, toy::model_of(6), toy::cut_of(9, 2), plan_of(2, 5), sgd{}, {.clip = r == 1 ? 0.5 : 0}); }))
    CHECK(w == "stretto: rank 1 is bound to another optimizer or other options than rank 0; bind all ranks to one plan, cut and model, with the same options");
  for (const std::string& w : words([&](int r, auto& mine) {
         if (r == 0) pipeline p(mine, toy::model_of(6), toy::cut_of(9, 2), plan_of(2, 5), sgd{});
         else pipeline p(mine, toy::model_of(6), toy::cut_of(9, 2), plan_of(2, 5), adamw{});
       }))
    CHECK(w.find("rank 1 is bound to another optimizer") != std::string::npos);
  const auto normalizers = words([&](int r, auto& mine) {
    pipeline p(mine, toy::model_of(6), toy::cut_of(9, 2), plan_of(2, 5));
    toy::feed(p, data);
    p.step(r + 1).loss();
  });
  for (const std::string& w : normalizers)  // the model has tied weights, so the ranks see it when they update
    CHECK(w.find(" was asked for another run than this rank, or with another normalizer, or has gone on for eight steps, at run 0; ask all ranks for the same steps, and for results before eight more") != std::string::npos);
  for (const std::string& w : words([&](int r, auto& mine) {
         struct heavy : toy::head {
           heavy() { throw std::runtime_error("no memory"); }
         };
         if (r == 1) try {
             pipeline p(mine, sequential(layer<toy::embedding>(), layer<heavy>()), cut::of({1, 1}), plan_of(2, 5));
           } catch (const std::runtime_error& e) {
             throw error(e.what());
           }
         else pipeline p(mine, sequential(layer<toy::embedding>(), layer<toy::head>()), cut::of({1, 1}), plan_of(2, 5));
       }))
    CHECK((w == "no memory" || w == "stretto: rank 1 can't be bound: no memory; mend what threw it"));
}

TEST_CASE("a group beside a pipeline over one transport, used by the threads that ask for steps") {
  threads t(2, {.deadline = 20});
  const toy::data data(5);
  const auto thrown = on_all(2, [&](int r) {
    endpoint mine(t, r);
    pipeline p(mine, toy::model_of(6), toy::cut_of(9, 2), plan_of(2, 5), sgd{.rate = 0});
    toy::feed(p, data);
    group beside(t, r, "beside");
    for (int i = 0; i < 300; ++i) {
      p.step(15).loss();
      double one = 1;
      beside.all_reduce(view<double>{&one, 1});
      if (one != 2) throw std::runtime_error("another sum");
    }
  });
  for (const std::string& w : thrown) CHECK(w == "");
}

TEST_CASE("a rank that never comes is missed by the deadline, when the others are bound") {
  threads t(2, {.deadline = 0.2});
  const auto thrown = on_all(1, [&](int r) {
    endpoint mine(t, r);
    pipeline p(mine, toy::model_of(6), toy::cut_of(9, 2), plan_of(2, 5));
  });
  CHECK(thrown[0] == "stretto: the thread that asks for steps waited 700 ms for the other ranks to be bound; see what the others do, as stretto-explain reads it off their logs, or raise the deadline");
}

TEST_CASE("what is thrown on one rank ends all of them in one error, each with a pipeline of its own") {
  threads t(3, {.deadline = 20});
  const auto thrown = on_all(3, [&](int r) {
    endpoint mine(t, r);
    pipeline p(mine, toy::model_of(6), toy::cut_of(9, 3), plan_of(3, 5));
    const toy::data data(5);
    if (r != 2) toy::feed(p, data);
    else p.feed<float>("targets", [](const data_share&) { return view<const float>{}; });
    p.step(15).loss();
  });
  for (const std::string& words : thrown)
    CHECK(words == "stretto: rank 2 step 2 (2F0) layer 8 threw: layer 8 asks for feed 'targets' in another type than it is given in; ask for the type of feed<T>");
  CHECK(sweep::thrown([&] { endpoint none(t, 3); }) == "stretto: rank 3 has no endpoint in a transport of 3 ranks; use 0 to 2");
}
