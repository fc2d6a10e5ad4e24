// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// stretto-explore: looks at schedules from the command line. Everything that it knows of a schedule it asks the library.
#include "schedules.hpp"

namespace {

using namespace explore;

constexpr const char* help_text = R"(stretto-explore: plans of pipeline schedules, printed, measured and checked

  stretto-explore list                      one line a schedule: name, sizes it needs, one sentence
  stretto-explore csv     NAME SIZES        the plan's lists, one row a rank, one cell an action
  stretto-explore grid    NAME SIZES        the timeline as text, one row a rank
  stretto-explore metrics NAME SIZES        makespan, bubble, peaks, counts
  stretto-explore check   FILE.csv          whether the lists are complete, ordered and free of deadlock

FILE.csv (or -, standard input) may stand for NAME and SIZES, too.
SIZES are --ranks P --micro-batches M and, where the schedule takes them, --chunks V, --slices Q and its own options.
With every NAME:
  --lowered             with sends and receives, placed eagerly
  --costs F,I,W         of one rank's whole share of one micro-batch (default 1,1,1; a fused B costs I+W)
  --latency C           from the end of a pass to the arrival of its message on another rank (default 0)
  --costs-file FILE     lines 'rank R PASS COST' or 'stage S PASS COST'; # begins a comment
  --memory F,I,W        held by a forward, released by the input pass and by the weight pass (default 1,0,1)
  --peak K              limits a search to K times what a forward holds
metrics also takes
  --steps N             simulates N steps without a barrier between them, and prints the steady time of one
  --json                prints one JSON object
check takes
  --links MODEL         buffered, bounded:K, per_edge, grouped, rendezvous or single_fifo
                        (default: buffered for orders, per_edge for files with messages)
  --lowered             places sends and receives first; a model about messages does so too

Exit status: 0 fine; 1 the plan has a fault, or the schedule has no plan for these sizes; 2 the command line or the file
can't be read.
)";

constexpr const char* commands = "list, csv, grid, metrics and check";

void put(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    refuse("the output can't be written");
}

std::string digits(double x) {
  char buffer[40];
  std::snprintf(buffer, sizeof buffer, "%.12g", x);
  return buffer;
}

int list(arguments& a) {
  a.finish("list", "no flags");
  std::string out;
  stretto::all_schedules::each([&](auto s) {
    std::string name = s.name;
    name.resize(std::max<std::size_t>(name.size(), 18), ' ');
    out += name + " " + s.summary + "; needs " + s.needs + "; takes " + flags_of<decltype(s)>() + "; type " + type_name<decltype(s)>() + "\n";
  });
  put(out);
  return 0;
}

int csv(arguments& a) {
  put(stretto::to_csv(choose("csv", a, "", [](arguments&) {}).plan));
  return 0;
}

int grid(arguments& a) {
  const chosen c = choose("grid", a, "", [](arguments&) {});
  put(stretto::to_grid(c.plan, c.prices.costs));
  return 0;
}

int metrics(arguments& a) {
  int steps = 1;
  bool json = false;
  const chosen c = choose("metrics", a, ", --steps N, --json", [&](arguments& more) {
    more.integer("--steps", steps, 1, 1'000'000);
    json = more.flag("--json");
  });
  const stretto::forecast f = stretto::simulate(c.plan, c.prices.costs, c.prices.holding, {.steps = steps});
  std::vector<std::pair<std::string, std::string>> lines{
      {"makespan", digits(f.makespan)},
      {"span", digits(f.span)},
      {"bubble", digits(f.bubble())},
      {"bubble_rate", digits(f.bubble_rate())},
      {"span_bubble_rate", digits(f.span_bubble_rate())},
      {"peak", digits(f.peak)},
  };
  std::string peaks;
  for (double p : f.peak_of) peaks += (peaks.empty() ? "" : ",") + digits(p);
  lines.push_back({"peak_per_rank", json ? "[" + peaks + "]" : peaks});
  lines.push_back({"actions", std::to_string(f.actions)});
  lines.push_back({"messages", std::to_string(f.messages)});
  if (steps > 1) lines.push_back({"step", digits(f.step)});
  std::string out = json ? "{" : "";
  for (const auto& [key, value] : lines)
    out += json ? (out.size() > 1 ? ", \"" : "\"") + key + "\": " + value : key + " " + value + "\n";
  put(json ? out + "}\n" : out);
  return 0;
}

