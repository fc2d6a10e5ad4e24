// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Two steps of a plan over three processes, of which one is killed: killed <plan> <rank> <point> <deadline>. A process that
// survives says what it saw: an error, and whether that came in time, or the signal by which mpirun ends it.
// `killed points` prints how many points each rank of each plan has. killed.cmake starts it.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <unistd.h>

#include <stretto/transport/mpi.hpp>

#include "run/faults.hpp"

using namespace stretto;

namespace {

/// Any transport that counts its rank's points.
using counting = faults::faulty<mpi>;

int run(const plan& order, int rank, std::int64_t at, double deadline) {
  faults::now.begin(faults::kind::dies, rank, at);
  faults::now.die = [] { ::kill(::getpid(), SIGKILL); };
  counting t(mpi_options{.deadline = deadline});
  const auto o = faults::step_of(t, order);
  if (o.words.empty()) return 5;
  std::fprintf(stderr, "[%d] %s, after %.2f s: %s\n", t.rank(), o.seconds < deadline + 1 ? "in time" : "too late", o.seconds, o.words.c_str());
  return 3;
}

}  // namespace

int main(int argc, char** argv) {
  dump_on_signals({SIGTERM});
  int chosen = argc > 1 ? std::atoi(argv[1]) : -1, index = 0, code = 2;
  const bool counts = argc == 2 && std::strcmp(argv[1], "points") == 0;
  if (!counts && argc != 5) return std::fprintf(stderr, "stretto: killed takes a plan, a rank, a point and a deadline, or 'points'\n"), 2;
  faults::each_plan([&](const plan& order, const std::string& name) {
    if (counts) {
      faults::now.begin(faults::kind::none, 0, 0);
      counting t(mpi_options{.deadline = 20});
      const auto o = faults::step_of(t, order);
      std::printf("%d %s %d %lld\n", index, name.c_str(), t.rank(), static_cast<long long>(o.points[t.rank()]));
    } else if (index == chosen) {
      code = run(order, std::atoi(argv[2]), std::atoll(argv[3]), std::atof(argv[4]));
    }
    ++index;
  });
  return counts ? 0 : code;
}
