// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// gpt_mpi: gpt with a process for each rank. All see one folder; rank 0 speaks.
//
//     mpirun -n 4 gpt_mpi --schedule zb_h1 --html
//     mpirun -n 2 gpt_mpi --resume             goes on with other ranks
#include <cstdio>

#include <stretto/core/text.hpp>

#include "processes.hpp"
#include "program.hpp"

int main(int argc, char** argv) {
  try {
    stretto::mpi& t = gpt::processes();
    if (t.rank() != 0 && std::freopen("/dev/null", "w", stdout) == nullptr) return 1;
    return gpt::program(
        argc, argv, "gpt_mpi", [&](gpt::settings& how) { how.ranks = t.ranks(); },
        [&](const gpt::settings& how) {
          if (how.ranks != t.ranks())
            throw stretto::error(stretto::text("stretto: gpt_mpi runs as ", t.ranks(), " processes and is asked for --ranks ", how.ranks, "; start as many by mpirun -n, or leave it out").str());
        },
        [](const std::string&, bool) -> gpt::trainer { return nullptr; });
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