stretto::link_model model(const std::string& word) {
  using kind = stretto::link_model::kind;
  if (word == "buffered") return stretto::links::buffered;
  if (word == "per_edge") return stretto::links::per_edge;
  if (word == "grouped") return stretto::links::grouped;
  if (word == "rendezvous") return stretto::links::rendezvous;
  if (word == "single_fifo") return stretto::links::single_fifo;
  if (word.rfind("bounded:", 0) == 0) return {kind::bounded, static_cast<int>(integer("--links bounded:K", word.substr(8), 0, 1'000'000'000))};
  refuse("there is no link model '" + word + "'; " + nearest(word, {"buffered", "bounded:K", "per_edge", "grouped", "rendezvous", "single_fifo"}));
}

int check(arguments& a) {
  std::string path = a.word(), word;
  stretto::link_model links{};
  if (a.value("--links", word)) links = model(word);
  const bool lower = a.flag("--lowered");
  if (path.empty()) path = a.word();
  if (path.empty() && a.empty()) refuse("check needs a file; stretto-explore check FILE.csv, or - for standard input");
  a.finish("check", "a file, --links MODEL, --lowered");
  stretto::plan p = plan_of_file(path);
  const bool about_messages = links.which != stretto::link_model::kind::by_plan && links.which != stretto::link_model::kind::buffered;
  stretto::verdict v = stretto::check(p, p.lowered ? links : stretto::links::buffered);
  const bool placed = v.ok() && !p.lowered && (lower || about_messages);
  if (placed) {
    p = stretto::lower(p);
    v = stretto::check(p, links);
  }
  if (!v.ok()) {
    std::fprintf(stderr, "%s\n", v.words.c_str());
    return 1;
  }
  put("valid: " + std::to_string(p.ranks) + " ranks, " + std::to_string(p.stages) + " stages, " + std::to_string(p.micro_batches) +
      " micro-batches" + (p.slices > 1 ? ", " + std::to_string(p.slices) + " slices" : "") + ", " +
      std::to_string(p.actions.size()) + (p.lowered ? " entries with messages" : " actions") + (placed ? " (placed eagerly)" : "") + "\n");
  return 0;
}

int run(arguments& a) {
  if (a.help()) {
    put(help_text);
    return 0;
  }
  const std::string command = a.word();
  if (command == "help") {
    put(help_text);
    return 0;
  }
  if (command == "version" || a.flag("--version")) {
    put("stretto " + std::to_string(stretto::version.of_major) + "." + std::to_string(stretto::version.of_minor) + "." +
        std::to_string(stretto::version.of_patch) + "\n");
    return 0;
  }
  if (command == "list") return list(a);
  if (command == "csv") return csv(a);
  if (command == "grid") return grid(a);
  if (command == "metrics") return metrics(a);
  if (command == "check") return check(a);
  if (command.empty()) refuse(std::string("a command is missing; there are ") + commands + "; stretto-explore --help says more");
  refuse("there is no command '" + command + "'; " + nearest(command, {"list", "csv", "grid", "metrics", "check"}));
}

}  // namespace

int main(int argc, char** argv) {
  try {
    arguments a(argc, argv);
    return run(a);
  } catch (const explore::usage_error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
  } catch (const stretto::error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "stretto: there isn't enough memory for a plan of this size; use fewer ranks or micro-batches\n");
    return 2;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "stretto: %s\n", e.what());
    return 2;
  }
}
