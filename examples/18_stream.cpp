// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Build:        g++ -std=c++20 -O2 -Iinclude examples/18_stream.cpp -o stream -pthread
// Prints:       speech that is understood, translated and given lips, by three modules at once, each on a rank of its own:
//               all of it where the speaker waits for them; then, from a speaker who doesn't, what is certain though modules
//               can't keep up: an outcome for every word, in order, and the last word said. With an argument: times, too.
// Change next:  the queues (`service_of(order, 2)`), what is dropped (`drop_newest`), or `fresh`; make lips as quick as the rest.
#include <array>
#include <chrono>
#include <cstdio>
#include <string_view>
#include <thread>

#include <stretto/stream.hpp>

using stretto::context, stretto::nothing, stretto::outcome;

/// What a module of this many milliseconds takes; it waits, where a real one would compute.
void work_for(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

constexpr std::string_view english[] = {"all", "voices", "enter", "before", "one", "ends"};
constexpr std::string_view german[] = {"alle", "Stimmen", "kommen", "bevor", "eine", "endet"};

struct sound {
  int word = 0;  // what a microphone would give
};
struct text {
  std::array<char, 12> letters{};
  std::string_view str() const { return letters.data(); }
  void set(std::string_view s) {
    letters = {};
    s.copy(letters.data(), letters.size() - 1);
  }
};
struct video {
  text spoken;
  int open_lips = 0;  // frames of them: one for each vowel
};

struct recognise {
  using input = sound;
  using output = text;
  void forward(context&, const sound& heard, text& out) {
    work_for(2);
    out.set(english[heard.word % 6]);
  }
  void backward_input(context&, const sound&, const nothing&, nothing&) {}
};

struct translate {
  using input = text;
  using output = text;
  void forward(context&, const text& in, text& out) {
    work_for(1);
    for (int i = 0; i < 6; ++i)
      if (english[i] == in.str()) out.set(german[i]);
  }
  void backward_input(context&, const text&, const nothing&, nothing&) {}
};

struct lips {
  using input = text;
  using output = video;
  void forward(context&, const text& in, video& out) {
    work_for(5);
    out = {in, 0};
    for (char c : in.str()) out.open_lips += std::string_view("aeiou").find(c) != std::string_view::npos ? 1 : 0;
  }
  void backward_input(context&, const text&, const nothing&, nothing&) {}
};

int main(int count, char**) {
  const auto model = stretto::sequential(stretto::layer<stretto::stream_entry<sound>>(), stretto::layer<recognise>(), stretto::layer<translate>(), stretto::layer<lips>(),
                                         stretto::layer<stretto::stream_exit<video>>());
  const stretto::plan order = stretto::make_plan(stretto::forward_only{}, {.ranks = 3, .micro_batches = 1});
  stretto::pipeline p(model, stretto::cut::of({2, 1, 2}), stretto::service_of(order, 1));

  {
    stretto::stream s(p, {.entry = 2});
    std::thread speaker([&] {
      for (int i = 0; i < 6; ++i) s.push(sound{i});  // waits where the entry is full
      s.close();
    });
    for (auto d = s.next(); d.what != outcome::closed; d = s.next())
      std::printf("%lld: %.*s, lips open %d times\n", static_cast<long long>(d.item.number), static_cast<int>(d.value->spoken.str().size()), d.value->spoken.str().data(), d.value->open_lips);
    speaker.join();
  }

  stretto::stream s(p, {.entry = 1, .full = stretto::when_full::drop_oldest, .deadline = 60, .fresh = 0});
  std::thread speaker([&] {
    for (int i = 0; i < 60; ++i) s.push(sound{i});  // never waits
    s.close();
  });
  long long told = 0, done = 0, left_out = 0, last = -1;
  bool in_order = true;
  for (auto d = s.next(); d.what != outcome::closed; d = s.next()) {
    in_order = in_order && d.item.number == told++;
    if (d.what == outcome::done) ++done, last = d.item.number;
    else ++left_out;
  }
  speaker.join();
  std::printf("a hasty speaker: %lld outcomes, %s order; all are done or superseded: %s; the last word said is word %lld\n", told, in_order ? "in" : "out of",
              done + left_out == told && s.report().superseded == left_out ? "yes" : "no", last);
  std::printf("some were left out, and some were said: %s\n", left_out > 0 && done > 0 ? "yes" : "no");
  if (count > 1) std::printf("%s", to_table(s.report()).c_str());
}
