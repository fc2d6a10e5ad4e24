// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Checkpoints of a run: saved so that a crash at any time leaves the old or the new one, and read only when whole.
//
//     run/step_00000012/weights.safetensors      parameters by global name
//                       optimizer.safetensors    <name>.state.<k>, and what else is given
//                       state.json               the step, and what the user adds: seed, loader, schedule
//                       manifest.json            sizes and SHA-256 of all of these
//     run/latest                                 "step_00000012", for people and scripts
//
//     checkpoints saves("run", {.keep = 3, .every = 1000});
//     saves.save(12, {.weights = entries_of(p.parameters()), .state = json::object().set("seed", 7)});     ranks are processes: save_together.hpp
//     const checkpoint c = saves.open_latest();      the newest that is whole; the pipeline is made with {.first_step = c.step()}
//     c.load({.weights = entries_of(p.parameters())});   p.weights_changed();
// Of a step that is saved again only the last is kept. Cost: each byte is written and read once and goes through SHA-256,
// which takes longer than either on most disks.
#pragma once

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>
#include <vector>

#include <stretto/train/checkpoint_draft.hpp>

namespace stretto::inline v0 {

/// What is saved, or loaded.
struct checkpoint_contents {
  std::vector<checkpoint_entry> weights = {};
  std::vector<checkpoint_entry> optimizer = {};
  json state = json::object();                   ///< saved; loading doesn't look at it
};

struct checkpoint_options {
  int keep = 3;                        ///< of the newest checkpoints so many stay; 0: all
  std::int64_t every = 0;              ///< so do steps that are multiples of this; 0: none
  bool digests = true;                 ///< computed again when a checkpoint is opened; without, only sizes are compared
  checkpoint_progress progress = {};
  const file_calls* calls = &detail::real_calls;
};

namespace detail {

/// The first entry of a model whose others are in other processes; null where there is none.
inline const checkpoint_entry* partial_of(const checkpoint_contents& c) {
  for (const auto* entries : {&c.weights, &c.optimizer})
    for (const checkpoint_entry& e : *entries)
      if (e.partial) return &e;
  return nullptr;
}

}  // namespace detail

/// One that is whole.
class checkpoint {
 public:
  /// Throws stretto::error, which says what is wrong, where it isn't.
  explicit checkpoint(std::string directory, const checkpoint_options& how = {}) : path_(std::move(directory)) {
    const std::string manifest = path_ + "/manifest.json";
    manifest_ = read_manifest(read_file(manifest, 16 << 20, *how.calls), text("'", detail::path_words(manifest), "'"));
    verify_checkpoint(path_, manifest_, how.digests, *how.calls, how.progress);
    for (const checkpoint_file& f : manifest_.files) {
      const std::string file = path_ + "/" + f.name;
      if (f.role == "weights") weights_.add(file, *how.calls);
      if (f.role == "optimizer") optimizer_.add(file, *how.calls);
      if (f.role == "state") state_ = read_json(read_file(file, 100 << 20, *how.calls), text("'", detail::path_words(file), "'"));
    }
  }

  const std::string& path() const { return path_; }
  std::int64_t step() const { return manifest_.step; }
  const checkpoint_manifest& manifest() const { return manifest_; }
  const json& state() const { return state_; }
  const safetensors_set& weights() const { return weights_; }
  const safetensors_set& optimizer() const { return optimizer_; }
  /// Where this is the latest that could be opened: what is wrong with newer ones, a sentence each.
  const std::vector<std::string>& skipped() const { return skipped_; }

  /// Fills the room of all entries. Throws, and has changed nothing, where one is missing or of another type or size, or
  /// one is stored that isn't wanted. Where no entry of the optimizer is given, its file isn't looked at.
  void load(const checkpoint_contents& to) const { load(to, true); }
  /// Likewise, but the checkpoint may hold more: a rank loads its own parameters.
  void load_part(const checkpoint_contents& to) const { load(to, false); }

 private:
  friend class checkpoints;

