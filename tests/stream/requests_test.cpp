// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "catch.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <stretto/model.hpp>
#include <stretto/stream.hpp>

using namespace stretto;

namespace {

transformer_shape tiny() {
  transformer_shape s = llama_shape(2, 24, 6, 2, 20, 17, 24);
  s.samples = 1, s.sequence = 5, s.deviation = 0.3;
  return s;
}
struct wish {
  std::vector<std::int32_t> prompt;
  request_options how;
};
std::vector<wish> wishes() {
  std::vector<wish> all;
  for (int i = 0; i < 11; ++i) {
    wish w;
    for (int k = 0; k < 1 + i * 5 % 13; ++k) w.prompt.push_back((7 * i + 3 * k) % 17);
    w.how = {.most = 1 + i * 4 % 11, .stop = i % 3 == 2 ? 4 : -1, .temperature = i % 2 * 0.8, .seed = static_cast<std::uint32_t>(i)};
    all.push_back(w);
  }
  return all;
}

/// What each request gets, in the order of tickets, "!" behind one that ended without a token.
std::map<std::int64_t, std::string> texts_of(const std::vector<wish>& all, int ranks, int slots, bool one_by_one, const std::vector<std::int64_t>& cancelled = {}, std::int64_t* together = nullptr) {
  requests r({.entry = 3, .sequence = tiny().sequence, .positions = tiny().positions});
  std::map<std::int64_t, std::string> texts;
  std::map<std::int64_t, std::int64_t> next;
  std::atomic<int> ended = 0;
  const plan order = make_plan(forward_only{}, {.ranks = ranks, .micro_batches = 1});
  const auto model = transformer<host::device, float>(tiny(), {.seed = 3, .queue = {.most = host::isa::portable}, .watcher = {requests::look<float>, &r}});
  pipeline p(model, even_cut(layer_costs(tiny()), ranks), order);
  p.feed<std::int32_t>("tokens", [&](const data_share& d) { return r.read(d); });
  p.feed<std::int32_t>("labels", [](const data_share&) { return view<const std::int32_t>{}; });
  const auto runs = r.serve(p, p.bind(service_of(order, slots - 1), {.keeps_carry = true}), [&](const written& w) {
    if (w.what == outcome::done && w.index != next[w.request.number]++) texts[w.request.number] += "?";
    texts[w.request.number] += w.what == outcome::done ? std::to_string(w.token) + " " : "!";
    if (w.last) ++ended;
  });
  int n = 0;
  for (const wish& w : all) {
    r.push({w.prompt.data(), static_cast<std::int64_t>(w.prompt.size())}, w.how);
    ++n;
    while (one_by_one && ended < n) std::this_thread::yield();
    for (std::int64_t c : cancelled)
      if (c == n - 1) r.cancel({c});
  }
  r.finish();
  const requests_report report = r.report();
  CHECK((report.pushed == n && report.ended == n && ended == n));
  CHECK(report.first.count() + report.next.count() == report.tokens);
  if (together != nullptr) *together = report.most_together;
  return texts;
}

/// The likeliest tokens behind a prompt, by reading the whole text anew for each.
std::string read_anew(const wish& w) {
  transformer_shape s = tiny();
  s.sequence = s.positions;
  struct reader {
    std::vector<std::int32_t> text;
    static void look(void* with, const data_share& d, const tensor_view<const float, 2>& logits) {
      reader& r = *static_cast<reader*>(with);
      const float* const row = logits.row(logits.rows() - 1);
      if (d.order == 1) r.text.push_back(static_cast<std::int32_t>(std::max_element(row, row + logits.columns()) - row));
    }
  } r{w.prompt};
  const plan order = make_plan(forward_only{}, {.ranks = 1, .micro_batches = 1});
  pipeline p(transformer<host::device, float>(s, {.seed = 3, .queue = {.most = host::isa::portable}, .watcher = {reader::look, &r}}), even_cut(layer_costs(s), 1), order);
  std::vector<std::int32_t> share;
  p.feed<std::int32_t>("tokens", [&](const data_share&) { return share = r.text, view<const std::int32_t>{share.data(), static_cast<std::int64_t>(share.size())}; });
  p.feed<std::int32_t>("labels", [](const data_share&) { return view<const std::int32_t>{}; });
  const int whole = p.bind(service_of(order, 0), {.keeps_carry = true});  // a text may be shorter than the longest there
  std::string words;
  for (std::int64_t i = 0; i < w.how.most; ++i) {
    p.run(whole).loss();
    words += std::to_string(r.text.back()) + " ";
    if (r.text.back() == w.how.stop) break;
  }
  return words;
}

}  // namespace

