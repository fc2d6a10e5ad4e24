// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// MPI is begun and ended here, so that transports that a test lets fail don't keep it from ending.
#include <cstdlib>

#include <stretto/transport/mpi_calls.hpp>

void begin_processes(int* argc, char*** argv) {
  int level = 0;
  if (MPI_Init_thread(argc, argv, MPI_THREAD_SERIALIZED, &level) != MPI_SUCCESS) std::exit(2);
}

void end_processes() { MPI_Finalize(); }
