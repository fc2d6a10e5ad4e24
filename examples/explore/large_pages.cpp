// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Large blocks on large pages, for plans of millions of actions: a plan is written once from end to end, so most of
// what memory costs is its first touch. A second thread touches a very large block while the first one works. Where the
// system can't do either, this is malloc.
#ifndef STRETTO_SANITIZED
#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <new>
#include <system_error>
#include <thread>

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
#if defined(MADV_POPULATE_WRITE)  // leaves what is written there as it is
    if (block != nullptr && bytes >= 32 * page) try {
        std::thread([block, whole] { madvise(block, whole, MADV_POPULATE_WRITE); }).detach();
      } catch (const std::system_error&) {  // no thread to be had: the first touch does it
      }
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
