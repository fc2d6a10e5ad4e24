// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Runs test cases in every process: mpirun -n 4 test_mpi "name of the case". Each process makes the same calls in the same
// order. A case says by a tag how many ranks it is for. Knows no MPI, so it is compiled once for all of them.
#define CATCH_CONFIG_RUNNER
#include "catch.hpp"

void begin_processes(int* argc, char*** argv);  // processes.cpp
void end_processes();

int main(int argc, char** argv) {
  begin_processes(&argc, &argv);
  const int failed = Catch::Session().run(argc, argv);
  if (failed == 0) end_processes();  // else the others may wait for this rank, and MPI would wait for them
  return failed;
}
