// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Writes docs/schedules.md and the pictures in docs/pictures from the schedules themselves: what their headers say, and what
// check and simulate find. A test compares what it writes with what stands there.
//
//     schedules_page ROOT OUT            ROOT: the project; OUT: where to write, ROOT/docs to bring the page up to date
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <stretto/draw/svg.hpp>
#include <stretto/draw/timeline.hpp>
#include <stretto/stretto.hpp>

using namespace stretto;

namespace {

template <class S>
std::string type_name() {
  std::string name = __PRETTY_FUNCTION__;
  name.erase(0, name.find("S = ") + 4);
  name.erase(name.find_first_of(";]"));
  return name.substr(name.rfind(':') + 1);
}

std::string number(double x) {
  char text[40];
  std::snprintf(text, sizeof text, "%.4g", x);
  return text;
}

std::string percent(double x) {
  char text[40];
  std::snprintf(text, sizeof text, "%.1f", 100 * x);
  return text;
}

/// In which order gradients are added, in words.
std::string words(const plan_view& p) {
  const char* const names[] = {"none", "ascending", "descending", "mixed"};
  return names[static_cast<int>(order_of_weights(p))] + std::string(owners(p) > 1 ? ", by owner" : "");
}

/// The top comment of a header without its picture: paragraphs as they stand.
std::string prose(const std::string& path) {
  std::ifstream in(path);
  if (!in) {
    std::fprintf(stderr, "stretto: the header %s can't be read; give the project's folder\n", path.c_str());
    std::exit(2);
  }
  std::string line, out;
  std::getline(in, line);
  while (std::getline(in, line) && line.rfind("//", 0) == 0) {
    const std::string text = line.size() > 3 ? line.substr(3) : "";
    if (text.rfind("    rank ", 0) == 0) continue;
    if (text.empty() && (out.empty() || out.ends_with("\n\n"))) continue;
    for (const char* head : {"Bubble", "Peak", "Source", "Weight passes", "Groups", "Latency"})  // each a paragraph of its own
      if (text.rfind(head, 0) == 0 && !out.ends_with("\n\n")) out += "\n";
    for (char c : text) out += c == '<' ? std::string("&lt;") : c == '*' || c == '_' ? std::string("\\") + c : std::string(1, c);
    out += "\n";
  }
  while (out.ends_with("\n")) out.pop_back();
  return out;
}

/// Sizes with `chunks` as it is for schedules that take them, 2 for most; refused ones give no row.
template <class S>
sizes sized(int ranks, int micro_batches) {
  return {.ranks = ranks, .micro_batches = micro_batches, .chunks = takes_chunks<S>() ? 2 : 1};
}

/// A table of all schedules at some sizes and costs.
std::string table(int ranks, int micro_batches, const costs& c) {
  std::string out = "| schedule | stages a rank | makespan | bubble % | within ranks % | peak | messages | weight passes |\n|---|---|---|---|---|---|---|---|\n";
  all_schedules::each([&](auto s) {
    using S = decltype(s);
    const sizes z = sized<S>(ranks, micro_batches);
    if (refuses(s, z)) return;
    const plan p = make_plan(s, z);
    const forecast f = simulate(p, c);
    int stages = 0;
    for (int k = 0; k < p.stages; ++k)
      for (int r = 0; r < p.routes; ++r) stages += plan_view(p).route(r).rank_of(k) == 0;
    out += "| [" + std::string(s.name) + "](#" + s.name + ") | " + std::to_string(stages) + " | " + number(f.makespan) + " | " + percent(f.bubble_rate()) + " | " +
           percent(f.span_bubble_rate()) + " | " + number(f.peak) + " | " + std::to_string(f.messages) + " | " + words(p) + " |\n";
  });
  return out;
}

const char* const opening = R"(# Schedules

Each schedule is one header in `include/stretto/schedule/`; this page is made from them. A picture's boxes are passes: F, I (gradients
of inputs), W (gradients of weights) or B (both), with the micro-batch's number; where a rank has several stages, a stage has a
shade.

How to choose: `stretto-explore compare --ranks 8 --micro-batches 32 --costs 1,1.2,0.8 --latency 0.05 --memory-limit 8` lists what
fits your sizes and your memory, the fastest first, at your costs. No schedule is best for all: more chunks make the bubble
smaller and the messages more, splitting backward passes fills the drain and holds gradients longer, and overlapped pairs are as
good as what your kernels overlap.

`within ranks` is the idle share from a rank's first pass to its last, which is what counts where the next step may begin early.
`peak` is what the fullest rank holds, in micro-batches of its whole share. Weight passes that ascend give the bits of one rank;
others repeat their own ([numerics.md](numerics.md)).

)";

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "stretto: schedules_page takes the project's folder and the one to write to\n");
    return 2;
  }
  const std::string root = argv[1], out = argv[2];
  std::filesystem::create_directories(out + "/pictures");
  std::string page = opening;
  page += "## At a glance\n\n4 ranks, 16 micro-batches, every pass at cost 1, two chunks a rank where a schedule takes them:\n\n" + table(4, 16, costs());
  page += "\nThe same where the gradients of inputs take long and those of weights are short (F 1, I 2, W 0.3) and a message takes 0.1:\n\n" +
          table(4, 16, costs(1, 2, 0.3, 0.1));
  page += "\nAs many micro-batches as ranks, 8, every pass at cost 1:\n\n" + table(8, 8, costs());
  all_schedules::each([&](auto s) {
    using S = decltype(s);
    const std::string type = type_name<S>(), name = s.name;
    const plan p = make_plan(s, S::picture);
    std::ofstream(out + "/pictures/" + name + ".svg", std::ios::binary) << to_svg(make_timeline(p, costs(), holding(), {.title = name}));
    page += "\n## " + name + "\n\n`" + type + "`, [schedule/" + type + ".hpp](../include/stretto/schedule/" + type + ".hpp). Needs " + s.needs + ".\n\n";
    page += "![" + name + "](pictures/" + name + ".svg)\n\n";
    page += prose(root + "/include/stretto/schedule/" + type + ".hpp") + "\n";
  });
  std::ofstream(out + "/schedules.md", std::ios::binary) << page;
}
