// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Build:        nvcc -std=c++20 -O2 -arch=native -Iinclude examples/25_own_kernel.cu -o own_kernel
// Prints:       first, without a device, that nothing in a pipeline of layers with their own kernels is used before it is ready,
//               and the sentence for a mistake; then, where there is a device, how far its gradients are from the CPU's.
// Change next:  writes_of(y) in forward to reads_of(y); on a device, the formula.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include <stretto/cuda/checked.hpp>
#include <stretto/cuda/device.hpp>
#include <stretto/cuda/pipeline_optimizer.cuh>
#include <stretto/run.hpp>
#include <stretto/transport/cuda_streams.hpp>

using namespace stretto;

constexpr int width = 1000;

// 1. Kernels take one struct.
struct wave {
  const float *x = nullptr, *dy = nullptr, *w = nullptr;
  float *y = nullptr, *dw = nullptr;
  double* sum = nullptr;
  float g = 0;
};
__global__ void wave_forward(wave a) {
  if (const unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < width) a.y[i] = sinf(a.w[i] * a.x[i]);
}
__global__ void wave_backward_input(wave a) {
  if (const unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < width) a.y[i] = a.dy[i] * cosf(a.w[i] * a.x[i]) * a.w[i];
}
__global__ void wave_backward_weight(wave a) {
  if (const unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < width) a.dw[i] += a.dy[i] * cosf(a.w[i] * a.x[i]) * a.x[i];
}
__global__ void half_squares(wave a) {  // one thread, so that its order is fixed
  double sum = 0;
  for (int i = 0; i < width; ++i) sum += 0.5 * static_cast<double>(a.x[i]) * static_cast<double>(a.x[i]);
  *a.sum = sum;
}
__global__ void half_squares_backward(wave a) {
  if (const unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < width) a.y[i] = a.g * a.x[i];
}
constexpr cuda::launch_shape everywhere{.blocks = (width + 127) / 128, .threads = 128}, one_thread{.blocks = 1, .threads = 1};

// 2. A layer has tensors of the device, and puts its kernels on the rank's queue. What each launch reads and writes is for who
// watches; the real device doesn't look at it. Runtime is what says whether there is one.
template <class Runtime>
struct on {
  using numbers = tensor<float, 1, cuda::basic_memory<Runtime>>;
  using tools = cuda::basic_tools<Runtime>;
  static void put(context& c, const char* what, void (*kernel)(wave), const wave& a, auto reads, auto writes) {
    c.tools<tools>().queue.launch(what, kernel, kernel == half_squares ? one_thread : everywhere, a, reads, writes);
  }

  struct start {
    using input = nothing;
    using output = numbers;
    using tools = on::tools;
    tools make_tools() const { return tools(); }
    output make_output() const { return output({width}); }
    void forward(context& c, const nothing&, output& y) {
      auto& q = c.tools<tools>().queue;
      q.copy(q.upload(c.feed<float>("x")), y);
    }
    void backward_input(context&, const nothing&, const output&, nothing&) {}
  };

  struct waves {
    using input = numbers;
    using output = numbers;
    using tools = on::tools;
    numbers w{{width}}, dw{{width}};
    explicit waves(layer_index at) {
      std::vector<float> first(width);
      for (int i = 0; i < width; ++i) first[static_cast<std::size_t>(i)] = 0.5f + 0.1f * static_cast<float>(at.value) + 1e-4f * static_cast<float>(i);
      cuda::to_device(w, first.data());
    }
    tools make_tools() const { return tools(); }
    output make_output() const { return output({width}); }
    void forward(context& c, const input& x, output& y) {
      put(c, "waves", wave_forward, {.x = x.data(), .w = w.data(), .y = y.data()}, cuda::reads_of(x, w), cuda::writes_of(y));
    }
    void backward_input(context& c, const input& x, const output& dy, input& dx) {
      put(c, "waves' gradient", wave_backward_input, {.x = x.data(), .dy = dy.data(), .w = w.data(), .y = dx.data()}, cuda::reads_of(x, dy, w), cuda::writes_of(dx));
    }
    void backward_weight(context& c, const input& x, const output& dy) {
      put(c, "waves' weights", wave_backward_weight, {.x = x.data(), .dy = dy.data(), .w = w.data(), .dw = dw.data()}, cuda::reads_of(x, dy, w), cuda::writes_of(dw));
    }
    void parameters(auto&& visit) { visit("w", w, dw); }
  };

