// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Build:        g++ -std=c++20 -O2 -Iinclude -isystem /usr/include/torch/csrc/api/include examples/22_libtorch.cpp -ltorch_cpu -lc10
// Prints:       how the loss of LibTorch modules falls over four ranks; and whether one rank, and LibTorch's own autograd and
//               optimizer over the whole network without the library, get the same losses and weights to the bit.
// Change next:  the modules in block_of; the schedule, which may split backward; torch_sgd.
#include <cstdio>
#include <vector>

#include <torch/torch.h>

#include <stretto/run.hpp>

using stretto::context, stretto::nothing, stretto::layer;
constexpr int width = 32, rows = 16, blocks = 4, micro_batches = 8, steps = 61;

// 1. What crosses: a tensor of float that autograd knows nothing of, made once for each slot. copy_ fills it; = would share.
struct floats { torch::Tensor of; };
template <>
struct stretto::wire_traits<floats> {
  using gradient = floats;
  static floats gradient_like(const floats& f) { return {torch::zeros_like(f.of)}; }
  static std::int64_t bytes(const floats& f) { return f.of.numel() * static_cast<std::int64_t>(sizeof(float)); }
  static void assign(floats& to, const floats& from) { to.of.copy_(from.of); }
  static void add(floats& to, const floats& more) { to.of.add_(more.of); }
  static void cross(auto& w, floats& f) {
    std::int64_t n = f.of.size(0);
    w.number(n), f.of.resize_({n, width});
    w.run(f.of.data_ptr<float>(), bytes(f));
  }
};
// 2. Any module. The seed hangs on where it stands, so weights are the same whatever the cut.
struct block_of : torch::nn::Module {
  torch::nn::Linear wide, narrow;
  explicit block_of(int number) : wide((torch::manual_seed(number), torch::nn::LinearOptions(width, 2 * width))), narrow(2 * width, width) {
    register_module("wide", wide), register_module("narrow", narrow);
  }
  torch::Tensor forward(const torch::Tensor& x) { return x + narrow(torch::tanh(wide(x))); }
};
// 3. The adapter. Forward is recorded from a leaf on; backward asks for gradients of that leaf, or of the parameters.
template <class Module>
struct torch_layer {
  using input = floats;
  using output = floats;
  struct saved { torch::Tensor leaf, result; };  // the graph of a micro-batch
  static constexpr bool keeps_input = false;     // the leaf is a copy
  struct run {                                   // a parameter or its gradient, where LibTorch has it
    torch::Tensor of;
    float* data() { return of.data_ptr<float>(); }
    std::int64_t size() const { return of.numel(); }
  };
  Module module;
  std::vector<torch::Tensor> weights = module.parameters();
  std::vector<run> values, gradients;
  explicit torch_layer(stretto::layer_index l) : module(l.value) {
    for (const torch::Tensor& w : weights) values.push_back({w.detach()}), gradients.push_back({torch::zeros_like(w)});
  }
  output make_output() const { return {torch::empty({rows, width})}; }
  void parameters(auto&& visit) {
    std::size_t i = 0;
    for (const auto& one : module.named_parameters()) visit(one.key(), values[i], gradients[i]), ++i;
  }
  void forward(context& c, const floats& x, floats& y, saved& s) {
    const torch::AutoGradMode records(c.training);
    s.leaf = x.of.clone().set_requires_grad(c.training);
    s.result = module.forward(s.leaf);
    y.of.copy_(s.result.detach());
  }
  void backward_input(context&, const floats& dy, floats& dx, saved& s) { dx.of.copy_(torch::autograd::grad({s.result}, {s.leaf}, {dy.of}, true)[0]); }
  void backward_weight(context&, const floats& dy, saved& s) { gather(torch::autograd::grad({s.result}, weights, {dy.of}), s); }
  void backward(context&, const floats& dy, floats& dx, saved& s) {  // both in one walk, where the plan lets them be
    std::vector<torch::Tensor> wanted(weights);
    wanted.push_back(s.leaf);
    std::vector<torch::Tensor> g = torch::autograd::grad({s.result}, wanted, {dy.of});
    dx.of.copy_(g.back()), g.pop_back();
    gather(g, s);
  }
  void gather(const std::vector<torch::Tensor>& g, saved& s) {
    for (std::size_t i = 0; i < g.size(); ++i) gradients[i].of.add_(g[i]);
    s = {};  // lets the graph go
  }
};

