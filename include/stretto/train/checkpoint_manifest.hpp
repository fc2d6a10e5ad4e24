// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// manifest.json of a checkpoint: its files with their sizes and digests. A checkpoint is whole when all of them are as it
// says; a file that it doesn't name isn't part of it.
//
//     {"format": "stretto checkpoint", "version": 1, "step": 12, "serial": 5,
//      "files": [{"name": "weights.safetensors", "role": "weights", "bytes": 4096, "sha256": "9f86…"}, …]}
// The serial number counts what was saved to a run directory, so that the newest is known even where steps went back. There
// may be several files of a role: a rank with a process of its own writes its own.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <stretto/train/digest.hpp>
#include <stretto/train/file.hpp>
#include <stretto/train/json.hpp>

namespace stretto::inline v0 {

struct checkpoint_file {
  std::string name;         ///< in the checkpoint's directory
  std::string role;         ///< "weights", "optimizer", "state", or another that is only kept
  std::int64_t bytes = 0;
  std::string sha256;
};

struct checkpoint_manifest {
  std::int64_t step = 0;
  std::int64_t serial = 0;
  std::vector<checkpoint_file> files = {};
};

inline std::string to_json(const checkpoint_manifest& m) {
  json files = json::array(), all = json::object();
  for (const checkpoint_file& f : m.files) {
    json one = json::object();
    one.append("name", f.name).append("role", f.role).append("bytes", f.bytes).append("sha256", f.sha256);
    files.push_back(std::move(one));
  }
  all.append("format", "stretto checkpoint").append("version", 1).append("step", m.step).append("serial", m.serial).append("files", std::move(files));
  return to_json(all, 2) + "\n";
}

namespace detail {

/// A name that leads nowhere else than into its directory.
inline bool plain_name(std::string_view s) { return !s.empty() && s.size() < 256 && s[0] != '.' && s.find_first_of(std::string_view("/\0", 2)) == s.npos; }

/// Of an object, the member where it is of that kind, nullptr otherwise.
inline const json* member(const json& j, std::string_view name, json_kind kind) {
  const json* m = j.is(json_kind::object) ? j.find(name) : nullptr;
  return m != nullptr && m->is(kind) ? m : nullptr;
}

}  // namespace detail

/// Throws stretto::error, with `name` for the text, where it isn't one.
inline checkpoint_manifest read_manifest(std::string_view source, std::string_view name) {
  const json all = read_json(source, name, {.bytes = 16 << 20});
  const auto refuse = [&](std::string_view what) { throw error(text("stretto: ", name, " has no ", what, "; take a whole copy of the checkpoint").str()); };
  const json* const format = detail::member(all, "format", json_kind::string);
  const json* const form = detail::member(all, "version", json_kind::integer);
  const json* const step = detail::member(all, "step", json_kind::integer);
  const json* const serial = detail::member(all, "serial", json_kind::integer);
  const json* const files = detail::member(all, "files", json_kind::array);
  if (format == nullptr || format->string() != "stretto checkpoint") refuse("format 'stretto checkpoint'");
  if (form == nullptr || form->integer() < 1) refuse("version of 1 or more");
  if (form->integer() > 1) throw error(text("stretto: ", name, " is of version ", form->integer(), ", and version 1 is read; load it with a newer Stretto").str());
  if (step == nullptr || step->integer() < 0) refuse("step of 0 or more");
  if (serial == nullptr || serial->integer() < 0) refuse("serial number of 0 or more");
  if (files == nullptr) refuse("list of files");
  checkpoint_manifest m{step->integer(), serial->integer()};
  for (const json& f : files->values()) {
    const json* const file = detail::member(f, "name", json_kind::string);
    const json* const role = detail::member(f, "role", json_kind::string);
    const json* const bytes = detail::member(f, "bytes", json_kind::integer);
    const json* const digest = detail::member(f, "sha256", json_kind::string);
    if (file == nullptr || !detail::plain_name(file->string())) refuse("name of a file beside it for each file");
    if (role == nullptr || bytes == nullptr || bytes->integer() < 0 || digest == nullptr || digest->string().size() != 64) refuse("role, size and SHA-256 for each file");
    m.files.push_back({file->string(), role->string(), bytes->integer(), digest->string()});
  }
  return m;
}

/// Told how many bytes of how many are done. Called every few megabytes, from the thread that saves or opens.
using checkpoint_progress = std::function<void(std::int64_t done, std::int64_t all)>;

/// Throws where a file isn't what the manifest says.
inline void verify_checkpoint(const std::string& directory, const checkpoint_manifest& m, bool digests, const file_calls& calls = detail::real_calls, const checkpoint_progress& progress = {}) {
  std::int64_t all = 0, done = 0;
  for (const checkpoint_file& f : m.files) all += f.bytes < INT64_MAX - all ? f.bytes : 0;
  std::string piece;
  for (const checkpoint_file& f : m.files) {
    const file opened = file::open(directory + "/" + f.name, calls);
    if (opened.size() != f.bytes)
      throw error(text("stretto: '", detail::path_words(opened.path()), "' has ", opened.size(), " bytes, and its manifest says ", f.bytes, "; take a whole copy of the checkpoint").str());
    if (!digests) continue;
    sha256 d;
    piece.resize(static_cast<std::size_t>(f.bytes < (4 << 20) ? f.bytes : 4 << 20));
    for (std::int64_t at = 0; at < f.bytes;) {
      const std::int64_t n = f.bytes - at < (4 << 20) ? f.bytes - at : 4 << 20;
      opened.read(at, piece.data(), n);
      d.add(piece.data(), n);
      at += n, done += n;
      if (progress) progress(done, all);
    }
    if (d.hex() != f.sha256)
      throw error(text("stretto: '", detail::path_words(opened.path()), "' has another SHA-256 than its manifest says, so its bytes were changed; take a whole copy of the checkpoint").str());
  }
}

}  // namespace stretto::inline v0