  // 3. The last layer's sum stays on the device until the step's end.
  struct loss {
    using input = numbers;
    using output = cuda::basic_sum<Runtime>;
    using tools = on::tools;
    tools make_tools() const { return tools(); }
    void forward(context& c, const input& x, output& sum) {
      put(c, "loss", half_squares, {.x = x.data(), .sum = sum.view().data()}, cuda::reads_of(x), cuda::writes_of(sum.view()));
    }
    void backward_input(context& c, const input& x, const double& g, input& dx) {
      put(c, "loss's gradient", half_squares_backward, {.x = x.data(), .y = dx.data(), .g = static_cast<float>(g)}, cuda::reads_of(x), cuda::writes_of(dx));
    }
  };
};

constexpr int batches = 4;
std::vector<float> inputs(int micro_batch) {
  std::vector<float> x(width);
  for (int i = 0; i < width; ++i) x[static_cast<std::size_t>(i)] = 0.2f + 0.1f * static_cast<float>(micro_batch) + 5e-4f * static_cast<float>(i);
  return x;
}

/// The gradients of a step on three ranks, one behind the other.
template <class Runtime>
std::vector<float> gradients() {
  using layers = on<Runtime>;
  const auto model = sequential(layer<typename layers::start>(), repeat<typename layers::waves>(4), layer<typename layers::loss>());
  stream_ranks<Runtime> t(3);
  pipeline p(t, model, even_cut(std::vector<double>(6, 1), 3), make_plan(one_f_one_b{}, {.ranks = 3, .micro_batches = batches}), cuda::basic_optimizer<Runtime, adamw_options>{});
  std::vector<std::vector<float>> x;
  for (int m = 0; m < batches; ++m) x.push_back(inputs(m));
  p.template feed<float>("x", [&](const data_share& s) { return view<const float>{x[static_cast<std::size_t>(s.micro_batch)].data(), width}; });
  p.probe(batches).loss();
  p.finish();
  std::vector<float> all;
  for (const parameter& one : p.parameters()) {
    all.resize(all.size() + width);
    one.copy(all.data() + all.size() - width, one.gradient, width * 4);
  }
  return all;
}

/// The same by loops of the CPU, in double.
std::vector<double> plain_gradients() {
  std::vector<double> all(4 * width);
  for (int m = 0; m < batches; ++m)
    for (int i = 0; i < width; ++i) {
      double x[5] = {static_cast<double>(inputs(m)[static_cast<std::size_t>(i)])}, w[4];
      for (int l = 0; l < 4; ++l) {
        w[l] = static_cast<double>(0.5f + 0.1f * static_cast<float>(l + 1) + 1e-4f * static_cast<float>(i));
        x[l + 1] = std::sin(w[l] * x[l]);
      }
      double g = x[4] / batches;
      for (int l = 3; l >= 0; --l) {
        all[static_cast<std::size_t>(l * width + i)] += g * std::cos(w[l] * x[l]) * x[l];
        g *= std::cos(w[l] * x[l]) * w[l];
      }
    }
  return all;
}

int shown() {
  using cuda::checked;
  // 4. Without a device: every launch, copy and event of the program is looked at; kernels aren't run.
  checked::begin();
  gradients<checked>();
  const auto faults = checked::finish();
  std::printf("the pipeline: %d faults in %d pieces of work on streams\n", static_cast<int>(faults.size()), static_cast<int>(checked::works()));
  checked::begin();
  {
    cuda::basic_queue<checked> one({.scratch_bytes = 256}), two({.scratch_bytes = 256});
    on<checked>::numbers x({width}), w({width}), y({width});
    one.launch("waves", wave_forward, everywhere, {.x = x.data(), .w = w.data(), .y = y.data()}, cuda::reads_of(x, w), cuda::writes_of(y));
    two.copy(y, x);  // nothing says that the one is done before the other begins
  }
  for (const std::string& fault : checked::finish()) std::printf("%s\n", fault.c_str());

  if (cuda::runtime::devices() == 0) return std::printf("there is no CUDA device here\n"), faults.empty() ? 0 : 1;
  const std::vector<float> there = gradients<cuda::runtime>();
  const std::vector<double> here = plain_gradients();
  double off = 0;
  for (std::size_t i = 0; i < here.size(); ++i) off = std::max(off, std::abs(static_cast<double>(there[i]) - here[i]));
  std::printf("gradients on the device are off by %.1e at most\n", off);
  return faults.empty() && off < 1e-5 ? 0 : 1;
}

int main() {
  try {
    return shown();
  } catch (const error& e) {
    return std::printf("%s\n", e.what()), 1;
  }
}
