// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Samples: every window once an epoch, the same whoever asks, and on with the same after a restart.
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <stretto/train/loader.hpp>
#include <stretto/train/token_feed.hpp>
#include <stretto/train/token_file_writer.hpp>

#include "catch.hpp"

using namespace stretto;

namespace {

/// Files whose token i of all is i, up to 60000.
struct counted_files {
  std::filesystem::path dir = std::filesystem::temp_directory_path() / ("stretto_loader_" + std::to_string(::getpid()));
  std::vector<std::string> paths;

  explicit counted_files(const std::vector<int>& sizes, int change = -1) {
    std::filesystem::create_directories(dir);
    int next = 0;
    for (const int size : sizes) {
      paths.push_back((dir / (std::to_string(paths.size()) + ".bin")).string());
      token_file_writer w(paths.back());
      for (int i = 0; i < size; ++i, ++next) w.add(next == change ? 0 : next % 60000);
      w.finish();
    }
  }
  counted_files(const counted_files&) = delete;
  ~counted_files() {
    std::error_code ignored;
    std::filesystem::remove_all(dir, ignored);
  }
};

using numbers = std::vector<std::int32_t>;

numbers sample_of(const token_loader& l, std::int64_t sample) {
  numbers all(static_cast<std::size_t>(l.options().sequence) + 1);
  l.read(sample, all.data());
  return all;
}

numbers copy_of(const view<const std::int32_t>& v) { return {v.begin(), v.end()}; }

data_share share_of(std::int64_t step, std::int64_t first_sample) {
  data_share s;
  s.step = step;
  s.first_sample = first_sample;
  return s;
}

}  // namespace

TEST_CASE("an order of windows is a permutation in each epoch and another one in the next") {
  for (const std::int64_t n : {1, 2, 3, 4, 5, 16, 17, 63, 64, 65, 100, 1000, 4097}) {
    const window_order o{.seed = 5, .windows = n};
    std::set<std::int64_t> first, second;
    int same = 0, sorted = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      REQUIRE((o(i) >= 0 && o(i) < n));
      first.insert(o(i));
      second.insert(o(n + i));
      same += o(i) == o(n + i);
      sorted += o(i) == i;
    }
    INFO(n);
    CHECK(static_cast<std::int64_t>(first.size()) == n);
    CHECK(static_cast<std::int64_t>(second.size()) == n);
    if (n >= 100) CHECK((same < 12 && sorted < 12));  // about one each
  }
  const window_order plain{.seed = 5, .windows = 10, .shuffle = false};
  for (int i = 0; i < 30; ++i) CHECK(plain(i) == i % 10);
  const window_order large{.seed = 1, .windows = std::int64_t{1} << 45};
  CHECK((large(12345) >= 0 && large(12345) < std::int64_t{1} << 45 && large(12345) != large(12346)));
  CHECK(window_order{.seed = 6, .windows = 1000}(3) != window_order{.seed = 5, .windows = 1000}(3));
}

static_assert(window_order{.seed = 7, .windows = 1000}(0) == window_order{.seed = 7, .windows = 1000}(0), "it is a constant where that is wanted");

TEST_CASE("the order of windows doesn't change from version to version") {
  const window_order o{.seed = 7, .windows = 1000};
  CHECK((o(0) == 395 && o(1) == 356 && o(999) == 477 && o(1000) == 12));
}

TEST_CASE("orders of windows are even") {
  // The window that comes first under many seeds: each of eight about as often.
  int counts[8] = {};
  for (std::uint32_t seed = 0; seed < 4000; ++seed) ++counts[window_order{.seed = seed, .windows = 8}(0)];
  for (const int c : counts) CHECK((c > 400 && c < 600));
}

