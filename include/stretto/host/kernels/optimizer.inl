// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Steps of optimizers: numeric/optimizer.hpp in lanes. A rule turns weights, gradients and states of some elements into new
// ones; step_weights walks a run with it.

struct sgd_rule {
  static constexpr int states = 0;
  lanes rate, decay;
  bool decays;

  explicit sgd_rule(const optimizer_arguments& a) : rate(set(a.rate)), decay(set(a.decay)), decays(a.decay != 0) {}

  lanes operator()(lanes w, lanes g, lanes&, lanes&) const { return fnma(rate, decays ? fma(decay, w, g) : g, w); }
};

struct momentum_rule {
  static constexpr int states = 1;
  lanes rate, decay, keep;
  bool decays, nesterov;

  explicit momentum_rule(const optimizer_arguments& a) : rate(set(a.rate)), decay(set(a.decay)), keep(set(a.factor1)), decays(a.decay != 0), nesterov(a.nesterov) {}

  lanes operator()(lanes w, lanes g, lanes& m, lanes&) const {
    if (decays) g = fma(decay, w, g);
    m = fma(keep, m, g);
    return fnma(rate, nesterov ? fma(keep, m, g) : m, w);
  }
};

struct adamw_rule {
  static constexpr int states = 2;
  lanes rate, move1, move2, correct1, correct2, guard, decay;
  bool coupled;

  explicit adamw_rule(const optimizer_arguments& a)
      : rate(set(a.rate)), move1(set(a.factor1)), move2(set(a.factor2)), correct1(set(a.correct1)), correct2(set(a.correct2)), guard(set(a.guard)),
        decay(set(a.decay)), coupled(a.coupled) {}

  lanes operator()(lanes w, lanes g, lanes& m, lanes& v) const {
    if (coupled) g = fma(decay, w, g);
    m = fma(move1, sub(g, m), m);
    v = fma(move2, fma(g, g, negate(v)), v);
    lanes step = div(mul(m, correct1), add(sqrt(mul(v, correct2)), guard));
    if (!coupled) step = fma(decay, w, step);
    return fnma(rate, step, w);
  }
};

struct lion_rule {
  static constexpr int states = 1;
  lanes rate, move1, move2, decay;

  explicit lion_rule(const optimizer_arguments& a) : rate(set(a.rate)), move1(set(a.factor1)), move2(set(a.factor2)), decay(set(a.decay)) {}

  lanes operator()(lanes w, lanes g, lanes& m, lanes&) const {
    const lanes off = sub(g, m), c = fma(move1, off, m);
    m = fma(move2, off, m);
    const lanes sign = select(less(zero(), abs(c)), copy_sign(set(1.0f), c), c);
    return fnma(rate, fma(decay, w, sign), w);
  }
};

/// Some elements: a whole vector, or fewer.
template <bool Whole, class P>
lanes load_elements(const P* p, std::int64_t n) {
  if constexpr (Whole) return load(p);
  else return load_some(p, n);
}
template <bool Whole, class P>
void store_elements(P* p, lanes v, std::int64_t n) {
  if constexpr (Whole) store(p, v);
  else store_some(p, v, n);
}

/// Inlined, or the constants of the rule would go through memory.
template <bool Whole, bool Mastered, bool Chances, class T, class Rule>
[[gnu::always_inline]] inline void step_elements(const optimizer_arguments& a, const Rule& rule, lanes scale, std::int64_t i, std::int64_t n, const std::uint32_t* words, std::int64_t at) {
  T* const weight = static_cast<T*>(a.weight) + i;
  lanes m = zero(), v = zero(), w;
  if constexpr (Rule::states > 0) m = load_elements<Whole>(a.state0 + i, n);
  if constexpr (Rule::states > 1) v = load_elements<Whole>(a.state1 + i, n);
  if constexpr (Mastered) w = load_elements<Whole>(a.master + i, n);
  else w = load_elements<Whole>(weight, n);
  w = rule(w, mul(load_elements<Whole>(a.gradient + i, n), scale), m, v);
  if constexpr (Rule::states > 0) store_elements<Whole>(a.state0 + i, m, n);
  if constexpr (Rule::states > 1) store_elements<Whole>(a.state1 + i, v, n);
  if constexpr (Mastered) store_elements<Whole>(a.master + i, w, n);
  if constexpr (Chances) w = rounded_by_chance<T>(w, load_halves(words, at));
  store_elements<Whole>(weight, w, n);
}

template <bool Mastered, class T, class Rule>
void step_weights(const optimizer_arguments& given, std::int64_t first, std::int64_t last) {
  const optimizer_arguments a = given;  // nothing that is written can change it
  const Rule rule(a);
  const lanes scale = set(a.scale);
  std::int64_t i = first;
  if constexpr (sizeof(T) == 2) {
    constexpr std::int64_t piece = 128;  // few, so that drawing and memory overlap
    random_words<false> drawn(a.chance);
    while (a.stochastic && i < last) {
      const std::uint64_t element = static_cast<std::uint64_t>(a.first_index) + static_cast<std::uint64_t>(i);
      const std::int64_t rest = piece - static_cast<std::int64_t>(element % piece), end = i + rest < last ? i + rest : last, odd = static_cast<std::int64_t>(element % 2);
      drawn.draw(a.chance.sample, element / 2, (odd + end - i + 1) / 2, a.gradient + i);
      const std::int64_t half = 2 * drawn.offset + odd - i;  // of a word, that of element 0
      for (; i + width <= end; i += width) step_elements<true, Mastered, true, T>(a, rule, scale, i, width, drawn.words, half + i);
      if (i < end) step_elements<false, Mastered, true, T>(a, rule, scale, i, end - i, drawn.words, half + i);
      i = end;
    }
  }
  for (; i + width <= last; i += width) step_elements<true, Mastered, false, T>(a, rule, scale, i, width, nullptr, 0);
  if (i < last) step_elements<false, Mastered, false, T>(a, rule, scale, i, last - i, nullptr, 0);
}

template <class T, class Rule>
void step_run(const optimizer_arguments& a, std::int64_t first, std::int64_t last) {
  if (a.master != nullptr) step_weights<true, T, Rule>(a, first, last);
  else step_weights<false, T, Rule>(a, first, last);
}

template <class T>
void step_sgd(const optimizer_arguments& a, std::int64_t first, std::int64_t last, const worker&) {
  if (a.state0 != nullptr) step_run<T, momentum_rule>(a, first, last);
  else step_run<T, sgd_rule>(a, first, last);
}
template <class T>
void step_adamw(const optimizer_arguments& a, std::int64_t first, std::int64_t last, const worker&) {
  step_run<T, adamw_rule>(a, first, last);
}
template <class T>
void step_lion(const optimizer_arguments& a, std::int64_t first, std::int64_t last, const worker&) {
  step_run<T, lion_rule>(a, first, last);
}
