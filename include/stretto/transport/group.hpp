// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Collectives of a group of ranks, over any transport. Sums are made in the order of the members, whoever comes first, so
// every member gets the same bits, and the same ones each time.
//
//     group g(t, rank, "data", {0, 2, 5});           every member makes one, by the same name and members
//     g.all_reduce(view<float>{x, n});               x = x of rank 0 + x of rank 2 + x of rank 5
//     g.reduce_scatter(in, out);  g.all_gather(in, out);  g.all_to_all(in, out);  g.broadcast(x, 0);  g.barrier();
//     g.all_to_all_v(in, counts, out);               counts[i] numbers for the i-th member; gives what came from each
// Members call the same functions in the same order, for runs of one size; a difference is an error that names two ranks. Longer runs than the group has room for go piece by piece.
// Cost: each rank reads the others' segments, so n × members loads for a sum.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#include <stretto/core/array.hpp>
#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/transport/transport.hpp>

namespace stretto::inline v0 {

template <transport Transport>
class group {
 public:
  /// `room`: bytes of a piece.
  group(Transport& t, int rank, label name, const std::vector<int>& members = {}, std::int64_t room = 65536) : t_(t), rank_(rank), name_(name), room_(room / 16 * 16) {
    for (int r = 0; r < (members.empty() ? t.ranks() : 0); ++r) members_.push_back(r);
    for (int r : members) members_.push_back(r);
    for (std::size_t i = 0; i < members_.size(); ++i) {
      if (members_[i] == rank) mine_ = static_cast<int>(i);
      for (std::size_t k = 0; k < i; ++k)
        if (members_[k] == members_[i]) throw error(text("stretto: rank ", members_[i], " stands twice in group '", name, "'; name each member once").str());
    }
    if (mine_ < 0) throw error(text("stretto: rank ", rank, " is no member of group '", name, "'; let only members make it").str(), {.rank = rank});
    if (room_ < 16) throw error(text("stretto: group '", name, "' has room for ", room, " bytes; give it at least 16").str());
    all_ = t.open_gathering(name, {room_ + static_cast<std::int64_t>(sizeof(stamp)), 2, members_});
  }

  group(const group&) = delete;
  group& operator=(const group&) = delete;
  ~group() { t_.close(all_); }

  int size() const { return static_cast<int>(members_.size()); }
  int index() const { return mine_; }  ///< of this rank among the members

  template <class T>
  void all_reduce(view<T> data) {
    pieces<T>(data.count, [&](std::int64_t from, std::int64_t n) {
      exchange<T>({data.first + from, n}, call::all_reduce, n);
      for (std::int64_t i = 0; i < n; ++i) data[from + i] = sum<T>(i);
    });
  }

  /// in: size() shares behind each other; out: the sum of everybody's share for this rank.
  template <class T>
  void reduce_scatter(view<const T> in, view<T> out) {
    expect(in.count == out.count * size(), in.count, out.count, "shares");
    for (int k = 0; k < size(); ++k)
      pieces<T>(out.count, [&](std::int64_t from, std::int64_t n) {
        exchange<T>({in.first + k * out.count + from, n}, call::reduce_scatter, n);
        for (std::int64_t i = 0; i < n && k == mine_; ++i) out[from + i] = sum<T>(i);
      });
  }

  /// out: everybody's in, behind each other.
  template <class T>
  void all_gather(view<const T> in, view<T> out) {
    expect(out.count == in.count * size(), out.count, in.count, "shares");
    pieces<T>(in.count, [&](std::int64_t from, std::int64_t n) {
      exchange<T>({in.first + from, n}, call::all_gather, n);
      for (int k = 0; k < size(); ++k) std::memcpy(out.first + k * in.count + from, of(k), bytes<T>(n));
    });
  }

  /// in: size() shares, the i-th for the i-th member; out: what each had for this rank.
  template <class T>
  void all_to_all(view<const T> in, view<T> out) {
    expect(in.count == out.count && in.count % size() == 0, in.count, out.count, "shares");
    const std::int64_t each = in.count / size();
    for (int to = 0; to < size(); ++to)
      pieces<T>(each, [&](std::int64_t from, std::int64_t n) {
        exchange<T>({in.first + to * each + from, n}, call::all_to_all, n);
        for (int k = 0; k < size() && to == mine_; ++k) std::memcpy(out.first + k * each + from, of(k), bytes<T>(n));
      });
  }

