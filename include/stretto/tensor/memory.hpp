// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Memory spaces. A space is a type: a view of a GPU's memory can't be given to an operation of the CPU by mistake.
//
//     struct host_memory { static void* take(std::int64_t bytes);  static void give(void*, std::int64_t bytes); … };
// Blocks begin at a cache line, large ones at a page. memory_account.hpp counts them.
#pragma once

#include <cstdint>
#include <cstring>
#include <new>

#include <stretto/tensor/memory_account.hpp>

namespace stretto::inline v0 {

struct host_memory {
  static constexpr const char* name = "host";
  static constexpr bool reachable = true;  ///< whether a program on the CPU may read and write there

  /// Throws std::bad_alloc where there is none.
  static void* take(std::int64_t bytes) {
    if (bytes <= 0) return nullptr;
    void* const block = ::operator new(static_cast<unsigned long>(bytes), alignment(bytes));
    if (detail::counting != nullptr) detail::counting->add(bytes);
    return block;
  }
  static void give(void* block, std::int64_t bytes) {
    if (block == nullptr) return;
    if (detail::counting != nullptr) detail::counting->add(-bytes);
    ::operator delete(block, alignment(bytes));
  }
  static void zero(void* block, std::int64_t bytes) {
    if (bytes > 0) std::memset(block, 0, static_cast<unsigned long>(bytes));
  }
  static void copy(void* to, const void* from, std::int64_t bytes) {
    if (bytes > 0) std::memcpy(to, from, static_cast<unsigned long>(bytes));
  }

 private:
  static std::align_val_t alignment(std::int64_t bytes) { return std::align_val_t{bytes >= 65536 ? 4096ul : 64ul}; }
};

}  // namespace stretto::inline v0