TEST_CASE("windows go across files and each token is a label once") {
  const counted_files files({10, 0, 3, 30, 8});  // 51 tokens
  const token_loader l(files.paths, {.sequence = 5, .shuffle = false});
  CHECK_FALSE(l.is_open());
  CHECK(l.windows() == 10);
  CHECK(l.tokens() == 51);
  CHECK(l.is_open());
  for (int w = 0; w < 10; ++w) {
    const numbers s = sample_of(l, w);
    for (int i = 0; i < 6; ++i) REQUIRE(s[static_cast<std::size_t>(i)] == 5 * w + i);
  }
  CHECK(sample_of(l, 10) == sample_of(l, 0));  // the next epoch
  const token_loader shuffled(files.paths, {.sequence = 5, .seed = 3});
  std::set<numbers> all;
  for (int w = 0; w < 10; ++w) {
    all.insert(sample_of(shuffled, w));
    CHECK(shuffled.first_token(w) == sample_of(shuffled, w)[0]);
  }
  CHECK(all.size() == 10);
  std::int32_t two[2];
  l.read(2, 4, 2, two);
  CHECK((two[0] == 14 && two[1] == 15));
  CHECK_THROWS_WITH(l.read(2, 5, 2, two), "stretto: 2 tokens from 5 on are asked for of a sample, which has 6; stay within them");
  CHECK_THROWS_WITH(l.read(-1, 0, 2, two), "stretto: sample -1 of a token_loader is asked for; samples count from 0");
}

TEST_CASE("the windows that are held out are no others") {
  const counted_files files({101});
  const token_loader train(files.paths, {.sequence = 5, .seed = 9, .validation = 0.12});
  const token_loader held(files.paths, {.sequence = 5, .seed = 9, .validation = 0.12, .part = loader_part::validation});
  CHECK(train.windows() == 17);
  CHECK(held.windows() == 3);
  for (int s = 0; s < 17; ++s) CHECK(train.first_token(s) < 85);
  for (int s = 0; s < 3; ++s) CHECK(held.first_token(s) >= 85);
}

TEST_CASE("a feed gives the same samples for any micro-batch and any replica") {
  const counted_files files({1000});
  const token_loader l(files.paths, {.sequence = 6, .seed = 2});
  std::vector<numbers> truth;
  for (int s = 0; s < 48; ++s) truth.push_back(sample_of(l, s));
  for (const int samples : {1, 2, 3, 6, 12})
    for (const int replicas : {1, 2, 4}) {
      std::vector<numbers> got(48), labels(48);
      const int step_samples = 12 / replicas;
      if (step_samples % samples != 0) continue;
      for (int replica = 0; replica < replicas; ++replica) {
        const feed_shape shape{.samples = samples, .step_samples = step_samples, .replica = replica, .replicas = replicas};
        const token_feed in = inputs_of(l, shape), out = labels_of(l, shape);
        for (int step = 0; step < 4; ++step)
          for (int first = 0; first < step_samples; first += samples) {
            const view<const std::int32_t> x = in(share_of(step, first)), y = out(share_of(step, first));
            REQUIRE((x.count == samples * 6 && y.count == samples * 6));
            for (int s = 0; s < samples; ++s) {
              const auto at = static_cast<std::size_t>(step * 12 + replica * step_samples + first + s);
              got[at].assign(x.begin() + s * 6, x.begin() + s * 6 + 6);
              labels[at].assign(y.begin() + s * 6, y.begin() + s * 6 + 6);
            }
          }
      }
      for (std::size_t s = 0; s < 48; ++s) {
        REQUIRE(got[s] == numbers(truth[s].begin(), truth[s].end() - 1));
        REQUIRE(labels[s] == numbers(truth[s].begin() + 1, truth[s].end()));
      }
    }
}