TEST_CASE("a request gets the tokens that it gets alone, whoever joins and leaves beside it") {
  const auto all = wishes();
  std::int64_t most = 0;
  const auto alone = texts_of(all, 1, 1, true, {}, &most);
  CHECK(most == 1);
  REQUIRE(alone.size() == all.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::string& t = alone.at(static_cast<std::int64_t>(i));
    const auto tokens = std::count(t.begin(), t.end(), ' ');
    CHECK((tokens == all[i].how.most || (all[i].how.stop == 4 && t.substr(t.size() - 2) == "4 ")));
  }
  for (std::size_t i = 0; i < all.size(); i += 2) CHECK(alone.at(static_cast<std::int64_t>(i)) == read_anew(all[i]));
  for (int ranks : {1, 2, 3})
    for (int slots : {1, 2, 4}) {
      CAPTURE(ranks, slots);
      CHECK(texts_of(all, ranks, slots, false, {}, &most) == alone);
      CHECK(most <= slots);
    }
}

TEST_CASE("a cancelled request ends, and the others don't notice") {
  const auto all = wishes();
  const auto alone = texts_of(all, 1, 1, true);
  const auto some = texts_of(all, 2, 2, false, {4, 10});
  for (const auto& [n, t] : alone) {
    if (n != 4 && n != 10) CHECK(some.at(n) == t);
    else CHECK((some.at(n) == t || (some.at(n).back() == '!' && t.find(some.at(n).substr(0, some.at(n).size() - 1)) == 0)));
  }
}

TEST_CASE("what requests can't do is said") {
  CHECK_THROWS_WITH(requests({.sequence = 4, .positions = 3}), "stretto: requests_options::entry or sequence is below 1, or positions below sequence; give those of the model");
  requests r({.sequence = 5, .positions = 24});
  const std::vector<std::int32_t> prompt(20, 1);
  const view<const std::int32_t> whole{prompt.data(), 20};
  CHECK_THROWS_WITH(r.push(whole), "stretto: a request is pushed before serve(); give requests a pipeline first");
  transformer_shape s = tiny();
  s.samples = 2;
  const plan order = make_plan(forward_only{}, {.ranks = 1, .micro_batches = 1});
  pipeline p(transformer<host::device, float>(s, {.watcher = {requests::look<float>, &r}}), even_cut(layer_costs(s), 1), order, sgd{}, {.samples = 2});
  p.feed<std::int32_t>("tokens", [&](const data_share& d) { return r.read(d); });
  p.feed<std::int32_t>("labels", [](const data_share&) { return view<const std::int32_t>{}; });
  const int sliced = p.bind(make_plan(forward_only{}, {.ranks = 1, .micro_batches = 1, .slices = 2}), {.keeps_carry = true});
  CHECK_THROWS_WITH(r.serve(p, sliced, [](const written&) {}), "stretto: a request's turns come whole and all make one way, and the plan has 1 routes and 2 slices; serve by service_of(plan)");
  CHECK_THROWS_WITH(r.serve(p, p.bind(service_of(order, 0)), [](const written&) {}), "stretto: order 2 is to write texts, and keeps nothing between runs; bind it with {.keeps_carry = true}");
  std::vector<outcome> seen;
  std::string why;
  {
    const auto runs = r.serve(p, p.bind(service_of(order, 0), {.keeps_carry = true}), [&](const written& w) { seen.push_back(w.what), why = w.why; });
    CHECK_THROWS_WITH(r.serve(p, 1, [](const written&) {}), "stretto: requests serve already; make another for another pipeline");
    CHECK_THROWS_WITH(r.push(whole), "stretto: a request has a prompt of 20 tokens and asks for 16, and a text has up to 24; give at least one of each, and ask for fewer");
    CHECK_THROWS_WITH(r.push({prompt.data(), 3}, {.most = std::numeric_limits<std::int64_t>::max()}), Catch::Contains("a prompt of 3 tokens and asks for 9223372036854775807, and a text has up to 24"));
    for (const std::int32_t other : {-1, 17}) {
      const std::int32_t foreign[] = {16, other, 3};
      CHECK_THROWS_WITH(r.push({foreign, 3}, {.most = 2}), "stretto: token 1 of a request's prompt is " + std::to_string(other) + ", and the model knows 0 to 16; use the tokenizer that the model was trained with");
    }
    CHECK(r.report().pushed == 0);
    r.push({prompt.data(), 3}, {.most = 2});  // of which a micro-batch of two samples makes nothing
    r.finish();
    CHECK_THROWS_WITH(r.push({prompt.data(), 3}), "stretto: a request is pushed behind finish(); push before");
  }
  CHECK(seen == std::vector<outcome>{outcome::failed});
  CHECK_THAT(why, Catch::Matchers::StartsWith("stage 0 layer 0 threw: stretto: "));
}