  void load(const checkpoint_contents& to, bool whole) const {
    detail::differences d;
    detail::compare_entries(weights_, to.weights, whole, d);
    if (!to.optimizer.empty()) detail::compare_entries(optimizer_, to.optimizer, whole, d);
    if (d.count() > 0)
      throw error(text("stretto: '", detail::path_words(path_), "' doesn't fit what it is loaded into, in ", d.words(), "; load it into the model it was saved from",
                       !whole ? "" : detail::partial_of(to) != nullptr ? ", each process its part by load_part" : d.unwanted() > 0 ? ", or a part of it by load_part" : "").str());
    detail::load_entries(weights_, to.weights);
    detail::load_entries(optimizer_, to.optimizer);
  }

  std::string path_;
  checkpoint_manifest manifest_;
  json state_;
  safetensors_set weights_, optimizer_;
  std::vector<std::string> skipped_;
};

/// The checkpoints of a run directory. One process at a time saves there.
class checkpoints {
 public:
  explicit checkpoints(std::string directory, checkpoint_options how = {}) : run_(std::move(directory)), how_(std::move(how)) {
    if (how_.keep < 0 || how_.every < 0) throw error(text("stretto: checkpoints can't be kept with keep = ", how_.keep, " and every = ", how_.every, "; give 0 or more of both").str());
  }

  /// Returns when it is on disk. Throws stretto::error where it isn't; the checkpoints of before are there then. Of ranks that
  /// are processes none can save by itself: see save_together.hpp.
  void save(std::int64_t step, checkpoint_contents what) {
    if (const checkpoint_entry* part = detail::partial_of(what); part != nullptr)
      throw error(text("stretto: '", detail::fit_to_print(part->name), "' is of a model whose other weights are in other processes, and save would leave them out; call save_together in all of them").str());
    const std::string words = state_words(step, std::move(what.state));
    const std::int64_t serial = begin();
    std::int64_t bytes = 0;
    for (const auto* entries : {&what.weights, &what.optimizer})
      for (const checkpoint_entry& e : *entries) bytes += (std::max)(std::int64_t{0}, detail::bytes_of(e.type, e.shape));
    const std::string part = run_ + "/" + checkpoint_name(step) + ".part";
    try {
      checkpoint_draft d(run_, step, *how_.calls, how_.progress, bytes);
      d.add_tensors("weights", "weights.safetensors", what.weights);
      if (!what.optimizer.empty()) d.add_tensors("optimizer", "optimizer.safetensors", what.optimizer);
      d.add_text("state", "state.json", words);
      d.publish(serial);
    } catch (...) {
      try {
        if (path_exists(part)) remove_directory(part, *how_.calls);
      } catch (const error&) {  // what went wrong first is told; the next save removes what is left
      }
      throw;
    }
    published(step);
  }

  /// Before a draft of one's own: makes the directory, removes what broken attempts have left, and gives the draft's serial number.
  std::int64_t begin() {
    make_directories(run_, *how_.calls);
    tidy();
    std::int64_t serial = 0;
    for (const found& f : all()) serial = (std::max)(serial, f.serial);
    return serial + 1;
  }
  /// What stands in state.json. Throws where that can't be.
  static std::string state_words(std::int64_t step, json state) {
    if (step < 0) throw error(text("stretto: step ", step, " can't be saved; give 0 or more").str());
    if (state.is(json_kind::null)) state = json::object();
    if (!state.is(json_kind::object)) throw error("stretto: the state of a checkpoint is no JSON object; give json::object() and what is set in it");
    json all = json::object();
    all.append("step", step);
    for (std::size_t i = 0; i < state.names().size(); ++i) all.set(state.names()[i], state.values()[i]);
    all.set("step", step);
    return to_json(all, 2) + "\n";
  }
  const std::string& directory() const { return run_; }
  const checkpoint_options& options() const { return how_; }

  /// After a draft of one's own was published: names it as the latest, and removes what needn't be kept.
  void published(std::int64_t step) {
    replace_file(run_ + "/latest", checkpoint_name(step) + "\n", *how_.calls);
    tidy();
    std::vector<found> known;
    for (const found& f : all())
      if (f.serial >= 0) known.push_back(f);
    for (std::size_t i = static_cast<std::size_t>(how_.keep); how_.keep > 0 && i < known.size(); ++i) {
      if (how_.every > 0 && known[i].step % how_.every == 0) continue;
      const std::string path = run_ + "/" + known[i].name;
      rename_path(path, path + ".part", *how_.calls);
      remove_directory(path + ".part", *how_.calls);
    }
  }

