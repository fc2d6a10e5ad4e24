// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//     bench_kernels_cuda                    everything
//     bench_kernels_cuda norms products     parts
//     bench_kernels_cuda --quick            small sizes, an instant: shows that it works, measures nothing
//     bench_kernels_cuda --json FILE        a line of JSON for each line printed
//     bench_kernels_cuda --rounds 41        instead of 21
//
//     nvcc -std=c++20 -O3 -arch=sm_90 -Iinclude bench/cuda/kernels/*.cu -lcublasLt -lcublas -o bench_kernels_cuda
// (compiled one by one, side by side, that is faster: bench/gpu_acceptance/run does it). Shares are of what the same device
// does in the same rounds: of a copy, counting bytes read and written, or of a large product. Exit: 77 with "no device" where
// there is none, 1 where a part failed, which the others don't hang on.
#include <cstdlib>
#include <cstring>

#include "parts.cuh"

namespace {

struct part {
  const char* name;
  void (*run)(bench::machine&);
};
constexpr part parts[] = {{"roofs", bench::roofs},   {"norms", bench::norms}, {"losses", bench::losses},         {"each", bench::each},
                          {"gathers", bench::gathers}, {"steps", bench::steps}, {"attentions", bench::attentions}, {"products", bench::products}};

/// Which device, toolkit and driver, and the command.
void tell_machine(std::FILE* json, int count, char** words) {
  using stretto::cuda::cuda_check;
  cudaDeviceProp p{};
  int driver = 0, toolkit = 0;
  cuda_check(cudaGetDeviceProperties(&p, 0), "cudaGetDeviceProperties");
  cuda_check(cudaDriverGetVersion(&driver), "cudaDriverGetVersion");
  cuda_check(cudaRuntimeGetVersion(&toolkit), "cudaRuntimeGetVersion");
  std::string command = "bench_kernels_cuda";
  for (int i = 1; i < count; ++i) command += std::string(" ") + words[i];
  std::printf("%s, %d multiprocessors, %d MiB of L2 cache, %lld GiB; toolkit %d.%d, driver for %d.%d\n", p.name, p.multiProcessorCount, p.l2CacheSize >> 20, static_cast<long long>(p.totalGlobalMem >> 30),
              toolkit / 1000, toolkit % 1000 / 10, driver / 1000, driver % 1000 / 10);
  for (char& c : command) c = c == '"' || c == '\\' ? ' ' : c;
  if (json != nullptr)
    std::fprintf(json, "{\"what\": \"device\", \"device\": \"%s\", \"multiprocessors\": %d, \"toolkit\": \"%d.%d\", \"driver\": \"for CUDA %d.%d\", \"command\": \"%s\"}\n", p.name, p.multiProcessorCount, toolkit / 1000, toolkit % 1000 / 10, driver / 1000, driver % 1000 / 10, command.c_str());
}

}  // namespace

void bench::roofs(machine& m) {
  turns t = beside_a_copy(m);
  t.add({"reading alone", "", std::to_string(m.bytes_read()), static_cast<double>(m.bytes_read())}, [&m] { m.read(); });
  t.run();
}

int main(int count, char** words) {
  bench::effort how;
  const char* file = nullptr;
  constexpr int all = static_cast<int>(std::size(parts));
  bool some = false, chosen[all] = {};
  for (int i = 1; i < count; ++i) {
    bool known = false;
    for (int p = 0; p < all; ++p)
      if (std::strcmp(words[i], parts[p].name) == 0) known = some = chosen[p] = true;
    if (std::strcmp(words[i], "--quick") == 0) known = how.quick = true;
    if (std::strcmp(words[i], "--json") == 0 && i + 1 < count) known = true, file = words[++i];
    else if (std::strcmp(words[i], "--rounds") == 0 && i + 1 < count) how.rounds = std::atoi(words[++i]), known = how.rounds > 0;
    if (known) continue;
    std::fprintf(stderr, "stretto: bench_kernels_cuda doesn't know '%s'; give", words[i]);
    for (const part& p : parts) std::fprintf(stderr, " %s,", p.name);
    std::fprintf(stderr, " --quick, --json FILE or --rounds N\n");
    return 2;
  }
  if (stretto::cuda::runtime::devices() == 0) return std::printf("no device\n"), 77;
  std::FILE* const json = file != nullptr ? std::fopen(file, "w") : nullptr;
  if (file != nullptr && json == nullptr) return std::fprintf(stderr, "stretto: bench_kernels_cuda can't write %s; name a file that can be written\n", file), 2;
  int failed = 0;
  try {
    tell_machine(json, count, words);
    bench::machine m(how, json);
    for (int p = 0; p < all; ++p) {
      if (some && !chosen[p]) continue;
      try {
        parts[p].run(m);
      } catch (const std::exception& e) {
        ++failed;
        std::printf("FAIL %s: %s\n", parts[p].name, e.what());
        std::fflush(stdout);
      }
    }
  } catch (const std::exception& e) {
    ++failed;
    std::printf("FAIL %s\n", e.what());
  }
  if (json != nullptr) std::fclose(json);
  return failed > 0 ? 1 : 0;
}