TEST_CASE("a request of a model that shows nobody its logits fails, and says what is missing") {
  requests r({.sequence = 5, .positions = 24});
  const plan order = make_plan(forward_only{}, {.ranks = 2, .micro_batches = 1});
  pipeline p(transformer<host::device, float>(tiny(), {.seed = 3}), even_cut(layer_costs(tiny()), 2), order);
  p.feed<std::int32_t>("tokens", [&](const data_share& d) { return r.read(d); });
  p.feed<std::int32_t>("labels", [](const data_share&) { return view<const std::int32_t>{}; });
  std::vector<std::string> told;
  const auto runs = r.serve(p, p.bind(service_of(order, 0), {.keeps_carry = true}), [&](const written& w) {
    CHECK((w.what == outcome::failed && w.last && w.token == -1));
    told.emplace_back(w.why);
  });
  const std::int32_t prompt[] = {1, 2, 3, 4, 5, 6, 7};
  for (int i = 0; i < 3; ++i) r.push({prompt, 7}, {.most = 2});
  r.finish();
  CHECK(told == std::vector<std::string>(3, "stretto: requests were shown no logits; give the model {.watcher = {requests::look<T>, &requests}}"));
  CHECK((r.report().ended == 3 && r.report().tokens == 0));
}

TEST_CASE("while requests serve others don't, and a function that isn't used is dropped") {
  const std::string busy = "stretto: a pipeline is asked for something else while it serves; call finish() of its stream or of its requests first";
  const auto held = std::make_shared<int>(0);
  requests r({.sequence = 5, .positions = 24}), other({.sequence = 5, .positions = 24});
  const plan order = make_plan(forward_only{}, {.ranks = 2, .micro_batches = 1});
  pipeline p(transformer<host::device, float>(tiny(), {.seed = 3, .watcher = {requests::look<float>, &r}}), even_cut(layer_costs(tiny()), 2), order);
  p.feed<std::int32_t>("tokens", [&](const data_share& d) { return r.read(d); });
  p.feed<std::int32_t>("labels", [](const data_share&) { return view<const std::int32_t>{}; });
  const int writes = p.bind(service_of(order, 0), {.keeps_carry = true});
  std::string said;
  {
    const auto runs = r.serve(p, writes, [&](const written&) {
      try {
        r.finish();
      } catch (const error& e) {
        said = e.what();
      }
    });
    for (int i = 0; i < 3; ++i) CHECK_THROWS_WITH(other.serve(p, writes, [held](const written&) {}), busy);
    CHECK(held.use_count() <= 2);  // of the last one, for as long as `other` lives
    CHECK_THROWS_WITH(p.finish(), busy);
    const std::int32_t prompt[] = {1, 2, 3};
    r.push({prompt, 3}, {.most = 2});
    r.finish();
    CHECK(said == "stretto: finish is called of requests by the function that tokens go to, which it would wait for; call it elsewhere");
    CHECK(r.report().tokens == 2);
  }
  p.finish();
  p.bind(service_of(order, 1));
}

TEST_CASE("after an error no request is taken, and each push throws it") {
  requests r({.entry = 3, .sequence = 5, .positions = 24});
  const std::int32_t prompt[] = {1, 2, 3};
  {
    const plan order = make_plan(forward_only{}, {.ranks = 2, .micro_batches = 1});
    pipeline p(transformer<host::device, float>(tiny(), {.seed = 3, .watcher = {requests::look<float>, &r}}), even_cut(layer_costs(tiny()), 2), order);
    p.feed<std::int32_t>("tokens", [&](const data_share& d) { return r.read(d); });
    p.feed<std::int32_t>("labels", [](const data_share&) { return view<const std::int32_t>{}; });
    const auto runs = r.serve(p, p.bind(service_of(order, 0), {.keeps_carry = true}), [](const written&) { throw std::runtime_error("nobody listens"); });
    r.push({prompt, 3}, {.most = 2});
    while (!p.transport().failed()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const std::int64_t pushed = r.report().pushed;
    CHECK_THROWS_WITH(r.try_push({prompt, 3}, {.most = 2}), Catch::Contains("nobody listens"));
    CHECK_THROWS_WITH(r.push({prompt, 3}, {.most = 2}), Catch::Contains("nobody listens"));
    CHECK(r.report().pushed == pushed);
    CHECK_THROWS_WITH(r.finish(), Catch::Contains("nobody listens"));
  }
  r.finish();  // and asks nothing of a pipeline that is gone
  CHECK_THROWS_WITH(r.push({prompt, 3}, {.most = 2}), "stretto: a request is pushed behind finish(); push before");
}

TEST_CASE("what requests have come to is a table") {
  requests_report r;
  r.pushed = 9, r.ended = 8, r.tokens = 120, r.most_together = 3;
  for (const std::int64_t ms : {1, 2, 3, 4}) r.first.add(ms * 1'000'000);
  r.next.add(500'000);
  CHECK(to_table(r) == R"(requests pushed 9  ended 8  tokens 120  together 3
ms             p50       p90       p99       max
first        2.007     4.000     4.000     4.000
next         0.500     0.500     0.500     0.500
)");
}