  /// The steps of which there is a checkpoint, whole or not, the last that was saved first.
  std::vector<std::int64_t> steps() const {
    std::vector<std::int64_t> s;
    for (const found& f : all()) s.push_back(f.step);
    return s;
  }

  /// Throws where it isn't there or isn't whole.
  checkpoint open(std::int64_t step) const {
    for (const found& f : all())
      if (f.step == step) return opened(f);
    throw error(text("stretto: '", detail::path_words(run_), "' has no checkpoint of step ", step, "; ask for one that steps() names").str());
  }

  /// The last that was saved and is whole.
  checkpoint open_latest() const {
    std::vector<std::string> skipped;
    for (const found& f : all()) {
      try {
        checkpoint c = opened(f);
        c.skipped_ = std::move(skipped);
        return c;
      } catch (const error& e) {
        skipped.emplace_back(e.what());
      }
    }
    if (skipped.empty()) throw error(text("stretto: '", detail::path_words(run_), "' has no checkpoint; save one first, or correct the path").str());
    const std::string_view first = skipped[0];
    const std::string_view reason = first.substr(0, first.rfind("; ")).substr(first.substr(0, 9) == "stretto: " ? 9 : 0);
    throw error(text("stretto: none of the checkpoints in '", detail::path_words(run_), "' is whole, ", static_cast<int>(skipped.size()), " in all, the first because ", reason, "; take a whole copy of one").str());
  }

 private:
  struct found {
    std::string name;
    std::int64_t step;
    std::int64_t serial;  // -1 where the manifest can't be read
  };

  /// Newest first, but those whose age isn't known before all: what is wrong with them is to be told.
  std::vector<found> all() const {
    std::vector<found> out;
    if (!path_exists(run_)) return out;
    const std::vector<std::string> names = list_directory(run_, *how_.calls);
    for (const std::string& name : names) {
      const std::string_view plain = std::string_view(name).substr(0, name.find('.'));
      std::int64_t step = -1;
      if (plain.substr(0, 5) != "step_" || std::from_chars(plain.data() + 5, plain.data() + plain.size(), step).ec != std::errc()) continue;
      if (step < 0 || plain != checkpoint_name(step)) continue;
      // The old one counts as long as the new one isn't there.
      if (name != plain && (name.substr(plain.size()) != ".old" || std::binary_search(names.begin(), names.end(), std::string(plain)))) continue;
      found f{name, step, -1};
      try {
        const std::string path = run_ + "/" + name + "/manifest.json";
        const checkpoint_manifest m = read_manifest(read_file(path, 16 << 20, *how_.calls), path);
        if (m.step == step) f.serial = m.serial;
      } catch (const error&) {
      }
      out.push_back(f);
    }
    std::sort(out.begin(), out.end(), [](const found& a, const found& b) {
      if ((a.serial < 0) != (b.serial < 0)) return a.serial < 0;
      return a.serial != b.serial ? a.serial > b.serial : a.step > b.step;
    });
    return out;
  }

  checkpoint opened(const found& f) const {
    checkpoint c(run_ + "/" + f.name, how_);
    if (c.step() != f.step)
      throw error(text("stretto: the manifest of '", detail::path_words(c.path()), "' is of step ", c.step(), "; give the directory its name back").str());
    return c;
  }

  /// Removes what broken attempts have left, and gives a checkpoint its name back that was to be replaced.
  void tidy() {
    for (const std::string& name : list_directory(run_, *how_.calls)) {
      const std::string path = run_ + "/" + name;
      const std::size_t dot = name.find('.');
      if (name == "latest.part") remove_file(path, *how_.calls);
      if (name.substr(0, 5) != "step_" || dot == name.npos) continue;
      const std::string plain = run_ + "/" + name.substr(0, dot);
      if (name.substr(dot) == ".part")
        remove_directory(path, *how_.calls);
      else if (name.substr(dot) == ".old" && path_exists(plain))
        remove_directory(path, *how_.calls);
      else if (name.substr(dot) == ".old")
        rename_path(path, plain, *how_.calls);
    }
  }

  std::string run_;
  checkpoint_options how_;
};

}  // namespace stretto::inline v0
