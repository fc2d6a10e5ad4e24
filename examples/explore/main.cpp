// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// stretto-explore: looks at schedules from the command line. Everything that it knows of a schedule it asks the library.
//
//     arguments.hpp   words and flags           files.hpp     in and out               words.hpp   numbers as words
//     schedules.hpp   what the library has      pricing.hpp   what things cost         choose.hpp  from words to a plan
//     look.hpp  draw.hpp  lists.hpp  measure.hpp  compare.hpp  judge.hpp               the commands
#include <cstdio>
#include <new>
#include <string>
#include <vector>

#include "compare.hpp"
#include "draw.hpp"
#include "judge.hpp"
#include "lists.hpp"
#include "look.hpp"
#include "measure.hpp"

namespace {

using namespace explore;

constexpr const char* help_text = R"(stretto-explore: plans of pipeline schedules, shown, measured, compared and checked

  stretto-explore list                      one line a schedule: name, what it does, sizes it needs, flags it takes
  stretto-explore show     NAME SIZES       the timeline in colour, and what it costs
  stretto-explore compare  SIZES            every schedule that fits the sizes, by the time of a step
  stretto-explore grid     NAME SIZES       the timeline as text, one row a rank
  stretto-explore metrics  NAME SIZES       makespan, bubble, peaks, counts
  stretto-explore simulate NAME SIZES       why ranks are idle, the critical path, and what no order can beat
  stretto-explore csv      NAME SIZES       the plan's lists, one row a rank, one cell an action
  stretto-explore lower    NAME SIZES       the same with its messages placed
  stretto-explore check    FILE.csv         whether the lists are complete, ordered and free of deadlock
  stretto-explore svg      NAME SIZES       a picture
  stretto-explore html     NAME SIZES       a page to look around in
  stretto-explore trace    NAME SIZES       a trace for Perfetto or chrome://tracing
  stretto-explore header   NAME SIZES       the plan as a constant in C++

FILE.csv (or -, standard input) may stand for NAME and SIZES, too.
SIZES are --ranks P --micro-batches M and, where the schedule takes them, --chunks V, --slices Q and its own options.
With every FILE.csv:
  --dialect D           whose CSV it is: own, torch, torchtitan or old (default own)
With every NAME:
  --lowered             with sends and receives; with it, and with lower,
    --receives WHEN     eager, deferred, or K passes before they are needed (default eager)
    --links MODEL       places receives so that the program runs under it, or says that it doesn't
    --merge-backward    I with its W directly behind becomes B
    --unshard W         gathers the weights of W stages at a time
    --reduce-grad       reduces a stage's gradients behind its last weight pass
  --costs F,I,W         of one rank's whole share of one micro-batch (default 1,1,1; a fused B costs I+W)
  --latency C           from the end of a pass to the arrival of its message on another rank (default 0)
  --bandwidth X         messages of a micro-batch that a link moves in a unit of time (default: without limit)
  --sharing WHO         none, pair or node:N: whose messages take turns (default none)
  --costs-file FILE     lines 'rank R PASS COST', 'stage S PASS COST', 'link R R LATENCY [BANDWIDTH]'; # begins a comment,
                        * is any rank, and 'rank R * X' makes all of its passes X times as dear
  --overlapped X        share of its two passes' costs that an overlapped pair takes (default 1)
  --jitter X            passes take a little more or less each time; --seed N says which (default 0)
  --stragglers S,F      in a share S of the steps a rank takes F times as long (default none)
  --memory F,I,W        held by a forward, released by the input pass and by the weight pass (default 1,0,1)
  --peak K              limits a search to K times what a forward holds
csv, lower, svg, html, trace and header take
  -o FILE               where to write; without, standard output
svg takes
  --held, --messages    draws what each rank holds, and the messages
csv and lower take
  --to D                in which dialect to write
metrics and simulate take
  --steps N             simulates N steps without a barrier between them, and prints the steady time of one
metrics, simulate and compare take
  --json                prints one JSON object
simulate takes
  --spread N            the median and the 95th percentile of N seeds, with --jitter or --stragglers
grid and show take
  --width N             cuts longer rows (default: the terminal's width for show, else whole rows)
show takes
  --color WHEN          auto, always or never (default auto: on a terminal, unless NO_COLOR is set)
compare takes
  --chunks V            tries 1 to V chunks a rank, where the schedule takes them (default 4)
  --slices Q            tries 1 and Q slices, where the schedule takes them
  --memory-limit K      leaves out what holds more than K times what a forward holds
  --group N, ...        a schedule's own option, for all that have it (default: theirs)
header takes
  --name ID             of the constant
check takes
  --links MODEL         buffered, bounded:K, per_edge, grouped, rendezvous or single_fifo
                        (default: buffered for orders, per_edge for files with messages)
  --lowered             places sends and receives first; a model about messages does so too

Exit status: 0 fine; 1 the plan has a fault, the schedule has no plan for these sizes, or nothing compared fits; 2 the
command line or a file can't be read or written.
)";

struct command {
  const char* name;
  int (*run)(arguments&);
};
constexpr command commands[] = {
    {"list", list},   {"show", show},   {"compare", compare}, {"grid", grid}, {"metrics", metrics}, {"simulate", simulate}, {"csv", csv},
    {"lower", lower}, {"check", check}, {"svg", svg},         {"html", html}, {"trace", trace},     {"header", header},
};

int run(arguments& a) {
  if (a.help()) {
    put(help_text);
    return 0;
  }
  const std::string word = a.word();
  if (word == "version" || a.flag("--version")) {
    put("stretto " + std::to_string(stretto::version.of_major) + "." + std::to_string(stretto::version.of_minor) + "." +
        std::to_string(stretto::version.of_patch) + "\n");
    return 0;
  }
  std::vector<std::string> all;
  for (const command& c : commands) {
    if (word == c.name) return c.run(a);
    all.emplace_back(c.name);
  }
  if (word.empty()) refuse("a command is missing; there are " + joined(all, ", ") + "; stretto-explore --help says more");
  refuse("there is no command '" + word + "'; " + nearest(word, all));
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
