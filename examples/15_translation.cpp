// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Build:        g++ -std=c++20 -O2 -Iinclude examples/15_translation.cpp -o translation
// Prints:       how an encoder and a decoder on two ranks learn to write words of 3 to 6 letters backwards; which layers each
//               rank has; and words that they haven't seen, written letter by letter.
// Change next:  backwards(), to another translation: each letter's neighbour in the alphabet, say. Or the number of ranks.
#include <cstdio>
#include <string>
#include <vector>

#include <stretto/host.hpp>
#include <stretto/model/translation.hpp>
#include <stretto/run.hpp>

using stretto::data_share, stretto::random_stream, stretto::view;
using device = stretto::host::device;

constexpr int letters = 8, start = 0, stop = 1, first_letter = 2, longest = 6;  // tokens: start, stop, a, b, …
constexpr int samples = 16, micro_batches = 2, steps = 300;

std::string word(std::uint32_t number) {
  const random_stream r{.seed = 3, .sample = number};
  std::string w;
  for (unsigned i = 0; i < 3 + r.bits(0) % (longest - 2); ++i) w += static_cast<char>('a' + r.bits(1 + i) % letters);
  return w;
}
std::string backwards(const std::string& w) { return {w.rbegin(), w.rend()}; }
std::int32_t token(char c) { return c - 'a' + first_letter; }

/// What the model is fed: of each sample a source, its length, what the decoder sees, and what it is to say.
struct sentences {
  std::vector<std::int32_t> source = std::vector<std::int32_t>(samples * longest, start), lengths = std::vector<std::int32_t>(samples, 1);
  std::vector<std::int32_t> target = std::vector<std::int32_t>(samples * (longest + 1), start), labels = std::vector<std::int32_t>(samples * (longest + 1), -100);

  void put(int sample, const std::string& from, const std::string& to) {
    for (std::size_t i = 0; i < from.size(); ++i) source[static_cast<std::size_t>(sample * longest) + i] = token(from[i]);
    lengths[static_cast<std::size_t>(sample)] = static_cast<std::int32_t>(from.size());
    std::int32_t* const sees = target.data() + sample * (longest + 1);
    std::int32_t* const says = labels.data() + sample * (longest + 1);
    for (std::size_t i = 0; i < to.size(); ++i) says[i] = sees[i + 1] = token(to[i]);
    says[to.size()] = stop;
  }
};

/// A batch of words for each micro-batch of each step.
std::vector<sentences> lessons() {
  std::vector<sentences> all(static_cast<std::size_t>(steps * micro_batches));
  for (std::size_t b = 0; b < all.size(); ++b)
    for (int i = 0; i < samples; ++i) {
      const std::string w = word(static_cast<std::uint32_t>(b) * samples + static_cast<std::uint32_t>(i));
      all[b].put(i, w, backwards(w));
    }
  return all;
}

/// The letter that the decoder says next, for each sample.
struct speaker {
  int at = 0;
  std::int32_t says[samples] = {};

  static void look(void* with, const data_share&, const stretto::tensor_view<const float, 2>& logits) {
    speaker& s = *static_cast<speaker*>(with);
    for (int n = 0; n < samples; ++n) {
      const float* const row = logits.row(n * (longest + 1) + s.at);
      s.says[n] = 0;
      for (int k = 1; k < first_letter + letters; ++k)
        if (row[k] > row[s.says[n]]) s.says[n] = k;
    }
  }
};

int main() {
  const std::vector<sentences> learned = lessons();
  sentences asked;
  speaker mouth;
  stretto::translation_shape shape{.source_vocabulary = first_letter + letters, .target_vocabulary = first_letter + letters, .source_tokens = longest, .target_tokens = longest + 1, .width = 32};
  shape.encoder_layers = shape.decoder_layers = 1, shape.hidden = 64, shape.deviation = 0.1, shape.samples = samples;
  // Every CPU of the architecture gives the same numbers without AVX.
  const auto model = stretto::translation<device, float>(shape, {.seed = 1, .queue = {.most = stretto::host::isa::portable}, .watcher = {speaker::look, &mouth}});
  const stretto::cut cut = stretto::even_cut(stretto::layer_costs(shape), 2);
  std::printf("%d layers, %d parameters\n", model.size(), static_cast<int>(stretto::parameter_count(shape)));
  for (int rank = 0; rank < 2; ++rank) {
    std::printf("rank %d ", rank);
    for (int l = cut.first(rank); l < cut.last(rank); ++l) std::printf(" %s", model.note(l).name.letters);
    std::printf("\n");
  }

  stretto::pipeline p(model, cut, stretto::make_plan(stretto::one_f_one_b{}, {.ranks = 2, .micro_batches = micro_batches}), stretto::adamw{}, {.samples = samples});
  const auto feed = [&](const char* name, std::vector<std::int32_t> sentences::*part) {
    p.feed<std::int32_t>(name, [&, part](const data_share& s) {
      const auto& v = (s.order == 0 ? learned[static_cast<std::size_t>(s.step * micro_batches + s.micro_batch)] : asked).*part;
      return view<const std::int32_t>{v.data(), static_cast<std::int64_t>(v.size())};
    });
  };
  feed("source", &sentences::source), feed("source_lengths", &sentences::lengths), feed("target", &sentences::target), feed("labels", &sentences::labels);
  const int speaking = p.bind(stretto::make_plan(stretto::forward_only{}, {.ranks = 2, .micro_batches = 1}));

  for (int step = 0; step < steps; ++step) {
    p.optimizer().rate = 0.01 * (1 - static_cast<double>(step) / steps);
    const double loss = p.step(samples * micro_batches * 5.5).loss();  // so many letters and ends, on average
    if (step == 0 || step + 1 == steps) std::printf("step %3d  loss %.1f\n", step, loss);
  }

  std::vector<std::string> words, said(samples);
  for (int n = 0; n < samples; ++n) words.push_back(word(1000000 + static_cast<std::uint32_t>(n))), asked.put(n, words.back(), "");
  for (mouth.at = 0; mouth.at <= longest; ++mouth.at) {
    p.run(speaking).loss();
    for (int n = 0; n < samples; ++n) {
      if (mouth.at < longest) asked.target[static_cast<std::size_t>(n * (longest + 1) + mouth.at + 1)] = mouth.says[n];
      said[static_cast<std::size_t>(n)] += mouth.says[n] < first_letter ? '.' : static_cast<char>('a' + mouth.says[n] - first_letter);
    }
  }
  int right = 0;
  for (int n = 0; n < samples; ++n) {
    const std::size_t i = static_cast<std::size_t>(n), length = said[i].find('.');
    right += said[i].substr(0, length) == backwards(words[i]);
    if (n < 4) std::printf("%s -> %s\n", words[i].c_str(), said[i].substr(0, length).c_str());
  }
  std::printf("%d of %d words right\n", right, samples);
}
