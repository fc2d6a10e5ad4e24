// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Large blocks on large pages, for plans of millions of actions: a plan is written once from end to end, so most of
// what a small page costs is its first touch. Where the system has no large pages on request, this is malloc.
#ifndef STRETTO_SANITIZED
#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <new>

namespace {
constexpr std::size_t page = std::size_t{2} << 20;
}

void* operator new(std::size_t bytes) {
  void* block = nullptr;
  if (bytes >= 4 * page && bytes < ~std::size_t{0} - page) {
    const std::size_t whole = (bytes + page - 1) / page * page;
    block = std::aligned_alloc(page, whole);
#if defined(MADV_HUGEPAGE)
    if (block != nullptr) madvise(block, whole, MADV_HUGEPAGE);
#endif
  } else {
    block = std::malloc(bytes == 0 ? 1 : bytes);
  }
  if (block == nullptr) throw std::bad_alloc();
  return block;
}

void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }
#endif