TEST_CASE("slices are parts of every sample of a micro-batch") {
  const counted_files files({200});
  const token_loader l(files.paths, {.sequence = 6, .seed = 2});
  const token_feed in = inputs_of(l, {.samples = 2, .step_samples = 4});
  const numbers whole = copy_of(in(share_of(1, 2)));
  for (int slice = 0; slice < 3; ++slice) {
    data_share s = share_of(1, 2);
    s.slice = slice, s.slices = 3;
    const numbers part = copy_of(in(s));
    REQUIRE(part.size() == 4);
    const auto at = static_cast<std::size_t>(2 * slice);
    CHECK(part == numbers{whole[at], whole[at + 1], whole[at + 6], whole[at + 7]});
  }
  data_share odd = share_of(0, 0);
  odd.slices = 4;
  CHECK_THROWS_WITH(in(odd), "stretto: slice 0 of 4 is asked for of a sample of 6 tokens; choose a sequence that slices divide");
}

TEST_CASE("what a feed gave stays until its step is over") {
  const counted_files files({1000});
  const token_loader l(files.paths, {.sequence = 8});
  const token_feed in = inputs_of(l, {.samples = 1, .step_samples = 64});
  std::vector<view<const std::int32_t>> views;
  std::vector<numbers> copies;
  for (int m = 0; m < 64; ++m) views.push_back(in(share_of(0, m))), copies.push_back(copy_of(views.back()));
  for (std::size_t m = 0; m < 64; ++m) {
    CHECK(copy_of(views[m]) == copies[m]);
    CHECK(in(share_of(0, static_cast<int>(m))).first == views[m].first);  // asked again: nothing is copied
  }
}

TEST_CASE("threads ask one feed at once and a thread in a later step changes nothing of theirs") {
  const counted_files files({2000});
  const token_loader l(files.paths, {.sequence = 8, .seed = 4});
  const token_feed in = inputs_of(l, {.samples = 2, .step_samples = 8});
  const token_feed other = in;  // as the pipeline has it: copies are one
  std::vector<int> wrong(4);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      const token_loader mine(files.paths, {.sequence = 8, .seed = 4});
      for (int step = 0; step < 50; ++step) {
        std::vector<view<const std::int32_t>> views;
        for (int first = 0; first < 8; first += 2) views.push_back((t % 2 == 0 ? in : other)(share_of(step, first)));
        for (int m = 0; m < 4; ++m)
          for (int s = 0; s < 2; ++s) {
            const numbers truth = sample_of(mine, step * 8 + 2 * m + s);
            for (int i = 0; i < 8; ++i) wrong[static_cast<std::size_t>(t)] += views[static_cast<std::size_t>(m)][8 * s + i] != truth[static_cast<std::size_t>(i)];
          }
      }
    });
  for (std::thread& t : threads) t.join();
  CHECK(wrong == std::vector<int>(4));
}

TEST_CASE("ranks that need no data open no file") {
  const counted_files files({100});
  std::vector<token_loader> of_rank;
  std::vector<token_feed> inputs, labels;
  for (int r = 0; r < 4; ++r) {
    of_rank.emplace_back(files.paths, loader_options{.sequence = 4});
    inputs.push_back(inputs_of(of_rank.back(), {}));
    labels.push_back(labels_of(of_rank.back(), {}));
  }
  inputs[0](share_of(0, 0));
  labels[3](share_of(0, 0));
  CHECK((of_rank[0].is_open() && !of_rank[1].is_open() && !of_rank[2].is_open() && of_rank[3].is_open()));
  CHECK_FALSE(token_loader({"/no/such.bin"}).is_open());  // and it doesn't matter whether it is there
  CHECK_THROWS_WITH(token_loader({"/no/such.bin"}).windows(), "stretto: file '/no/such.bin' can't be opened (No such file or directory); check its name and who may read it");
}

