// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// CUB's sort, in a source of its own: its headers have a namespace `cuda`, which programs that say `using namespace stretto`
// could no longer name.
#include <cub/device/device_radix_sort.cuh>

#include <cstddef>
#include <cstdint>
#include <stdexcept>

namespace bench {

std::int64_t cub_sort_bytes(std::int64_t count, int bits);
void cub_sort(void* room, std::int64_t bytes, const std::uint32_t* keys, std::uint32_t* sorted_keys, const std::uint32_t* places, std::uint32_t* sorted_places, std::int64_t count, int bits,
              cudaStream_t);

namespace {

std::size_t sort(void* room, std::size_t bytes, const std::uint32_t* keys, std::uint32_t* sorted_keys, const std::uint32_t* places, std::uint32_t* sorted_places, std::int64_t count, int bits,
                 cudaStream_t s) {
  const cudaError_t code = cub::DeviceRadixSort::SortPairs(room, bytes, keys, sorted_keys, places, sorted_places, count, 0, bits, s);
  if (code != cudaSuccess) throw std::runtime_error(std::string("stretto: CUB's sort failed: ") + cudaGetErrorString(code) + "; see what was put on the device before it");
  return bytes;
}

}  // namespace

std::int64_t cub_sort_bytes(std::int64_t count, int bits) { return static_cast<std::int64_t>(sort(nullptr, 0, nullptr, nullptr, nullptr, nullptr, count, bits, nullptr)); }

void cub_sort(void* room, std::int64_t bytes, const std::uint32_t* keys, std::uint32_t* sorted_keys, const std::uint32_t* places, std::uint32_t* sorted_places, std::int64_t count, int bits,
              cudaStream_t s) {
  sort(room, static_cast<std::size_t>(bytes), keys, sorted_keys, places, sorted_places, count, bits, s);
}

}  // namespace bench
