// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every operation of a CUDA device once, in the type STRETTO_ELEMENT, over a device that isn't there: each kernel is compiled,
// and each launch says what it reads and writes.
//
//     void rows(room&);      rows.cu, attention.cu, numbers.cu, images.cu
// What a kernel takes of the device is read from ptxas while this is compiled; see resources.cmake.
#pragma once

#include <deque>

#include <stretto/cuda/checked.hpp>
#include <stretto/cuda/queue.hpp>
#include <stretto/tensor/tensor.hpp>

namespace operations {

using namespace stretto;
using cuda::checked;
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

 private:
  void* take(std::int64_t bytes) { return blocks_.emplace_back(shape<1>{{bytes}}).data(); }
  std::deque<tensor<std::int8_t, 1, memory>> blocks_;
};

void rows(room&);
void attention(room&);
void numbers(room&);
void images(room&);

}  // namespace operations
