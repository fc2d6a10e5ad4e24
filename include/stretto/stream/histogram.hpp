// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How often times of which length came, in fixed memory, whatever their number: 64 buckets for each doubling.
//
//     h.add(1'203'000);              nanoseconds, or any whole unit
//     h.quantile(0.99)               so many of 100 were no longer: within 1/128 of the exact one; the extremes are exact
//     h.merge(of_another_thread)
// Below 128 every number has a bucket of its own. Cost: 20 KB; a shift and an addition for each number.
#pragma once

#include <bit>
#include <cstdint>

namespace stretto::inline v0 {

class histogram {
 public:
  void add(std::int64_t value) {
    if (value < 0) value = 0;
    if (value > largest) value = largest;
    ++buckets_[bucket(value)];
    least_ = count_ == 0 || value < least_ ? value : least_;
    most_ = value > most_ ? value : most_;
    sum_ += static_cast<double>(value);
    ++count_;
  }
  void merge(const histogram& other) {
    if (other.count_ == 0) return;
    for (int i = 0; i < count_of_buckets; ++i) buckets_[i] += other.buckets_[i];
    least_ = count_ == 0 || other.least_ < least_ ? other.least_ : least_;
    most_ = other.most_ > most_ ? other.most_ : most_;
    sum_ += other.sum_;
    count_ += other.count_;
  }

  std::int64_t count() const { return count_; }
  std::int64_t least() const { return least_; }
  std::int64_t most() const { return most_; }
  double mean() const { return count_ > 0 ? sum_ / static_cast<double>(count_) : 0; }

  /// The smallest number that no less than that share of all don't exceed, share from 0 to 1; 0 where there are none.
  std::int64_t quantile(double share) const {
    if (count_ == 0) return 0;
    auto rank = static_cast<std::int64_t>(share * static_cast<double>(count_));
    if (static_cast<double>(rank) < share * static_cast<double>(count_)) ++rank;
    if (rank <= 1) return least_;
    if (rank >= count_) return most_;
    std::int64_t seen = 0;
    for (int i = 0; i < count_of_buckets; ++i)
      if ((seen += buckets_[i]) >= rank) {
        const std::int64_t v = middle(i);
        return v < least_ ? least_ : v > most_ ? most_ : v;
      }
    return most_;
  }

 private:
  static constexpr int bits = 6, of_each = 1 << bits;            // buckets of a doubling
  static constexpr std::int64_t largest = (std::int64_t{1} << 45) - 1;  // nine hours of nanoseconds
  static constexpr int count_of_buckets = (45 - bits) * of_each + of_each;

  static int bucket(std::int64_t v) {
    const int shift = static_cast<int>(std::bit_width(static_cast<std::uint64_t>(v))) - bits - 1;
    return shift <= 0 ? static_cast<int>(v) : shift * of_each + static_cast<int>(v >> shift);
  }
  static std::int64_t middle(int i) {
    if (i < 2 * of_each) return i;
    const int shift = i / of_each - 1;
    const std::int64_t first = static_cast<std::int64_t>(i - shift * of_each) << shift;
    return first + (std::int64_t{1} << shift) / 2;
  }

  std::int64_t buckets_[count_of_buckets] = {};
  std::int64_t count_ = 0, least_ = 0, most_ = 0;
  double sum_ = 0;
};

}  // namespace stretto::inline v0