// 4. LibTorch's step, over the memory of a parameter: it rounds w - rate * g once, and stretto::sgd twice.
struct torch_sgd {
  static constexpr int states = 0;
  double rate;
  template <class T>
  void operator()(T* w, const T* g, T* const*, std::int64_t n, double scale, std::int64_t) const {
    const auto of = [&](T* run) { return torch::from_blob(run, {n}, torch::CppTypeToScalarType<T>::value); };
    of(w).add_(of(const_cast<T*>(g)), -rate * scale);
  }
};

floats batch(int m) {
  floats f{torch::empty({rows, width})};
  for (int i = 0; i < rows * width; ++i) f.of.data_ptr<float>()[i] = stretto::random_stream{.seed = 5}.uniform(m * rows * width + i) - 0.5f;
  return f;
}
torch::Tensor off_by(const torch::Tensor& y, int m) { return (y - batch(m).of.roll(1, 1)).square().sum(); }
// 5. Ends; then losses and weights, over ranks and by LibTorch.
struct source {
  using input = nothing;
  using output = floats;
  output make_output() const { return {torch::empty({rows, width})}; }
  void forward(context& c, const nothing&, floats& out) { out.of.copy_(batch(c.share.micro_batch).of); }
};
struct judge {
  using input = floats;
  using output = double;
  void forward(context& c, const floats& y, double& sum) { sum = static_cast<double>(off_by(y.of, c.share.micro_batch).template item<float>()); }
  void backward_input(context& c, const floats& y, const double& g, floats& d) {
    const torch::Tensor leaf = y.of.detach().clone().set_requires_grad(true);
    d.of.copy_(torch::autograd::grad({off_by(leaf, c.share.micro_batch)}, {leaf}, {torch::tensor(static_cast<float>(g))})[0]);
  }
};
std::vector<double> over(int ranks, const stretto::plan& order) {
  stretto::pipeline p(stretto::sequential(layer<source>(), stretto::repeat<torch_layer<block_of>>(blocks), layer<judge>()), stretto::even_cut({0.1, 1, 1, 1, 1, 0.1}, ranks), order,
                      torch_sgd{.rate = 0.001});
  std::vector<double> seen;
  for (int s = 0; s < steps; ++s) seen.push_back(p.step(micro_batches).loss());
  for (const stretto::parameter& one : p.parameters()) seen.insert(seen.end(), static_cast<float*>(one.value), static_cast<float*>(one.value) + one.count);
  return seen;
}
std::vector<double> by_torch() {
  torch::nn::Sequential all(block_of(1), block_of(2), block_of(3), block_of(4));
  torch::optim::SGD rule(all->parameters(), 0.001);
  std::vector<double> seen;
  for (int s = 0; s < steps; ++s, rule.step(), seen.back() /= micro_batches) {
    rule.zero_grad(), seen.push_back(0);
    for (int m = 0; m < micro_batches; ++m) {
      const torch::Tensor loss = off_by(all->forward(batch(m).of), m);
      (loss / micro_batches).backward();
      seen.back() += static_cast<double>(loss.item<float>());
    }
  }
  for (const torch::Tensor& w : all->parameters()) seen.insert(seen.end(), w.data_ptr<float>(), w.data_ptr<float>() + w.numel());
  return seen;
}
int main() {
  torch::set_num_threads(1);  // ranks are threads already
  const stretto::sizes z{.ranks = 4, .micro_batches = micro_batches};
  const std::vector<double> four = over(4, stretto::make_plan(stretto::one_f_one_b{}, z));
  for (std::size_t s = 0; s < steps; s += 15) std::printf("step %2zu  loss %.2f\n", s, four[s]);
  const auto same = [&](const char* what, const std::vector<double>& other) { std::printf("%s, the same losses and weights to the bit: %s\n", what, four == other ? "yes" : "no"); };
  same("one rank", over(1, stretto::make_plan(stretto::gpipe{}, {.micro_batches = micro_batches})));
  same("backward in halves, zb_h1", over(4, stretto::make_plan(stretto::zb_h1{}, z)));
  same("LibTorch alone", by_torch());
}
