// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What stands at the front of a safetensors file: the names, types, shapes and places of its tensors.
//
//     8 bytes   length of the header, little-endian       at most 100 MB, and a multiple of 8 with what pads it
//     header    {"wte":{"dtype":"F32","shape":[50257,768],"data_offsets":[0,154389504]}, …, "__metadata__":{"format":"pt"}}
//     data      the tensors one behind the other, rows outermost, little-endian, without holes
// Reading believes nothing: places must follow each other from 0 to the end of the file, sizes must be those of the shapes.
// Cost: a few hundred bytes a tensor, and sorting names and places.
// Source: the safetensors format, github.com/huggingface/safetensors, README, "Format".
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <stretto/tensor/element.hpp>
#include <stretto/train/json.hpp>

namespace stretto::inline v0 {

/// What a file's numbers are.
enum class stored_type : std::uint8_t { float64, float32, bfloat16, float16, int64, int32, int16, int8, uint64, uint32, uint16, uint8, boolean };

/// As the file says it.
constexpr std::string_view stored_name(stored_type t) {
  constexpr std::string_view names[] = {"F64", "F32", "BF16", "F16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL"};
  return names[static_cast<int>(t)];
}
constexpr int stored_bytes(stored_type t) {
  constexpr int bytes[] = {8, 4, 2, 2, 8, 4, 2, 1, 8, 4, 2, 1, 1};
  return bytes[static_cast<int>(t)];
}
constexpr stored_type stored_as(element_type t) {
  constexpr stored_type types[] = {stored_type::float64, stored_type::float32, stored_type::bfloat16, stored_type::float16, stored_type::int64, stored_type::int32,
                                   stored_type::int16,   stored_type::int8,    stored_type::uint16,   stored_type::uint8,   stored_type::boolean};
  return types[static_cast<int>(t)];
}

/// A tensor in a file, or one that will be.
struct stored_tensor {
  std::string name;
  stored_type type = stored_type::float32;
  std::vector<std::int64_t> shape = {};  ///< outermost first; none: one number
  std::int64_t begin = 0, end = 0;       ///< bytes from where the data begins; whoever writes needn't set them

  std::int64_t bytes() const { return end - begin; }
  std::int64_t count() const { return bytes() / stored_bytes(type); }
};

struct safetensors_header {
  std::vector<stored_tensor> tensors;                             ///< in the order of their data
  std::vector<std::pair<std::string, std::string>> metadata = {};
  std::int64_t data = 0;                                          ///< where the data begins in the file
  std::int64_t data_bytes = 0;

  static constexpr std::int64_t most_bytes = 100'000'000;