TEST_CASE("a loader goes on where it was saved with a batch of any size") {
  const counted_files files({500, 500});
  const loader_options how{.sequence = 7, .seed = 11, .validation = 0.1};
  const token_loader first(files.paths, how);
  const std::string saved = first.state(3 * 20).to_text();  // three steps of 20
  token_loader second(files.paths, how);
  second.restore(loader_state::from_text(saved));
  CHECK_FALSE(second.is_open());
  CHECK(second.position() == 60);
  const token_feed in = inputs_of(second, {.samples = 5, .step_samples = 10, .first_step = 3});
  for (int s = 0; s < 5; ++s) {
    const numbers truth = sample_of(first, 60 + 10 + 5 + s);
    const view<const std::int32_t> v = in(share_of(4, 5));
    CHECK(numbers(v.begin() + 7 * s, v.begin() + 7 * s + 7) == numbers(truth.begin(), truth.end() - 1));
  }
  CHECK(second.state(15).samples == 75);
}

TEST_CASE("a state of other files or other options is refused") {
  std::string saved;
  loader_state state;
  const loader_options how{.sequence = 7, .seed = 11};
  {
    const counted_files files({80000, 6});
    state = token_loader(files.paths, how).state(1);
  }
  const auto restored = [&](const std::vector<std::string>& paths, const loader_options& options) {
    token_loader l(paths, options);
    l.restore(state);
    l.windows();
  };
  {
    const counted_files same({80000, 6});
    restored(same.paths, how);
    loader_options other = how;
    other.seed = 12;
    CHECK_THROWS_WITH(restored(same.paths, other),
                      "stretto: the loader's state has seed 11, shuffle 1 and sequence 7, and the loader has 12, 1 and 7; give it the same loader_options");
    other = how, other.sequence = 8;
    CHECK_THROWS_AS(restored(same.paths, other), error);
    other = how, other.shuffle = false;
    CHECK_THROWS_AS(restored(same.paths, other), error);
    other = how, other.validation = 0.5;
    CHECK_THROWS_WITH(restored(same.paths, other), "stretto: the loader's state is of 11429 windows, and the loader has 5714; give it the same validation and part");
    token_loader open(same.paths, how);
    open.windows();
    loader_state minus = state;
    minus.samples = -1;
    CHECK_THROWS_WITH(open.restore(minus), "stretto: the loader's state has fewer than no samples; give the one that was saved");
    minus = state, minus.digest = 1, minus.tokens = 3;
    CHECK_THROWS_WITH(open.restore(minus), "stretto: the loader's state is of files of 3 tokens with digest 1, and file '" + same.paths[0] + "' and its fellows, 2 in all, have 80006 with digest " +
                                               std::to_string(state.digest) + "; give the files that it was saved with, in their order");
    CHECK(open.position() == 0);
  }
  for (const int change : {10, 79000, 80005}) {  // head and tail of the first file, and of the second
    const counted_files changed({80000, 6}, change);
    CHECK_THROWS_WITH(restored(changed.paths, how), Catch::Matchers::ContainsSubstring("; give the files that it was saved with, in their order"));
  }
  const counted_files between({80000, 6}, 40000);  // what is in the middle of a large file isn't looked at
  restored(between.paths, how);
}

TEST_CASE("a state of a loader is text and back") {
  const loader_state s{1, 2, 1, 4, 5, 6, INT64_MAX};
  CHECK(s.to_text() == "stretto loader 1 samples 1 seed 2 shuffle 1 sequence 4 windows 5 tokens 6 digest 9223372036854775807");
  CHECK(loader_state::from_text(s.to_text()) == s);
  const auto refused = [](const std::string& t, const std::string& words) {
    CHECK_THROWS_WITH(loader_state::from_text(t), "stretto: the state of a loader lacks " + words + "; give the text that to_text() wrote");
  };
  refused("", "its beginning at letter 0");
  refused("stretto loader 1 seed 1", "samples at letter 17");
  refused("stretto loader 1 samples x", "a number at letter 25");
  refused(s.to_text() + " ", "its end at letter " + std::to_string(s.to_text().size()));
  refused(s.to_text() + "0", "a smaller number at letter " + std::to_string(s.to_text().size() - 19));
  for (std::size_t n = 0; n + 19 < s.to_text().size(); ++n) CHECK_THROWS_AS(loader_state::from_text(s.to_text().substr(0, n)), error);
}

