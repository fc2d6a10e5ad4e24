// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every operation of a CUDA device once, in the type STRETTO_ELEMENT, over a device that isn't there: each kernel is compiled,
// each launch writes something and says so, of memory that is there, and whatever an operation is given is touched by a launch.
//
//     void rows(room&);      rows.cu, attention.cu, numbers.cu, images.cu
// What a kernel takes of the device is read from ptxas while this is compiled; see resources.cmake.
#pragma once

#include <cstdio>
#include <deque>
#include <vector>

#include <stretto/cuda/checked.hpp>
#include <stretto/cuda/queue.hpp>
#include <stretto/tensor/tensor.hpp>

namespace operations {

using namespace stretto;
/// cuda::checked, which keeps what launches say that they touch.
struct checked : cuda::checked {
  static std::vector<cuda::touch>& touches() {
    static std::vector<cuda::touch> all;
    return all;
  }
  static int& writes_nothing() {
    static int launches = 0;
    return launches;
  }
  template <class Arguments>
  STRETTO_OPERATION static void launch(const char* who, void (*kernel)(Arguments), const cuda::launch_shape& shape, stream s, const Arguments& a, const cuda::touch* touched, int count) {
    keep(who, touched, count);
    cuda::checked::launch(who, kernel, shape, s, a, touched, count);
  }
  template <class Arguments>
  static void call(const char* who, void (*function)(const Arguments&), stream s, const Arguments& a, const cuda::touch* touched, int count) {
    keep(who, touched, count);
    cuda::checked::call(who, function, s, a, touched, count);
  }
  static void copy(void* to, const void* from, std::int64_t bytes, stream s) {
    touches().insert(touches().end(), {{from, bytes, false}, {to, bytes, true}});
    cuda::checked::copy(to, from, bytes, s);
  }
  static void zero(void* block, std::int64_t bytes, stream s) {
    touches().push_back({block, bytes, true});
    cuda::checked::zero(block, bytes, s);
  }

 private:
  static void keep(const char* who, const cuda::touch* touched, int count) {
    touches().insert(touches().end(), touched, touched + count);
    for (int i = 0; i < count; ++i)
      if (touched[i].writes) return;
    std::printf("'%s' writes nothing\n", who);
    ++writes_nothing();
  }
};

using element = STRETTO_ELEMENT;
using memory = cuda::basic_memory<checked>;

/// Memory of the device, all zeros, until the room goes.
class room {
 public:
  cuda::basic_queue<checked> q;

  template <class T>
  tensor_view<T, 1, memory> run(std::int64_t count) {
    return {static_cast<T*>(take(count * static_cast<std::int64_t>(sizeof(T)))), {{count}}};
  }
  template <class T>
  tensor_view<T, 2, memory> matrix(std::int64_t rows, std::int64_t columns) {
    return {run<T>(rows * columns).data(), {{rows, columns}}};
  }
  template <class T>
  tensor_view<T, 3, memory> heads(std::int64_t tokens, std::int64_t heads, std::int64_t size) {
    return {run<T>(tokens * heads * size).data(), {{tokens, heads, size}}};
  }
  template <class T>
  tensor_view<T, 4, memory> images(const shape<4>& s) {
    return {run<T>(s.count()).data(), s};
  }
  template <class T>
  T* one() {
    return static_cast<T*>(take(sizeof(T)));
  }

  /// How many of its blocks nobody touched.
  int untouched() const {
    int count = 0, number = 0;
    for (const auto& block : blocks_) {
      ++number;
      const char* const begin = reinterpret_cast<const char*>(block.data());
      bool touched = false;
      for (const cuda::touch& t : checked::touches()) touched = touched || (static_cast<const char*>(t.first) >= begin && static_cast<const char*>(t.first) < begin + block.size());
      if (!touched && !block.empty()) std::printf("nobody touches the block that was taken as number %d, of %lld bytes\n", number, static_cast<long long>(block.size())), ++count;
    }
    return count;
  }

 private:
  void* take(std::int64_t bytes) { return blocks_.emplace_back(shape<1>{{bytes}}).data(); }
  std::deque<tensor<std::int8_t, 1, memory>> blocks_;
};

void rows(room&);
void attention(room&);
void numbers(room&);
void images(room&);

}  // namespace operations