  /// nullptr where there is none.
  const stored_tensor* find(std::string_view name) const {
    const auto at = std::lower_bound(by_name.begin(), by_name.end(), name, [&](int i, std::string_view n) { return tensors[static_cast<std::size_t>(i)].name < n; });
    if (at == by_name.end() || tensors[static_cast<std::size_t>(*at)].name != name) return nullptr;
    return &tensors[static_cast<std::size_t>(*at)];
  }
  void sort_names() {
    by_name.clear();
    for (int i = 0; i < static_cast<int>(tensors.size()); ++i) by_name.push_back(i);
    std::sort(by_name.begin(), by_name.end(), [&](int a, int b) { return tensors[static_cast<std::size_t>(a)].name < tensors[static_cast<std::size_t>(b)].name; });
  }
  std::vector<int> by_name = {};
};

/// "(2, 3)"
inline text shape_words(const std::vector<std::int64_t>& shape) {
  text t("(");
  for (std::size_t i = 0; i < shape.size() && i < 16; ++i) t.add(i > 0 ? ", " : "", shape[i]);
  return t.add(shape.size() > 16 ? ", ...)" : ")"), t;
}

namespace detail {

[[noreturn]] inline void refuse_tensor(std::string_view file, std::string_view tensor, const text& what) {
  throw error(text("stretto: tensor '", fit_to_print(tensor), "' of ", file, " ", what, "; correct the file, or what wrote it").str());
}

/// The bytes of a shape, -1 where there are more than addresses or an extent is below 0.
inline std::int64_t bytes_of(stored_type type, const std::vector<std::int64_t>& shape) {
  std::int64_t n = stored_bytes(type);
  bool none = false;
  for (const std::int64_t e : shape) {
    if (e < 0 || (e > 0 && n > INT64_MAX / e)) return -1;
    n *= e > 0 ? e : 1;
    none = none || e == 0;
  }
  return none ? 0 : n;
}

inline stored_tensor read_stored_tensor(const std::string& name, const json& j, std::string_view file) {
  if (!j.is(json_kind::object)) refuse_tensor(file, name, text("is no object in the header"));
  const json* const type = j.find("dtype");
  const json* const shape = j.find("shape");
  const json* const place = j.find("data_offsets");
  const auto whole = [](const json* array) {
    if (array == nullptr || !array->is(json_kind::array)) return false;
    for (const json& v : array->values())
      if (!v.is(json_kind::integer) || v.integer() < 0) return false;
    return true;
  };
  if (type == nullptr || !type->is(json_kind::string)) refuse_tensor(file, name, text("has no dtype"));
  if (!whole(shape)) refuse_tensor(file, name, text("has no shape of whole numbers"));
  if (!whole(place) || place->values().size() != 2) refuse_tensor(file, name, text("has no data_offsets of two whole numbers"));
  stored_tensor t;
  t.name = name;
  int k = 0;
  while (k <= static_cast<int>(stored_type::boolean) && stored_name(static_cast<stored_type>(k)) != type->string()) ++k;
  if (k > static_cast<int>(stored_type::boolean)) refuse_tensor(file, name, text("has dtype '", fit_to_print(type->string()), "', which isn't read"));
  t.type = static_cast<stored_type>(k);
  for (const json& v : shape->values()) t.shape.push_back(v.integer());
  t.begin = place->values()[0].integer(), t.end = place->values()[1].integer();
  const std::int64_t bytes = bytes_of(t.type, t.shape);
  if (t.begin > t.end || bytes != t.bytes())
    refuse_tensor(file, name, text("of ", stored_name(t.type), " ", shape_words(t.shape), " has its data in bytes ", t.begin, " to ", t.end, ", which is another size"));
  return t;
}

}  // namespace detail

/// The length of the header by the first bytes of a file of so many. Throws stretto::error where it can't be one.
inline std::int64_t safetensors_header_bytes(std::string_view first, std::int64_t file_bytes, std::string_view file) {
  std::uint64_t n = 0;
  for (unsigned i = 0; i < 8 && i < first.size(); ++i) n |= static_cast<std::uint64_t>(static_cast<unsigned char>(first[i])) << (8 * i);
  if (file_bytes < 8 || first.size() < 8) throw error(text("stretto: ", file, " has ", file_bytes, " bytes, and a safetensors file begins with 8 that hold the length of its header; give another file").str());
  if (n > static_cast<std::uint64_t>(safetensors_header::most_bytes) || static_cast<std::int64_t>(n) > file_bytes - 8)
    throw error(text("stretto: ", file, " has ", file_bytes, " bytes, and its first 8 don't hold the length of a header in it; it is no safetensors file, or was cut off").str());
  return static_cast<std::int64_t>(n);
}

/// The header of a file whose data has so many bytes.
inline safetensors_header read_safetensors_header(std::string_view source, std::int64_t data_bytes, std::string_view file) {
  const json all = read_json(source, text("the header of ", file).str(), {.bytes = safetensors_header::most_bytes});
  safetensors_header h;
  h.data = 8 + static_cast<std::int64_t>(source.size());
  h.data_bytes = data_bytes;
  if (!all.is(json_kind::object)) throw error(text("stretto: the header of ", file, " is no JSON object; it is no safetensors file").str());
  for (std::size_t i = 0; i < all.names().size(); ++i) {
    const json& value = all.values()[i];
    if (all.names()[i] != "__metadata__") {
      h.tensors.push_back(detail::read_stored_tensor(all.names()[i], value, file));
      continue;
    }
    bool strings = value.is(json_kind::object);
    for (std::size_t k = 0; strings && k < value.values().size(); ++k) {
      strings = value.values()[k].is(json_kind::string);
      if (strings) h.metadata.emplace_back(value.names()[k], value.values()[k].string());
    }
    if (!strings) throw error(text("stretto: the __metadata__ of ", file, " is no object of strings; correct the file").str());
  }
  std::sort(h.tensors.begin(), h.tensors.end(), [](const stored_tensor& a, const stored_tensor& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end != b.end ? a.end < b.end : a.name < b.name;
  });
  std::int64_t end = 0;
  for (const stored_tensor& t : h.tensors) {
    if (t.begin != end) detail::refuse_tensor(file, t.name, text("has data from byte ", t.begin, " on, and what is before ends at ", end));
    end = t.end;
  }
  if (end != data_bytes)
    throw error(text("stretto: the tensors of ", file, " have ", end, " bytes of data, and the file has ", data_bytes, "; it was cut off, or isn't what its header says").str());
  h.sort_names();
  return h;
}

/// Gives tensors their places: larger numbers first, so that each lies at a multiple of its size, and otherwise as they are.
inline void place_tensors(safetensors_header& h, std::string_view file) {
  std::stable_sort(h.tensors.begin(), h.tensors.end(), [](const stored_tensor& a, const stored_tensor& b) { return stored_bytes(a.type) > stored_bytes(b.type); });
  std::int64_t end = 0;
  for (stored_tensor& t : h.tensors) {
    const std::int64_t bytes = detail::bytes_of(t.type, t.shape);
    if (bytes < 0 || bytes > INT64_MAX / 2 - end) detail::refuse_tensor(file, t.name, text("has shape ", shape_words(t.shape), ", which no file holds"));
    t.begin = end;
    t.end = end += bytes;
  }
  h.data_bytes = end;
  h.sort_names();
  for (std::size_t i = 0; i < h.by_name.size(); ++i) {
    const std::string& name = h.tensors[static_cast<std::size_t>(h.by_name[i])].name;
    if (name == "__metadata__" || (i > 0 && name == h.tensors[static_cast<std::size_t>(h.by_name[i - 1])].name))
      detail::refuse_tensor(file, name, text(name == "__metadata__" ? "has a name that is kept for metadata" : "is there twice"));
  }
}

/// The first bytes of a file with tensors that have their places: length, header and what pads it.
inline std::string write_safetensors_header(safetensors_header& h, std::string_view file, std::int64_t most = safetensors_header::most_bytes) {
  json all = json::object();
  if (!h.metadata.empty()) {
    json words = json::object();
    for (const auto& [name, value] : h.metadata) words.set(name, value);
    all.append("__metadata__", std::move(words));
  }
  for (const stored_tensor& t : h.tensors) {
    json shape = json::array(), place = json::array(), one = json::object();
    for (const std::int64_t e : t.shape) shape.push_back(e);
    place.push_back(t.begin).push_back(t.end);
    one.append("dtype", stored_name(t.type)).append("shape", std::move(shape)).append("data_offsets", std::move(place));
    all.append(t.name, std::move(one));
  }
  std::string words = to_json(all);
  words.append((8 - words.size() % 8) % 8, ' ');
  if (static_cast<std::int64_t>(words.size()) > most)
    throw error(text("stretto: the header of ", file, " would have ", static_cast<std::int64_t>(words.size()), " bytes, and may have ", most, "; write several files").str());
  std::string out;
  for (int i = 0; i < 8; ++i) out += static_cast<char>(static_cast<unsigned char>(words.size() >> (8 * i)));
  h.data = static_cast<std::int64_t>(8 + words.size());
  return out + words;
}

}  // namespace stretto::inline v0
