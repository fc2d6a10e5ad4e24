// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From the words of a command line to a plan: a schedule with its sizes, or a file, read in its dialect, lowered where
// that is asked for.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include <stretto/stretto.hpp>

#include "files.hpp"
#include "pricing.hpp"
#include "schedules.hpp"

namespace explore {

inline bool is_file(const std::string& name) { return name == "-" || (name.size() >= 4 && name.substr(name.size() - 4) == ".csv"); }

/// The dialect that a flag names; own where it isn't given.
inline stretto::csv_dialect dialect_by(const char* flag, arguments& a) {
  std::string word;
  if (!a.value(flag, word)) return stretto::csv_dialect::own;
  std::vector<std::string> all;
  for (const stretto::csv_dialect d : stretto::csv_dialects) {
    all.emplace_back(stretto::name_of(d));
    if (all.back() == word) return d;
  }
  refuse(std::string("there is no dialect '") + word + "' for " + flag + "; " + nearest(word, all));
}

/// The plan of a CSV file; what can't be read is an error of use.
inline stretto::plan plan_of_file(const std::string& path, stretto::csv_dialect dialect) {
  const std::string text = read_file(path);
  try {
    return stretto::make_plan(stretto::from_csv(text, dialect));
  } catch (const stretto::error& e) {
    throw usage_error(e.what());
  }
}

/// The link model that --links names.
inline stretto::link_model model(const std::string& word) {
  using kind = stretto::link_model::kind;
  if (word == "buffered") return stretto::links::buffered;
  if (word == "per_edge") return stretto::links::per_edge;
  if (word == "grouped") return stretto::links::grouped;
  if (word == "rendezvous") return stretto::links::rendezvous;
  if (word == "single_fifo") return stretto::links::single_fifo;
  if (word.rfind("bounded:", 0) == 0) return {kind::bounded, static_cast<int>(integer("--links bounded:K", word.substr(8), 0, 1'000'000'000))};
  refuse("there is no link model '" + word + "'; " + nearest(word, {"buffered", "bounded:K", "per_edge", "grouped", "rendezvous", "single_fifo"}));
}

/// How a plan is lowered, from --merge-backward --receives --links --unshard --reduce-grad, which come with --lowered.
struct lowering {
  bool asked = false;   ///< whether the plan is to be lowered
  std::string options;  ///< the first flag that says how, or ""
  stretto::lower_options how{};

  static constexpr const char* flags = "--merge-backward, --receives eager|deferred|K, --unshard W, --reduce-grad";

  void read(arguments& a, bool always) {
    asked = always || a.flag("--lowered");
    std::string word;
    const auto given = [&](bool is, const char* flag) {
      if (is && options.empty()) options = flag;
      return is;
    };
    how.merge_backward = given(a.flag("--merge-backward"), "--merge-backward");
    if (given(a.value("--receives", word), "--receives")) {
      if (word == "eager") how.receives = stretto::receives::eager;
      else if (word == "deferred") how.receives = stretto::receives::deferred;
      else if (!word.empty() && word.find_first_not_of("0123456789") == std::string::npos)
        how.receives = stretto::receives::lookahead(static_cast<int>(integer("--receives K", word, 0, 1'000'000'000)));
      else refuse("--receives takes eager, deferred or a number of passes, not '" + word + "'");
    }
    if (given(a.value("--links", word), "--links")) how.links = model(word);
    if (given(a.value("--unshard", word), "--unshard")) how.unshard = static_cast<int>(integer("--unshard", word, 1, 1'000'000'000));
    how.reduce_grad = given(a.flag("--reduce-grad"), "--reduce-grad");
  }

  void need_asked() const {
    if (!asked && !options.empty()) refuse(options + " says how a plan is lowered, and this one isn't; add --lowered");
  }

  /// Lowers the plan where that is asked for; one that holds messages already stays as it is, unless it is to change.
  void apply(stretto::plan& p, bool always) const {
    if (asked && (!p.lowered || always || !options.empty())) p = stretto::lower(p, how);
  }
};

/// What a command makes of the words behind it.
struct wanted {
  std::string command;
  std::string flags;                        ///< of the command alone: ", --steps N, --json"
  std::function<void(arguments&)> read = [](arguments&) {};
  bool always_lowered = false;
};

/// A named schedule with its sizes, or a file, made into a plan.
struct chosen {
  std::string name;
  stretto::sizes sizes;
  pricing prices;
  stretto::plan plan;
};

/// Reads NAME (or FILE.csv) and its flags, and those of the command, then makes the plan.
inline chosen choose(arguments& a, const wanted& w) {
  chosen c;
  c.name = a.word();
  if (c.name.empty()) refuse(w.command + " needs the name of a schedule; " + nearest("", names()));
  lowering lower;
  const auto of_every_name = [&](const std::string& takes) {
    c.prices.read(a);
    lower.read(a, w.always_lowered);
    w.read(a);
    a.finish(c.name, takes + (w.always_lowered ? "" : "--lowered, ") + lowering::flags + ", --links MODEL, " + pricing::flags + w.flags);
    lower.need_asked();
  };
  const auto made = [&](stretto::plan p) {
    c.plan = std::move(p);
    c.prices.must_fit(c.plan);
    lower.apply(c.plan, w.always_lowered);
  };
  if (is_file(c.name)) {
    const stretto::csv_dialect dialect = dialect_by("--dialect", a);
    of_every_name("--dialect D, ");
    made(plan_of_file(c.name, dialect));
    return c;
  }
  const entry& e = schedule_named(c.name);
  const auto count = [&](const char* flag, int& out) {
    std::string v;
    if (!a.value(flag, v)) return false;
    out = static_cast<int>(integer(flag, v, -1'000'000'000, 1'000'000'000));
    return true;
  };
  const bool ranks = count("--ranks", c.sizes.ranks), batches = count("--micro-batches", c.sizes.micro_batches);
  if (e.chunks) count("--chunks", c.sizes.chunks);
  if (e.slices) count("--slices", c.sizes.slices);
  const entry::maker make = e.read(a);
  of_every_name(e.flags + ", ");
  if (!ranks) refuse(c.name + " needs --ranks P; it takes " + e.flags);
  if (!batches) refuse(c.name + " needs --micro-batches M; it takes " + e.flags);
  made(make(c.sizes));
  return c;
}

}  // namespace explore
