// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The numbers that a checkpoint holds, by global name: a list of entries, made from parameters or by hand.
//
//     entries_of(pipeline.parameters())                       "3.weight", …; of a tied parameter each use, as "tied.embedding"
//     state_entries_of(pipeline.parameters())                 "3.weight.state.0", …: what the optimizer keeps beside them
//     entry_of("3.weight.state.0", momentum.data(), {n})      also "step.state": any name, type and shape
// Entries of one name are uses of one tensor: it is stored once, and loaded into every use. Names don't hang on the cut, so
// a checkpoint loads into any. Where shapes differ, one of them has to be flat: parameters don't know theirs. What lies in a
// device's memory is copied there and back in pieces, so a checkpoint doesn't tell where a run was trained.
#pragma once

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <stretto/stage/parameters.hpp>
#include <stretto/tensor/memory.hpp>
#include <stretto/train/safetensors_shards.hpp>

namespace stretto::inline v0 {

struct checkpoint_entry {
  std::string name;
  stored_type type = stored_type::float32;
  std::vector<std::int64_t> shape = {};
  const void* data = nullptr;  ///< what is saved
  void* room = nullptr;        ///< where it is loaded to
  void (*copy)(void* to, const void* from, std::int64_t bytes) = host_memory::copy;  ///< to and from the CPU's memory
  bool partial = false;        ///< others of the model are in other processes, so that this process alone can't save it
  bool reachable = true;       ///< by the CPU, without a copy
};

template <element T>
checkpoint_entry entry_of(std::string name, T* data, std::vector<std::int64_t> shape) {
  checkpoint_entry e{std::move(name), stored_as(element_traits<std::remove_const_t<T>>::type), std::move(shape), data};
  if constexpr (!std::is_const_v<T>) e.room = data;
  return e;
}

/// "<name>.state.<k>", of as many numbers: one of the arrays that an optimizer keeps beside a parameter.
template <element T>
checkpoint_entry state_entry_of(const checkpoint_entry& parameter, int k, T* data) {
  checkpoint_entry e = entry_of(parameter.name + ".state." + std::to_string(k), data, parameter.shape);
  e.partial = parameter.partial, e.reachable = parameter.reachable, e.copy = parameter.copy;
  return e;
}

/// An entry for each parameter of a list, in its order; frozen ones too.
inline std::vector<checkpoint_entry> entries_of(const std::vector<parameter>& all) {
  std::vector<checkpoint_entry> entries;
  for (const parameter& p : all) {
    const stored_type type = p.type == number_type::float64 ? stored_type::float64 : stored_type::float32;
    entries.push_back({p.tie.empty() ? std::string(p.name.str()) : "tied." + std::string(p.tie.str()), type, {p.count}, p.value, p.value, p.copy, p.partial, p.reachable});
  }
  return entries;
}

/// An entry for each run of numbers that a pipeline's optimizer keeps beside parameters.
inline std::vector<checkpoint_entry> state_entries_of(const std::vector<parameter>& all) {
  std::vector<checkpoint_entry> entries;
  const std::vector<checkpoint_entry> weights = entries_of(all);
  for (std::size_t i = 0; i < all.size(); ++i)
    for (int k = 0; k < 4 && all[i].gradient != nullptr && all[i].states[k] != nullptr; ++k) {
      if (all[i].type == number_type::float64) entries.push_back(state_entry_of(weights[i], k, static_cast<double*>(all[i].states[k])));
      else entries.push_back(state_entry_of(weights[i], k, static_cast<float*>(all[i].states[k])));
    }
  return entries;
}

namespace detail {

/// Calls do(offset, count of bytes) for a run of bytes, piece by piece.
template <class Do>
void in_pieces(std::int64_t bytes, Do&& work) {
  constexpr std::int64_t piece = 4 << 20;
  for (std::int64_t at = 0; at < bytes; at += piece) work(at, bytes - at < piece ? bytes - at : piece);
}

/// Some bytes of an entry, good until the next.
class entry_reader {
 public:
  const char* read(const checkpoint_entry& e, std::int64_t at, std::int64_t bytes) {
    const char* const first = static_cast<const char*>(e.data) + at;
    if (e.reachable) return first;
    kept_.resize(static_cast<std::size_t>(bytes));
    e.copy(kept_.data(), first, bytes);
    return kept_.data();
  }

