// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Any bytes at all are taken for a safetensors file. A refusal must be a sentence. Of what is read every tensor must lie in
// the file and have the size of its shape, none over another, and a header written for the same tensors must read as them.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include <stretto/train/safetensors_header.hpp>

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

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stretto;
  const std::string_view file(reinterpret_cast<const char*>(data), size);
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