  /// in: counts[0] numbers for member 0, then counts[1] for member 1, …; out: what each had for this rank, behind each
  /// other. Gives how many came from each.
  template <class T>
  std::vector<std::int64_t> all_to_all_v(view<const T> in, const std::vector<std::int64_t>& counts, std::vector<T>& out) {
    std::int64_t total = 0;
    for (std::int64_t c : counts) total += c < 0 ? in.count + 1 : c;
    expect(static_cast<int>(counts.size()) == size() && total == in.count, total, in.count, "counts", "give a count of at least 0 for each member, which add up to the run");
    std::vector<std::int64_t> table(counts.size() * counts.size()), got(counts.size());
    all_gather<std::int64_t>({counts.data(), static_cast<std::int64_t>(counts.size())}, {table.data(), static_cast<std::int64_t>(table.size())});
    out.clear();
    std::int64_t at = 0;
    for (int from = 0; from < size(); ++from)
      for (int to = 0; to < size(); ++to) {
        const std::int64_t n = table[static_cast<std::size_t>(from * size() + to)];
        const T* first = in.first + at;
        pieces<T>(n, [&](std::int64_t begin, std::int64_t count) {
          exchange<T>(from == mine_ ? view<const T>{first + begin, count} : view<const T>{}, call::all_to_all_v, count);
          if (to == mine_) out.insert(out.end(), reinterpret_cast<const T*>(of(from)), reinterpret_cast<const T*>(of(from)) + count);
        });
        if (from == mine_) at += n;
        if (to == mine_) got[static_cast<std::size_t>(from)] = n;
      }
    return got;
  }

  /// Everybody gets what member `root` has.
  template <class T>
  void broadcast(view<T> data, int root) {
    expect(root >= 0 && root < size(), root, size(), "the root and members", "name a member from 0");
    pieces<T>(data.count, [&](std::int64_t from, std::int64_t n) {
      exchange<T>(root == mine_ ? view<const T>{data.first + from, n} : view<const T>{}, call::broadcast, n);
      if (root != mine_) std::memcpy(data.first + from, of(root), bytes<T>(n));
    });
  }

  void barrier() { exchange<char>({}, call::barrier, 0); }

 private:
  template <class T>
  static std::size_t bytes(std::int64_t n) {
    return static_cast<std::size_t>(n) * sizeof(T);
  }
  void expect(bool fits, std::int64_t a, std::int64_t b, const char* what, const char* fix = "give every member a share of one size") const {
    if (!fits)
      throw error(text("stretto: group '", name_, "' of ", size(), " ranks is given runs of ", a, " and ", b, ", which don't fit as ", what, "; ", fix).str(),
                  {.rank = rank_});
  }
  template <class T, class Do>
  void pieces(std::int64_t count, Do&& work) {
    static_assert(std::is_trivially_copyable_v<T>, "stretto: collectives move trivially copyable numbers; give a run of those");
    const std::int64_t most = room_ / static_cast<std::int64_t>(sizeof(T));
    if (most == 0) throw error(text("stretto: group '", name_, "' has room for ", room_, " bytes, and one number of these takes ", static_cast<std::int64_t>(sizeof(T)), "; give it more room").str(), {.rank = rank_});
    for (std::int64_t from = 0; from < count; from += most) work(from, count - from < most ? count - from : most);
  }
  enum class call : std::int32_t { all_reduce, reduce_scatter, all_gather, all_to_all, all_to_all_v, broadcast, barrier };
  struct stamp {  // in front of each piece
    call what;
    std::int32_t size;
    std::int64_t count;
    friend bool operator==(const stamp&, const stamp&) = default;
  };

  /// Everybody's piece is there when this returns, and stays until the exchange behind the next.
  template <class T>
  void exchange(view<const T> piece, call what, std::int64_t count) {
    const stamp mine{what, static_cast<std::int32_t>(sizeof(T)), count};
    auto* const to = static_cast<unsigned char*>(t_.segment(*all_, rank_, step_));
    std::memcpy(to, &mine, sizeof mine);
    if (piece.count > 0) std::memcpy(to + sizeof mine, piece.first, bytes<T>(piece.count));
    t_.publish(*all_, rank_, step_);
    t_.gathered(*all_, rank_, step_, [&](text& t) { t.add("the other members of group '", name_, "'"); });
    ++step_;
    for (int member : members_) {
      stamp other;
      std::memcpy(&other, t_.from(*all_, member, step_ - 1), sizeof other);
      if (other == mine) continue;
      text t("stretto: in group '", name_, "'");
      say(t, rank_, mine), say(t.add(" and"), member, other);
      throw error(t.add("; let all members call the same function, for runs of one size and type").str(), {.rank = rank_});
    }
  }
  static void say(text& t, int rank, const stamp& s) {
    constexpr const char* names[] = {"all_reduce", "reduce_scatter", "all_gather", "all_to_all", "all_to_all_v", "broadcast", "barrier"};
    t.add(" rank ", rank, " calls ", names[static_cast<int>(s.what)], " for ", s.count, " numbers of ", static_cast<std::int64_t>(s.size), " bytes");
  }
  const void* of(int member) const {
    return static_cast<const unsigned char*>(t_.from(*all_, members_[static_cast<std::size_t>(member)], step_ - 1)) + sizeof(stamp);
  }
  template <class T>
  T sum(std::int64_t i) const {
    T total = static_cast<const T*>(of(0))[i];
    for (int k = 1; k < size(); ++k) total += static_cast<const T*>(of(k))[i];
    return total;
  }

  Transport& t_;
  int rank_, mine_ = -1;
  label name_;
  std::int64_t room_, step_ = 0;
  std::vector<int> members_;
  typename Transport::gathering* all_ = nullptr;
};

}  // namespace stretto::inline v0
