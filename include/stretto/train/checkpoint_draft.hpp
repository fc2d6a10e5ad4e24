// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A checkpoint on its way: files in step_00000012.part, which becomes step_00000012 once all of them are on disk.
//
//     checkpoint_draft d("run", 12);
//     d.add_tensors("weights", "weights.safetensors", entries);
//     d.add_text("state", "state.json", "{}");
//     d.add_file({"weights-rank00003.safetensors", "weights", bytes, digest});     that another process has put and synced there
//     d.publish(serial);
// Until publish() has renamed the directory, nobody takes it for a checkpoint. A checkpoint of that step that is there
// already waits under step_00000012.old meanwhile, and still counts.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <stretto/train/checkpoint_entry.hpp>
#include <stretto/train/checkpoint_manifest.hpp>

namespace stretto::inline v0 {

/// "step_00000012"
inline std::string checkpoint_name(std::int64_t step) {
  const std::string s = std::to_string(step);
  return "step_" + std::string(s.size() < 8 ? 8 - s.size() : 0, '0') + s;
}

namespace detail {

/// Puts a safetensors file of a checkpoint there, and syncs it; wrote(n) is told of n bytes more.
template <class Wrote>
checkpoint_file write_tensors(const std::string& folder, std::string_view role, const std::string& name, const std::vector<checkpoint_entry>& entries, const file_calls& calls, Wrote&& wrote) {
  std::vector<checkpoint_entry> once = stored_once(entries);
  std::stable_sort(once.begin(), once.end(), [](const checkpoint_entry& a, const checkpoint_entry& b) { return stored_bytes(a.type) > stored_bytes(b.type); });
  std::vector<stored_tensor> tensors;
  for (const checkpoint_entry& e : once) tensors.push_back({e.name, e.type, e.shape});
  sha256 digest;
  safetensors_writer w(folder + "/" + name, std::move(tensors), {.metadata = {{"format", "pt"}}, .digest = &digest, .calls = &calls});
  entry_reader from;
  for (std::size_t i = 0; i < once.size(); ++i)
    in_pieces(w.tensors()[i].bytes(), [&](std::int64_t at, std::int64_t n) {
      w.write(once[i].name, from.read(once[i], at, n), n);
      wrote(n);
    });
  w.finish();
  return {name, std::string(role), w.bytes(), digest.hex()};
}

}  // namespace detail

class checkpoint_draft {
 public:
  /// Makes the directory, which must not be there.
  checkpoint_draft(const std::string& run, std::int64_t step, const file_calls& calls = detail::real_calls, checkpoint_progress progress = {}, std::int64_t bytes = 0)
      : run_(run), final_(run + "/" + checkpoint_name(step)), calls_(&calls), progress_(std::move(progress)), all_(bytes) {
    manifest_.step = step;
    if (calls.make_directory(detail::system_path(path())) < 0) detail::file_failure(path(), "made", errno);
  }

  std::string path() const { return final_ + ".part"; }

  /// One safetensors file. Uses of one name are stored once.
  void add_tensors(std::string_view role, const std::string& name, const std::vector<checkpoint_entry>& entries) {
    manifest_.files.push_back(detail::write_tensors(path(), role, name, entries, *calls_, [this](std::int64_t n) {
      done_ += n;
      if (progress_) progress_(done_, all_);
    }));
  }
  void add_text(std::string_view role, const std::string& name, std::string_view content) {
    write_file(path() + "/" + name, content, *calls_);
    sha256 digest;
    digest.add(content.data(), static_cast<std::int64_t>(content.size()));
    manifest_.files.push_back({name, std::string(role), static_cast<std::int64_t>(content.size()), digest.hex()});
  }
  void add_file(checkpoint_file row) { manifest_.files.push_back(std::move(row)); }

  /// From here on it is a checkpoint. Where that fails, the one of before is.
  void publish(std::int64_t serial) {
    manifest_.serial = serial;
    write_file(path() + "/manifest.json", to_json(manifest_), *calls_);
    sync_directory(path(), *calls_);
    const bool again = path_exists(final_);
    if (again) rename_path(final_, final_ + ".old", *calls_);
    try {
      rename_path(path(), final_, *calls_);
    } catch (const error&) {
      if (again) calls_->rename((final_ + ".old").c_str(), final_.c_str());
      throw;
    }
    sync_directory(run_, *calls_);
  }

 private:
  std::string run_, final_;
  const file_calls* calls_;
  checkpoint_progress progress_;
  std::int64_t all_ = 0, done_ = 0;
  checkpoint_manifest manifest_;
};

}  // namespace stretto::inline v0
