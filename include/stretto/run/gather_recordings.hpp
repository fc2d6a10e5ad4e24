// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What ranks of several processes recorded, put together on all of them: each tells the times of its own entries, when it put
// its messages and when it took others', and all get the same numbers.
//
//     rank 0   F0 F1 …   put at 1.0, 2.0      ┐    one recording: all entries, and messages with both their times,
//     rank 1   F0 F1 …   taken at 7.3, 8.3    ┘    in the time of rank 0
// Clocks of processes begin anywhere. The quickest message there and the quickest back tell how far two of them are apart,
// under the assumption that both took as long; where messages go one way only, the quickest is taken to need no time.
// Cost: two gatherings; 24 bytes an entry and 144 a message, for each step.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <tuple>
#include <vector>

#include <stretto/run/agreement.hpp>
#include <stretto/run/recorder.hpp>

namespace stretto::inline v0::detail {

inline void must_fit(const plan_view& program, const recording& one) {
  for (const std::vector<double>* times : {&one.waits, &one.starts, &one.ends})
    if (static_cast<std::int64_t>(times->size()) != program.actions.count)
      throw error(text("stretto: a calibration for a program of ", program.actions.count, " entries is given a recorded step of ", static_cast<std::int64_t>(times->size()),
                       "; give steps of that program, which is steps() of their pipeline").str());
  for (const message_times& m : one.messages)
    if (m.from < 0 || m.from >= program.ranks || m.to < 0 || m.to >= program.ranks)
      throw error(text("stretto: a calibration for a program of ", program.ranks, " ranks is given a message from rank ", m.from, " to rank ", m.to,
                       "; give steps of that program, which is steps() of their pipeline").str());
}

inline void must_fit(const plan_view& program, const std::vector<recording>& all) {
  for (const recording& one : all) must_fit(program, one);
}

/// Moves the times of each rank onto the clock of rank 0.
inline void set_clocks(const plan_view& program, std::vector<recording>& all) {
  const auto ranks = static_cast<std::size_t>(program.ranks);
  constexpr double none = std::numeric_limits<double>::infinity();
  std::vector<double> quickest(ranks * ranks, none), ahead(ranks, 0);
  for (const recording& one : all)
    for (const message_times& m : one.messages)
      if (m.put != 0 && m.taken != 0) {
        double& q = quickest[static_cast<std::size_t>(m.from) * ranks + static_cast<std::size_t>(m.to)];
        q = (std::min)(q, m.taken - m.put);
      }
  std::vector<bool> known(ranks, false);
  std::vector<std::size_t> reached{0};
  known[0] = true;
  for (std::size_t i = 0; i < reached.size(); ++i)
    for (std::size_t a = reached[i], b = 0; b < ranks; ++b) {
      const double there = quickest[a * ranks + b], back = quickest[b * ranks + a];
      if (known[b] || (there == none && back == none)) continue;
      ahead[b] = ahead[a] + (there == none ? -back : back == none ? there : (there - back) / 2);
      known[b] = true;
      reached.push_back(b);
    }
  const auto move = [&](double& t, int rank) { t -= t != 0 ? ahead[static_cast<std::size_t>(rank)] : 0; };
  for (recording& one : all) {
    for (int r = 0; r < program.ranks; ++r)
      for (std::int64_t i = program.rows[r]; i < program.rows[r + 1]; ++i)
        for (std::vector<double>* times : {&one.waits, &one.starts, &one.ends}) move((*times)[static_cast<std::size_t>(i)], r);
    for (message_times& m : one.messages) move(m.put, m.from), move(m.taken, m.to);
  }
}

/// What each local rank tells: for each step its entries, then its messages.
inline std::vector<double> told_of(const plan_view& program, const std::vector<recording>& own, int rank) {
  std::vector<double> all;
  for (const recording& one : own) {
    for (std::int64_t i = program.rows[rank]; i < program.rows[rank + 1]; ++i)
      for (const std::vector<double>* times : {&one.waits, &one.starts, &one.ends}) all.push_back((*times)[static_cast<std::size_t>(i)]);
    const std::size_t count = all.size();
    all.push_back(0);
    for (const message_times& m : one.messages) {
      if (m.from != rank && m.to != rank) continue;
      all[count] += 1;
      for (int n : {m.from, m.to, m.from_stage, m.to_stage, m.micro_batch, m.slice, m.forward ? 1 : 0}) all.push_back(n);
      all.push_back(m.from == rank ? m.put : 0), all.push_back(m.to == rank ? m.taken : 0);
    }
  }
  return all;
}

/// The recordings of all ranks on all of them. `own` has the entries of local ranks, of as many steps everywhere.
template <class Transport, class Say>
std::vector<recording> gather_recordings(Transport& t, const plan_view& program, const std::vector<recording>& own, std::int64_t number, Say&& say) {
  const std::int64_t steps = static_cast<std::int64_t>(own.size());
  std::vector<std::vector<double>> mine(static_cast<std::size_t>(t.ranks()));
  for (int r = 0; r < t.ranks(); ++r)
    if (t.local(r)) mine[static_cast<std::size_t>(r)] = told_of(program, own, r);
  const told<Transport> sizes(t, label(text("recorded ", number).str()), 16, [&](int r, unsigned char* to) {
    const std::int64_t two[] = {steps, static_cast<std::int64_t>(mine[static_cast<std::size_t>(r)].size())};
    std::memcpy(to, two, sizeof two);
  }, say);
  std::int64_t most = 1;
  for (int r = 0; r < t.ranks(); ++r) {
    std::int64_t two[2];
    std::memcpy(two, sizes.by(r), sizeof two);
    most = (std::max)(most, two[1]);
    if (two[0] != steps)
      throw error(text("stretto: rank ", r, " calibrates with ", two[0], " recorded steps and this one with ", steps, "; give those of the same steps on all ranks").str(), {.rank = r});
  }
  const told<Transport> all(t, label(text("times ", number).str()), most * 8, [&](int r, unsigned char* to) {
    const auto& words = mine[static_cast<std::size_t>(r)];
    if (!words.empty()) std::memcpy(to, words.data(), 8 * words.size());
  }, say);
  using key = std::tuple<std::size_t, int, int, int, int, int, int, bool>;  // step, and what a message says of itself
  std::map<key, std::vector<double>> taken;                       // of skip connections several may have one key; they come in order
  std::vector<recording> out(own.size());
  for (const bool second : {false, true})
    for (int r = 0; r < t.ranks(); ++r) {
      const unsigned char* at = all.by(r);
      const auto next = [&] {
        double n = 0;
        std::memcpy(&n, at, 8);
        return at += 8, n;
      };
      for (std::size_t s = 0; s < out.size(); ++s) {
        const auto entries = static_cast<std::size_t>(program.actions.count);
        for (std::vector<double>* times : {&out[s].waits, &out[s].starts, &out[s].ends}) times->resize(entries);
        for (std::int64_t i = program.rows[r]; i < program.rows[r + 1]; ++i)
          for (std::vector<double>* times : {&out[s].waits, &out[s].starts, &out[s].ends}) (*times)[static_cast<std::size_t>(i)] = next();
        std::map<key, std::size_t> seen;
        for (auto left = static_cast<std::int64_t>(next()); left > 0; --left) {
          int n[7];
          for (int& one : n) one = static_cast<int>(next());
          message_times m{n[0], n[1], n[2], n[3], n[4], n[5], n[6] != 0, 0, 0};
          m.put = next(), m.taken = next();
          const key k{s, m.from, m.to, m.from_stage, m.to_stage, m.micro_batch, m.slice, m.forward};
          if (!second && m.to == r) taken[k].push_back(m.taken);
          if (!second || m.from != r) continue;
          const std::vector<double>& times = taken[k];
          const std::size_t which = seen[k]++;
          m.taken = which < times.size() ? times[which] : 0;
          out[s].messages.push_back(m);
        }
      }
    }
  set_clocks(program, out);
  return out;
}

}  // namespace stretto::inline v0::detail