 private:
  std::vector<char> kept_;
};

inline bool same_numbers(const checkpoint_entry& a, const checkpoint_entry& b, std::int64_t bytes) {
  bool same = true;
  entry_reader of_a, of_b;
  in_pieces(bytes, [&](std::int64_t at, std::int64_t n) { same = same && std::memcmp(of_a.read(a, at, n), of_b.read(b, at, n), static_cast<std::size_t>(n)) == 0; });
  return same;
}

/// What doesn't fit, gathered for one sentence.
class differences {
 public:
  template <class... Parts>
  void add(std::string_view tensor, const Parts&... parts) {
    if (++count_ > 8) return;
    words_.add(count_ > 1 ? ", '" : "'", fit_to_print(tensor), "' ", parts...);
  }
  void add_unwanted(std::string_view tensor) {
    add(tensor, "is stored and not wanted");
    ++unwanted_;
  }
  int count() const { return count_; }
  int unwanted() const { return unwanted_; }
  /// "3 tensors: 'a' …, 'b' …, 'c' …"
  text words() const {
    text t(count_, count_ == 1 ? " tensor: " : " tensors: ", words_);
    if (count_ > 8) t.add(" and ", count_ - 8, " more");
    return t;
  }

 private:
  int count_ = 0, unwanted_ = 0;
  text words_;
};

inline bool shapes_fit(const std::vector<std::int64_t>& a, const std::vector<std::int64_t>& b) { return a == b || a.size() == 1 || b.size() == 1; }

/// The entries without further uses, in the order of their first. Throws where uses of a name differ, or have no data.
inline std::vector<checkpoint_entry> stored_once(const std::vector<checkpoint_entry>& all) {
  std::vector<std::size_t> order(all.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return all[a].name < all[b].name; });
  std::vector<std::size_t> firsts;
  for (const std::size_t i : order) {
    const checkpoint_entry& e = all[i];
    const std::int64_t bytes = bytes_of(e.type, e.shape);
    if (bytes < 0) throw error(text("stretto: tensor '", fit_to_print(e.name), "' is to be saved with shape ", shape_words(e.shape), "; give extents of 0 or more, and not more than there are addresses").str());
    if (bytes > 0 && e.data == nullptr) throw error(text("stretto: tensor '", fit_to_print(e.name), "' is to be saved and has no data; set it").str());
    if (firsts.empty() || all[firsts.back()].name != e.name) {
      firsts.push_back(i);
      continue;
    }
    const checkpoint_entry& first = all[firsts.back()];
    if (first.type != e.type || first.shape != e.shape || !same_numbers(first, e, bytes))
      throw error(text("stretto: uses of tensor '", fit_to_print(e.name), "' differ, and it is stored once; give each tensor its own name, or all uses the same numbers").str());
  }
  std::sort(firsts.begin(), firsts.end());
  std::vector<checkpoint_entry> once;
  for (const std::size_t i : firsts) once.push_back(all[i]);
  return once;
}

/// Whether all entries can be loaded from a set; with `whole`, also whether the set has no others.
inline void compare_entries(const safetensors_set& from, const std::vector<checkpoint_entry>& entries, bool whole, differences& out) {
  std::vector<std::string_view> names;
  for (const checkpoint_entry& e : entries) {
    names.push_back(e.name);
    const stored_tensor* const t = from.find(e.name);
    const std::int64_t bytes = bytes_of(e.type, e.shape);
    if (t == nullptr)
      out.add(e.name, "is missing");
    else if (t->type != e.type || t->bytes() != bytes || !shapes_fit(t->shape, e.shape))
      out.add(e.name, "is stored as ", stored_name(t->type), " ", shape_words(t->shape), " and wanted as ", stored_name(e.type), " ", shape_words(e.shape));
    else if (bytes > 0 && e.room == nullptr)
      out.add(e.name, "has no room to be loaded to");
  }
  if (!whole) return;
  std::sort(names.begin(), names.end());
  for (int i = 0; i < from.files(); ++i)
    for (const stored_tensor& t : from.file(i).tensors())
      if (!std::binary_search(names.begin(), names.end(), std::string_view(t.name))) out.add_unwanted(t.name);
}

inline void load_entries(const safetensors_set& from, const std::vector<checkpoint_entry>& entries) {
  std::vector<char> kept;
  for (const checkpoint_entry& e : entries) {
    const std::int64_t bytes = bytes_of(e.type, e.shape);
    if (e.reachable) {
      from.read(e.name, e.room, bytes);
      continue;
    }
    in_pieces(bytes, [&](std::int64_t at, std::int64_t n) {
      kept.resize(static_cast<std::size_t>(n));
      from.read(e.name, at, kept.data(), n);
      e.copy(static_cast<char*>(e.room) + at, kept.data(), n);
    });
  }
}

}  // namespace detail

}  // namespace stretto::inline v0
