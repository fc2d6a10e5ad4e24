// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Build:        g++ -std=c++20 -O2 -Iinclude examples/19_requests.cpp -o requests -pthread
// Prints:       how a small Llama on three ranks learns a sentence by heart, and what it answers to seven requests of
//               different lengths in three slots: each joins when another has left, and gets what it would get alone. With an
//               argument: how long the first token and the others took.
// Change next:  slots, to 1: each request waits for the one before; `.temperature`; a request that never stops, cancelled.
#include <cstdio>
#include <string>
#include <vector>

#include <stretto/model.hpp>
#include <stretto/stream.hpp>

using namespace stretto;

const std::string motto = "in a fugue, the voices enter before the one ahead has finished; ";
constexpr int devices = 3, slots = 3, longest = 40;

std::int32_t token(char c) { return c == ' ' ? 0 : c == ',' ? 27 : c == ';' ? 28 : c - 'a' + 1; }
char letter(std::int32_t t) { return t == 0 ? ' ' : t == 27 ? ',' : t == 28 ? ';' : static_cast<char>('a' + t - 1); }

int main(int count, char**) {
  transformer_shape s = llama_shape(2, 32, 4, 2, 64, 29, longest);
  s.samples = 1, s.turning.theta = 10000;
  requests r({.sequence = s.sequence, .positions = s.positions});
  const auto model = transformer<host::device, float>(s, {.seed = 1, .queue = {.most = host::isa::portable}, .watcher = {requests::look<float>, &r}});
  const plan order = make_plan(one_f_one_b{}, {.ranks = devices, .micro_batches = 8});
  pipeline p(model, even_cut(layer_costs(s), devices), order, adamw{.rate = 0.01}, {.clip = 1});

  // In training a feed gives windows of the sentence, labels one letter further on; in service, what requests read.
  std::vector<std::int32_t> letters;
  for (std::size_t i = 0; i < 1000; ++i) letters.push_back(token(motto[i % motto.size()]));
  const auto window = [&](const data_share& d, int behind) { return view<const std::int32_t>{letters.data() + (d.step * 5 + d.micro_batch * 8) % 64 + behind, longest}; };
  p.feed<std::int32_t>("tokens", [&](const data_share& d) { return r.asks(d) ? r.read(d) : window(d, 0); });
  p.feed<std::int32_t>("labels", [&](const data_share& d) { return r.asks(d) ? view<const std::int32_t>{} : window(d, 1); });
  for (int step = 0; step <= 60; ++step)
    if (const double loss = p.step(8.0 * longest).loss(); step % 20 == 0) std::printf("step %2d  loss %.2f\n", step, loss);

  const std::vector<std::string> prompts{"in a fugue", "the voices", "enter", "before the", "one ahead", "has", "finished; in"};
  std::vector<std::string> answers(prompts.size());
  {
    const auto runs = r.serve(p, p.bind(service_of(order, slots - 1), {.keeps_carry = true}),
                              [&](const written& w) { answers[static_cast<std::size_t>(w.request.number)] += letter(w.token); });
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      std::vector<std::int32_t> prompt;
      for (char c : prompts[i]) prompt.push_back(token(c));
      r.push({prompt.data(), static_cast<std::int64_t>(prompt.size())}, {.most = 6 + static_cast<std::int64_t>(i) * 3 % 16, .stop = token(';')});  // may wait for a slot
    }
    r.finish();
  }
  for (std::size_t i = 0; i < prompts.size(); ++i) std::printf("%s|%s\n", prompts[i].c_str(), answers[i].c_str());
  const requests_report report = r.report();
  std::printf("%lld requests, %lld tokens, no more than %d at a time: %s\n", static_cast<long long>(report.ended), static_cast<long long>(report.tokens), slots,
              report.most_together <= slots ? "yes" : "no");
  if (count > 1)
    std::printf("first token %.3f ms (p50), %.3f (p99); a token %.3f ms (p50), %.3f (p99)\n", static_cast<double>(report.first.quantile(0.5)) * 1e-6,
                static_cast<double>(report.first.quantile(0.99)) * 1e-6, static_cast<double>(report.next.quantile(0.5)) * 1e-6, static_cast<double>(report.next.quantile(0.99)) * 1e-6);
}
