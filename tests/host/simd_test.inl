// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

inline float first_of(lanes v) {
  float t[width];
  store(t, v);
  return t[0];
}

inline void functions_of(float x, float* out) {
  out[0] = first_of(exp(set(x)));
  out[1] = first_of(logistic(set(x)));
  out[2] = first_of(tanh(set(x)));
  out[3] = first_of(erf(set(x)));
}

/// Stores n of x in each type, loads them again, and counts what is wrong.
template <class T>
int moves_one(float x, int n) {
  T kept[width + 1];
  const T want = static_cast<T>(x);
  T other;
  std::memset(static_cast<void*>(&other), 0x12, sizeof(T));
  for (T& k : kept) k = other;
  const int some = n < width ? n : width;
  if (some == width) store(kept, set(x));
  else store_some(kept, set(x), some);
  int wrong = 0;
  const auto same = [](const T& a, const T& b) { return std::memcmp(&a, &b, sizeof(T)) == 0 || (static_cast<float>(a) != static_cast<float>(a) && static_cast<float>(b) != static_cast<float>(b)); };
  for (int i = 0; i <= width; ++i) wrong += !same(kept[i], i < some ? want : other);
  float back[width];
  store(back, some == width ? load(kept) : load_some(kept, some));
  for (int i = 0; i < width; ++i) {
    const float was = i < some ? static_cast<float>(want) : 0.0f;
    wrong += !(std::memcmp(&back[i], &was, sizeof(float)) == 0 || (back[i] != back[i] && was != was));
  }
  return wrong;
}
inline int moves_of(float x, int n) { return moves_one<float>(x, n) + moves_one<bf16>(x, n) + moves_one<fp16>(x, n); }
