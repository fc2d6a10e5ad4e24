// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Runs test cases in every process: mpirun -n 4 test_mpi_open "name of the case". Each process makes the same calls in the
// same order. A case says by a tag how many ranks it is for.
#define CATCH_CONFIG_RUNNER
#include <stretto/transport/mpi.hpp>

#include "catch.hpp"

int main(int argc, char** argv) {
  int level = 0;
  if (MPI_Init_thread(&argc, &argv, MPI_THREAD_SERIALIZED, &level) != MPI_SUCCESS) return 2;
  const int failed = Catch::Session().run(argc, argv);
  if (failed != 0) return failed;  // the others may wait for this rank, so MPI isn't ended
  MPI_Finalize();
  return 0;
}