TEST_CASE("a loader and a feed refuse numbers that are no use") {
  const counted_files files({100});
  const auto& p = files.paths;
  CHECK_THROWS_WITH(token_loader({}), "stretto: a token_loader has no files; name at least one");
  CHECK_THROWS_WITH(token_loader(p, {.sequence = 0}), "stretto: loader_options::sequence is 0; give how many tokens a sample has, 1 to 2147483647");
  CHECK_THROWS_WITH(token_loader(p, {.validation = 1}), "stretto: loader_options::validation isn't from 0 to below 1; give the share that is held out");
  CHECK_THROWS_WITH(token_loader(p, {.vocabulary = -1}), "stretto: loader_options::vocabulary is below 0; give how many tokens the model knows, or 0");
  CHECK_THROWS_WITH(token_loader(p, {.sequence = 100}).windows(), "stretto: file '" + p[0] + "' and its fellows, 1 in all, have 100 tokens, too few for a window of 100 and one; lower loader_options::sequence, or give more text");
  CHECK_THROWS_WITH(token_loader(p, {.sequence = 99, .validation = 0.1}).windows(),
                    "stretto: of 1 windows 1 are held out for validation, and no window is in the part that a token_loader is to read; correct loader_options::validation, or give more text");
  CHECK_THROWS_AS(token_loader(p, {.sequence = 9, .part = loader_part::validation}).windows(), error);
  CHECK_THROWS_WITH(sample_of(token_loader(p, {.sequence = 9, .shuffle = false, .vocabulary = 50}), 5),
                    "stretto: token 50 of file '" + p[0] + "' is 50, and the vocabulary has 50; give the model a larger one, or use the file's tokenizer");
  CHECK(sample_of(token_loader(p, {.sequence = 9, .shuffle = false, .vocabulary = 55}), 5)[9] == 54);

  const token_loader l(p, {.sequence = 9});
  CHECK_THROWS_WITH(inputs_of(l, {.samples = 3, .step_samples = 8}), "stretto: a feed of tokens has 3 samples a micro-batch and 8 a step; give a multiple of the micro-batch's for the step");
  CHECK_THROWS_AS(inputs_of(l, {.samples = 0}), error);
  CHECK_THROWS_WITH(inputs_of(l, {.replica = 2, .replicas = 2}), "stretto: a feed of tokens is of replica 2 of 2; they count from 0");
  const token_feed in = inputs_of(l, {.samples = 2, .step_samples = 4, .first_step = 3, .replicas = 2});
  CHECK_THROWS_WITH(in(share_of(3, 4)), "stretto: sample 4 of step 3 is asked for of a feed whose steps from 3 on have 4 samples, 2 a micro-batch; give it the feed_shape of the pipeline");
  CHECK_THROWS_AS(in(share_of(3, 1)), error);
  CHECK_THROWS_AS(in(share_of(2, 0)), error);
  CHECK_THROWS_WITH(in(share_of(INT64_MAX, 0)), "stretto: step 9223372036854775807 of a feed of tokens is beyond all samples that can be counted; correct the step");
  token_loader late(p, {.sequence = 9});
  loader_state end = l.state(0);
  end.samples = INT64_MAX - 1;
  late.restore(end);
  CHECK_THROWS_AS(inputs_of(late, {.samples = 2, .step_samples = 2})(share_of(0, 0)), error);
  CHECK(inputs_of(late, {})(share_of(0, 0)).count == 9);
  CHECK_THROWS_WITH(late.state(2), "stretto: the state behind 2 samples from 9223372036854775806 on is asked for; give how many were read");
  CHECK_THROWS_AS(l.state(-1), error);
  CHECK_THROWS_WITH(inputs_of(l, {.first_step = -1}), "stretto: a feed of tokens begins with step -1; steps count from 0");
}
