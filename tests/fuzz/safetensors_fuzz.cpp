// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Any bytes at all are taken for a safetensors file. A refusal must be a sentence. Of what is read every tensor must lie in
// the file and have the size of its shape, none over another, and a header written for the same tensors must read as them.
// The same bytes are the index of a model in several files, beside two files that are whole.
#include <sys/stat.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <stretto/train/safetensors_shards.hpp>

namespace {

void require_that(bool holds) {
  if (!holds) std::abort();
}

void require_sentence(std::string_view s) {
  require_that(s.substr(0, 9) == "stretto: ");
  require_that(s.size() > 20 && s.size() < 4000);
  require_that(s.find("; ") != s.npos);
  for (char c : s) require_that(c >= ' ' && c <= '~');
}

/// A directory without a disk: the index, a file of tensor a under names that begin with 1, one of b and c under all others.
struct directory {
  static inline std::string_view index;
  static std::string file_of(const std::vector<std::string>& names) {
    stretto::safetensors_header h;
    for (const std::string& name : names) h.tensors.push_back({.name = name, .type = stretto::stored_type::uint8, .shape = {3}});
    stretto::place_tensors(h, "made");
    return stretto::write_safetensors_header(h, "made") + std::string(3 * names.size(), 'x');
  }
  static std::string_view content(int descriptor) {
    static const std::string a = file_of({"a"}), b_and_c = file_of({"b", "c"});
    return descriptor == 1 ? index : descriptor == 2 ? std::string_view(a) : std::string_view(b_and_c);
  }
  static const stretto::file_calls& calls() {
    static const stretto::file_calls all = [] {
      stretto::file_calls c;
      c.open = [](const char* path, int, unsigned) {
        const std::string_view name = std::string_view(path).substr(2);
        require_that(std::string_view(path).substr(0, 2) == "d/" && name.find('/') == name.npos && name[0] != '.');
        return name == "model.safetensors.index.json" ? 1 : name[0] == '1' ? 2 : 3;
      };
      c.status = [](int d, struct ::stat* out) {
        out->st_mode = S_IFREG;
        out->st_size = static_cast<long>(content(d).size());
        return 0;
      };
      c.read = [](int d, void* to, unsigned long n, long at) {
        return static_cast<long>(content(d).substr(static_cast<std::size_t>(at)).copy(static_cast<char*>(to), n));
      };
      c.close = [](int) { return 0; };
      return c;
    }();
    return all;
  }
};

void look_at_index(std::string_view index) {
  directory::index = index;
  try {
    const auto set = stretto::safetensors_set::open("d/model.safetensors.index.json", directory::calls());
    require_that(set.files() <= 2 && set.count() <= 3 && (set.files() == 0) == (set.count() == 0));
    for (int i = 0; i < set.files(); ++i)
      for (const stretto::stored_tensor& t : set.file(i).tensors()) {
        char all[4] = {};
        set.read(t.name, all, 3);
        require_that(std::string_view(all) == "xxx");
      }
  } catch (const stretto::error& e) {
    std::string words = e.what();  // names of files stay as they are, in letters of any language
    std::replace_if(words.begin(), words.end(), [](char c) { return (static_cast<unsigned char>(c) & 128) != 0; }, '?');
    require_sentence(words);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stretto;
  const std::string_view file(reinterpret_cast<const char*>(data), size);
  look_at_index(file);
  const auto whole = static_cast<std::int64_t>(size);
  safetensors_header h;
  try {
    const std::int64_t n = safetensors_header_bytes(file.substr(0, 8), whole, "f");
    require_that(n >= 0 && n <= whole - 8);
    h = read_safetensors_header(file.substr(8, static_cast<std::size_t>(n)), whole - 8 - n, "f");
  } catch (const error& e) {
    require_sentence(e.what());
    return 0;
  }
  std::int64_t end = 0;
  for (const stored_tensor& t : h.tensors) {
    require_that(t.begin == end && t.end >= t.begin && h.data + t.end <= whole);
    require_that(t.count() * stored_bytes(t.type) == t.bytes());
    const stored_tensor* found = h.find(t.name);
    require_that(found == &t);
    end = t.end;
  }
  require_that(h.data + end == whole);
  safetensors_header mine;
  mine.tensors = h.tensors;
  mine.metadata = h.metadata;
  place_tensors(mine, "g");
  const std::string written = write_safetensors_header(mine, "g");
  require_that(written.size() % 8 == 0 && mine.data == static_cast<std::int64_t>(written.size()) && mine.data_bytes == end);
  require_that(safetensors_header_bytes(written, mine.data + end, "g") == mine.data - 8);
  const safetensors_header back = read_safetensors_header(std::string_view(written).substr(8), end, "g");
  require_that(back.tensors.size() == h.tensors.size() && back.metadata == h.metadata);
  for (const stored_tensor& t : h.tensors) {
    const stored_tensor* b = back.find(t.name);
    require_that(b != nullptr && b->shape == t.shape && b->type == t.type && b->bytes() == t.bytes());
  }
  return 0;
}
