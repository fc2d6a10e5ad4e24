// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which device there is, for bench/gpu_acceptance/run: a line of JSON, and 77 with "no device" where there is none. A little of
// its memory is taken, written and given back, so that a tool which can't watch the device says so.
#include <cuda_runtime.h>

#include <cstdio>

int main() {
  int count = 0, driver = 0, toolkit = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess || count == 0) return std::printf("no device\n"), 77;
  cudaDeviceProp p{};
  void* some = nullptr;
  cudaError_t code = cudaGetDeviceProperties(&p, 0);
  if (code == cudaSuccess) code = cudaDriverGetVersion(&driver);
  if (code == cudaSuccess) code = cudaRuntimeGetVersion(&toolkit);
  if (code == cudaSuccess) code = cudaMalloc(&some, 1 << 20);
  if (code == cudaSuccess) code = cudaMemset(some, 1, 1 << 20);
  if (code == cudaSuccess) code = cudaDeviceSynchronize();
  if (code == cudaSuccess) code = cudaFree(some);
  if (code != cudaSuccess) return std::fprintf(stderr, "stretto: the device can't be used: %s; see nvidia-smi\n", cudaGetErrorString(code)), 1;
  std::printf("{\"what\": \"machine\", \"device\": \"%s\", \"architecture\": \"%d%d\", \"multiprocessors\": %d, \"memory_gib\": %d, \"devices\": %d, \"toolkit\": \"%d.%d\", \"driver\": \"for CUDA %d.%d\"}\n", p.name, p.major, p.minor,
              p.multiProcessorCount, static_cast<int>(p.totalGlobalMem >> 30), count, toolkit / 1000, toolkit % 1000 / 10, driver / 1000, driver % 1000 / 10);
}
