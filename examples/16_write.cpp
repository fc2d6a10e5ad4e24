// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Build:        g++ -std=c++20 -O2 -Iinclude examples/16_write.cpp -o write
// Prints:       how a small Llama on four ranks learns a sentence by heart, and eight texts that it then writes on, all at once:
//               each turn a rank reads one letter of each text, and finds what it read before in its layers' carries.
// Change next:  motto, and what the texts begin with; or batches, to 1: then three of the four ranks wait at any time.
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <string>
#include <vector>

#include <stretto/model.hpp>
#include <stretto/run.hpp>

using namespace stretto;

const std::string motto = "in a fugue, the voices enter before the one ahead has finished; ";
constexpr int batches = 4, samples = 2, longest = 40, prompt = 8;

std::int32_t token(char c) { return c == ' ' ? 0 : c == ',' ? 27 : c == ';' ? 28 : c - 'a' + 1; }
char letter(std::int32_t t) { return t == 0 ? ' ' : t == 27 ? ',' : t == 28 ? ';' : static_cast<char>('a' + t - 1); }

/// Letters of the sentence, over and over, from a place on.
std::vector<std::int32_t> letters_from(std::size_t place, int count) {
  std::vector<std::int32_t> t;
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) t.push_back(token(motto[(place + i) % motto.size()]));
  return t;
}

/// The texts that are written, two in each micro-batch. The last rank adds letters, the first one reads them.
struct writer {
  std::vector<std::int32_t> texts[batches][samples], share[batches];
  std::size_t read[batches] = {};  // letters of each text that were read
  bool failed = false;
  std::mutex mutex;
  std::condition_variable added;

  /// What each text has more than was read. Waits until it has.
  view<const std::int32_t> next(int m) {
    std::unique_lock lock(mutex);
    added.wait(lock, [&] { return texts[m][0].size() > read[m] || failed; });
    share[m].clear();
    for (const auto& t : texts[m]) share[m].insert(share[m].end(), t.begin() + static_cast<std::ptrdiff_t>(read[m]), t.end());
    read[m] = texts[m][0].size();
    return {share[m].data(), static_cast<std::int64_t>(share[m].size())};
  }

  /// Is shown logits, the rows of a sample side by side. The likeliest letter behind the last one goes on with the text.
  static void look(void* with, const data_share& d, const tensor_view<const float, 2>& logits) {
    writer& w = *static_cast<writer*>(with);
    if (d.order == 0) return;
    const std::lock_guard lock(w.mutex);
    for (int n = 0; n < samples; ++n) {
      const float* const row = logits.row((n + 1) * logits.rows() / samples - 1);
      std::int32_t best = 0;
      for (std::int32_t i = 1; i < logits.columns(); ++i)
        if (row[i] > row[best]) best = i;
      w.texts[d.micro_batch][n].push_back(best);
    }
    w.added.notify_all();
  }
};

int main() {
  transformer_shape s = llama_shape(2, 32, 4, 2, 64, 29, longest);
  s.samples = samples, s.turning.theta = 10000;
  writer w;
  // What AVX-512 and others give differs in the last bits; this one is printed alike everywhere.
  const auto model = transformer<host::device, float>(s, {.seed = 1, .queue = {.most = host::isa::portable}, .watcher = {writer::look, &w}});
  const plan order = make_plan(one_f_one_b{}, {.ranks = 4, .micro_batches = batches});
  pipeline p(model, even_cut(layer_costs(s), order.stages), order, adamw{.rate = 0.01}, {.samples = samples, .clip = 1});

  // In training a feed gives windows of the sentence; in writing, new letters.
  std::vector<std::int32_t> inputs, labels;
  const auto windows = [&](int step, std::size_t behind) {
    std::vector<std::int32_t> all;
    for (std::size_t place = 0; place < batches * samples; ++place)
      for (const std::int32_t t : letters_from(place * 8 + static_cast<std::size_t>(step) * 5 + behind, longest)) all.push_back(t);
    return all;
  };
  const auto part = [&](const std::vector<std::int32_t>& all, const data_share& d) { return view<const std::int32_t>{all.data() + d.first_sample * longest, s.rows()}; };
  p.feed<std::int32_t>("tokens", [&](const data_share& d) { return d.order == 0 ? part(inputs, d) : w.next(d.micro_batch); });
  p.feed<std::int32_t>("labels", [&](const data_share& d) { return d.order == 0 ? part(labels, d) : view<const std::int32_t>{}; });
  for (int step = 0; step <= 60; ++step) {
    inputs = windows(step, 0), labels = windows(step, 1);
    const double loss = p.step(static_cast<double>(batches * s.rows())).loss();
    if (step % 20 == 0) std::printf("step %2d  loss %.2f\n", step, loss);
  }

  // One run for what the texts begin with, then one for each letter. Runs are asked for ahead; a rank begins the next one when
  // what it wants is there, so that while the last rank chooses letters of one micro-batch, the others work on those behind.
  const int writing = p.bind(forward_of(order), {.keeps_carry = true});
  for (std::size_t place = 0; place < batches * samples; ++place) w.texts[place / samples][place % samples] = letters_from(place * 8 + 3, prompt);
  try {
    for (int i = prompt; i < longest; ++i) i == prompt ? p.run(writing) : p.go_on(writing);
    p.finish();
  } catch (...) {
    const std::lock_guard lock(w.mutex);
    w.failed = true, w.added.notify_all();  // so that the first rank doesn't wait for a letter that nobody writes
    throw;
  }
  for (const auto& batch : w.texts)
    for (const auto& text : batch) {
      std::string words;
      for (const std::int32_t t : text) words += letter(t);
      std::printf("%s|%s\n", words.substr(0, prompt).c_str(), words.substr(prompt).c_str());
    }
}
