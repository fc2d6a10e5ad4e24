// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Any bytes at all go into the reader of JSON. A refusal must be a sentence; what is read must survive being written and
// read again. The same bytes as a manifest of a checkpoint, and as the config.json of a model: a sentence, or a manifest or
// a shape that survives likewise.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include <stretto/train/checkpoint_manifest.hpp>
#include <stretto/train/published_config.hpp>

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
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  try {
    const json j = read_json(source);
    const std::string written = to_json(j);
    require_that(read_json(written) == j);
    require_that(to_json(read_json(written)) == written);
    require_that(read_json(to_json(j, 2)) == j);
  } catch (const error& e) {
    require_sentence(e.what());
  }
  try {
    read_json(source, "a small text", {.bytes = 200, .values = 20, .depth = 3});
  } catch (const error& e) {
    require_sentence(e.what());
  }
  try {
    const std::string written = to_json(read_manifest(source, "manifest.json"));
    require_that(to_json(read_manifest(written, "again")) == written);
  } catch (const error& e) {
    require_sentence(e.what());
  }
  try {
    const transformer_shape shape = read_published_config(source);
    const std::string written = to_json(published_config(shape));
    require_that(to_json(published_config(read_published_config(written))) == written);
    require_that(parameter_count(shape) > 0);
  } catch (const error& e) {
    require_sentence(e.what());
  }
  return 0;
}
