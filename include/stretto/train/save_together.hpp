// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A checkpoint of a run whose ranks are processes: each writes the parameters that it has, into a directory that all of them
// see; when all files are on disk rank 0 gives the checkpoint its name.
//
//     save_together(t, saves, 12, {.weights = entries_of(p.parameters()), .optimizer = state_entries_of(p.parameters()), .state = …});
//     step_00000012/weights.safetensors   weights-rank00001.safetensors   …   state.json, that of rank 0   manifest.json
//     checkpoint c = saves.open_latest();   …{.first_step = c.step()}   c.load_part({.weights = entries_of(p.parameters()), …});
// All processes call it, when no step is under way. What goes wrong on one of them ends it on all, in the same sentence, and the
// checkpoints of before are there. A tensor that several ranks have is written by the lowest of them.
// Cost: as of a checkpoint, shared out; and three gatherings.
#pragma once

#include <cstring>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <stretto/run/agreement.hpp>
#include <stretto/train/checkpoint.hpp>

namespace stretto::inline v0 {

namespace detail {

/// How far a rank came, as the others are told.
struct saving_note {
  std::int64_t bytes[2] = {-1, -1};  // of weights and optimizer; -1: it has none
  char digest[2][64] = {};
  bool failed = false;
  char fault[1024] = {};             // what went wrong
};

/// Runs work(note) on every process; throws the lowest rank's fault on all of them.
template <class Transport, class Work>
std::vector<saving_note> all_do(Transport& t, label name, Work&& work) {
  saving_note mine;
  try {
    work(mine);
  } catch (const std::exception& e) {
    mine.failed = true;
    std::strncpy(mine.fault, e.what(), sizeof mine.fault - 1);
  } catch (...) {
    mine.failed = true;
  }
  const told<Transport> all(t, name, sizeof mine, [&](int, unsigned char* to) { std::memcpy(to, &mine, sizeof mine); }, [](text& w) { w.add("the other ranks to save a checkpoint"); });
  std::vector<saving_note> notes(static_cast<std::size_t>(t.ranks()));
  for (int r = 0; r < t.ranks(); ++r) std::memcpy(&notes[static_cast<std::size_t>(r)], all.by(r), sizeof mine);
  for (int r = 0; r < t.ranks(); ++r)
    if (const saving_note& n = notes[static_cast<std::size_t>(r)]; n.failed)
      throw error(n.fault[0] != 0 ? std::string_view(n.fault) : text("stretto: rank ", r, " can't save its part of a checkpoint, and what it threw has no words; see its program").str(), {.rank = r});
  return notes;
}

inline std::string file_of_rank(const char* role, int rank) {
  const std::string n = std::to_string(rank);
  return role + (rank == 0 ? std::string() : "-rank" + std::string(n.size() < 5 ? 5 - n.size() : 0, '0') + n) + ".safetensors";
}

/// The entries that no lower rank has.
template <class Transport>
std::vector<checkpoint_entry> own_entries(Transport& t, const std::string& name, const std::vector<checkpoint_entry>& mine) {
  const auto say = [](text& w) { w.add("the other ranks to save a checkpoint"); };
  const auto hash = [](const std::string& s) {
    hasher h;
    h.add(std::string_view(s));
    return h.value();
  };
  const told<Transport> counts(t, label("count " + name), 8, [&](int, unsigned char* to) {
    const std::uint64_t n = mine.size();
    std::memcpy(to, &n, 8);
  }, say);
  std::vector<std::uint64_t> count(static_cast<std::size_t>(t.ranks()));
  std::uint64_t most = 0;
  for (int r = 0; r < t.ranks(); ++r) {
    std::memcpy(&count[static_cast<std::size_t>(r)], counts.by(r), 8);
    most = (std::max)(most, count[static_cast<std::size_t>(r)]);
  }
  const told<Transport> names(t, label("names " + name), static_cast<std::int64_t>(most * 8), [&](int, unsigned char* to) {
    for (std::size_t i = 0; i < mine.size(); ++i) {
      const std::uint64_t h = hash(mine[i].name);
      std::memcpy(to + 8 * i, &h, 8);
    }
  }, say);
  std::vector<std::uint64_t> lower;
  for (int r = 0; r < first_local(t); ++r)
    for (std::uint64_t i = 0; i < count[static_cast<std::size_t>(r)]; ++i) {
      lower.emplace_back();
      std::memcpy(&lower.back(), names.by(r) + 8 * i, 8);
    }
  std::sort(lower.begin(), lower.end());
  std::vector<checkpoint_entry> own;
  for (const checkpoint_entry& e : mine)
    if (!std::binary_search(lower.begin(), lower.end(), hash(e.name))) own.push_back(e);
  return own;
}

}  // namespace detail

/// Saves what all processes of `t` have. Throws stretto::error on all of them where it isn't on disk.
template <class Transport>
void save_together(Transport& t, checkpoints& saves, std::int64_t step, const checkpoint_contents& mine) {
  const int me = detail::first_local(t);
  for (int r = 0; r < t.ranks(); ++r)
    if (r != me && t.local(r)) throw error("stretto: save_together is for ranks that are processes, and this process has several; use checkpoints::save");
  const std::string what = std::to_string(step), part = saves.directory() + "/" + checkpoint_name(step) + ".part";
  const std::vector<checkpoint_entry> entries[2] = {detail::own_entries(t, "weights " + what, mine.weights), detail::own_entries(t, "optimizer " + what, mine.optimizer)};
  constexpr const char* roles[2] = {"weights", "optimizer"};
  std::unique_ptr<checkpoint_draft> draft;
  std::string words;
  std::int64_t serial = 0;
  const auto undo = [&] {
    if (me != 0 || draft == nullptr) return;
    try {
      if (path_exists(part)) remove_directory(part, *saves.options().calls);
    } catch (const error&) {  // what went wrong first is told; the next save removes what is left
    }
  };
  try {
    detail::all_do(t, label("begin " + what), [&](detail::saving_note&) {
      if (me != 0) return;
      words = checkpoints::state_words(step, mine.state);
      serial = saves.begin();
      draft = std::make_unique<checkpoint_draft>(saves.directory(), step, *saves.options().calls);
    });
    const auto notes = detail::all_do(t, label("write " + what), [&](detail::saving_note& note) {
      std::int64_t done = 0, all = 0;
      for (const auto& list : entries)
        for (const checkpoint_entry& e : list) all += (std::max)(std::int64_t{0}, detail::bytes_of(e.type, e.shape));
      for (int k = 0; k < 2; ++k) {
        if (entries[k].empty() && me != 0) continue;
        if (entries[k].empty() && k == 1) continue;
        const checkpoint_file f = detail::write_tensors(part, roles[k], detail::file_of_rank(roles[k], me), entries[k], *saves.options().calls, [&](std::int64_t n) {
          done += n;
          if (saves.options().progress) saves.options().progress(done, all);
        });
        note.bytes[k] = f.bytes;
        std::memcpy(note.digest[k], f.sha256.data(), (std::min)(f.sha256.size(), sizeof note.digest[k]));
      }
    });
    detail::all_do(t, label("publish " + what), [&](detail::saving_note&) {
      if (me != 0) return;
      for (int k = 0; k < 2; ++k)
        for (int r = 0; r < t.ranks(); ++r)
          if (const auto& n = notes[static_cast<std::size_t>(r)]; n.bytes[k] >= 0) draft->add_file({detail::file_of_rank(roles[k], r), roles[k], n.bytes[k], std::string(n.digest[k], 64)});
      draft->add_text("state", "state.json", words);
      draft->publish(serial);
      saves.published(step);
    });
  } catch (...) {
    undo();
    throw;
  }
}

}  // namespace stretto::inline v0
