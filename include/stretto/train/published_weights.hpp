// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Weights of GPT-2 and Llama models as other tools keep them: a directory with config.json and safetensors files.
//
//     transformer_shape s = published_shape("gpt2");                     config.json; samples and sequence are yours to set
//     pipeline p(transformer<host::device, float>(s, …), …);
//     load_published("gpt2", s, p.parameters());   p.weights_changed();
//     …
//     save_published("mine", s, p.parameters());                         config.json, model.safetensors or shards and an index
// Names are found with and without "transformer." or "model." in front; F64, F32, BF16 and F16 are converted, and matrices
// turned round where they lie otherwise. All is looked at before anything is changed: what doesn't fit is one sentence.
// A table that is padded here gets the mean of the stored rows behind them, so that a logit of padding is the mean of the
// others, and padding makes a loss larger by less than the share of rows that it has. Cost: each number once.
// Source: published_names.hpp; huggingface.co/docs/transformers, PreTrainedModel.save_pretrained.
#pragma once

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include <stretto/train/checkpoint_entry.hpp>
#include <stretto/train/published_numbers.hpp>

namespace stretto::inline v0 {

struct published_reading {
  std::int64_t vocabulary = 0;  ///< tokens in the files, where the table here is padded; 0: as many
  bool part = false;            ///< files may hold tensors that none of the parameters takes: a rank loads its own
  bool lacking = false;         ///< parameters that the files lack keep their numbers
  const file_calls* calls = &detail::real_calls;
};

/// What was done.
struct published_report {
  int tensors = 0;                     ///< read
  std::vector<std::string> left = {};  ///< tensors that weren't read
  std::vector<std::string> kept = {};  ///< parameters that keep their numbers
};

struct published_writing {
  std::int64_t vocabulary = 0;  ///< tokens to write, where the table here is padded; 0: all
  stored_type type = stored_type::float32;
  std::int64_t most_bytes = 5'000'000'000;  ///< of data in a file
  const file_calls* calls = &detail::real_calls;
};

namespace detail {

inline std::vector<const published_tensor*> pieces_of(const std::vector<published_tensor>& all, std::string_view parameter) {
  std::vector<const published_tensor*> pieces;
  for (const published_tensor& t : all)
    if (t.parameter == parameter) pieces.push_back(&t);
  return pieces;
}
/// "model.safetensors", its index or one of its shards, or what a broken attempt left of one.
inline bool names_weights(std::string_view name) {
  if (name.ends_with(".part")) name.remove_suffix(5);
  return name == "model.safetensors" || name == "model.safetensors.index.json" || (name.starts_with("model-") && name.find("-of-") != name.npos && name.ends_with(".safetensors"));
}
/// How many numbers the pieces make here.
inline std::int64_t numbers_of(const std::vector<const published_tensor*>& pieces, const transformer_shape& s) {
  std::int64_t n = 0;
  for (const published_tensor* t : pieces) n += (t->tokens ? s.vocabulary : t->rows()) * t->columns();
  return n;
}

/// Holds files to parameters and says what doesn't fit, before anything is read into them.
class published_match {
 public:
  struct piece {
    const published_tensor* there;
    const stored_tensor* stored;
    const parameter* here;
  };
  published_match(const safetensors_set& from, const transformer_shape& s, const std::vector<published_tensor>& all, const std::vector<parameter>& to, const published_reading& how, published_report& report)
      : from_(from), s_(s), all_(all) {
    for (const parameter& p : to) take(p, how, report);
    if (s.tied) hold_tie();
    for (int i = 0; i < from.files(); ++i)
      for (const stored_tensor& t : from.file(i).tensors()) {
        if (std::find(known_.begin(), known_.end(), &t) != known_.end()) continue;
        report.left.push_back(t.name);
        if (!how.part && !published_buffer(t.name) && !(s.tied && t.name == "lm_head.weight")) differs(t.name, "set part where files may hold more", "is stored and not wanted");
      }
    if (differences_.count() > 0)
      throw error(text("stretto: the weights in '", from.files() > 0 ? path_words(from.file(0).path()) : text(""), "' don't fit the parameters, in ", differences_.words(), "; ", fix_).str());
  }
  const std::vector<piece>& pieces() const { return pieces_; }

 private:
  template <class... Parts>
  void differs(std::string_view tensor, std::string_view fix, const Parts&... parts) {
    differences_.add(tensor, parts...);
    if (fix_.str().find(fix) == std::string_view::npos) fix_.add(fix_.empty() ? "" : ", or ", fix);
  }

  const stored_tensor* find(const published_tensor& t) const {
    const stored_tensor* found = from_.find(t.name);
    if (found == nullptr) found = from_.find(published_bare(t.name));
    if (found == nullptr && t.tokens && s_.tied) found = from_.find("lm_head.weight");  // some tools keep one use under that name
    return found;
  }

  void take(const parameter& p, const published_reading& how, published_report& report) {
    const std::vector<const published_tensor*> pieces = pieces_of(all_, p.name.str());
    const std::int64_t wanted = numbers_of(pieces, s_);
    std::size_t missing = 0;
    for (const published_tensor* t : pieces) {
      if (const stored_tensor* const stored = find(*t); stored != nullptr) known_.push_back(stored);
      else ++missing;
    }
    if (how.lacking && missing == pieces.size()) return report.kept.emplace_back(p.name.str()), void();
    if (pieces.empty()) return differs(p.name.str(), "set lacking where parameters may keep their numbers", "is no parameter of that shape");
    if (p.count != wanted) return differs(p.name.str(), "load into a model of the shape that is given", "has ", p.count, " numbers where the shape has ", wanted);
    for (const published_tensor* t : pieces) {
      const stored_tensor* const stored = find(*t);
      if (stored == nullptr)
        differs(t->name, t->name == "lm_head.weight" ? "give a shape with tied = true" : "set lacking where parameters may keep their numbers", "is missing and wanted as ", shape_words(t->shape));
      else if (stored->type > stored_type::float16)
        differs(t->name, "convert it to F32", "is stored as ", stored_name(stored->type), " ", shape_words(stored->shape));
      else if (stored->shape != t->shape)
        differs(t->name, fix_of_shape(*t, *stored), "is stored as ", stored_name(stored->type), " ", shape_words(stored->shape), " and wanted as ", shape_words(t->shape));
      else
        pieces_.push_back({t, stored, &p});
    }
  }
  text fix_of_shape(const published_tensor& t, const stored_tensor& stored) const {
    if (t.tokens && stored.shape.size() == 2 && stored.shape[1] == t.columns() && stored.shape[0] <= s_.vocabulary) return text("give vocabulary = ", stored.shape[0]);
    return text("take the shape from the config.json of these weights");
  }

  /// A head of its own beside the table that it is tied to has to be the same.
  void hold_tie() {
    const stored_tensor* const head = from_.find("lm_head.weight");
    const stored_tensor* const table = find(all_.front());
    if (head == nullptr || table == nullptr || head == table) return;
    bool same = head->type == table->type && head->shape == table->shape;
    std::vector<char> a(1 << 20), b(1 << 20);
    for (std::int64_t at = 0, n = 0; same && at < head->bytes(); at += n) {
      n = (std::min)(std::int64_t{1} << 20, head->bytes() - at);
      from_.read(head->name, at, a.data(), n), from_.read(table->name, at, b.data(), n);
      same = std::memcmp(a.data(), b.data(), static_cast<std::size_t>(n)) == 0;
    }
    if (!same) differs(head->name, "give a shape with tied = false", "isn't the table that the shape ties it to");
  }

  const safetensors_set& from_;
  const transformer_shape& s_;
  const std::vector<published_tensor>& all_;
  std::vector<piece> pieces_;
  std::vector<const stored_tensor*> known_;  // all that parameters look for, fitting or not
  differences differences_;
  text fix_;
};

}  // namespace detail

/// The shape that a directory's config.json says.
inline transformer_shape published_shape(const std::string& directory, const file_calls& calls = detail::real_calls) {
  const std::string path = directory + "/config.json";
  return read_published_config(read_file(path, 1 << 20, calls), text("'", detail::path_words(path), "'"));
}

/// Reads weights into parameters, which are all of a model's or those of a process. Then call weights_changed().
/// @post where it throws for what doesn't fit, no parameter has changed.
inline published_report load_published(const safetensors_set& from, const transformer_shape& s, const std::vector<parameter>& to, const published_reading& how = {}) {
  const std::vector<published_tensor> all = published_tensors(s, how.vocabulary);
  published_report report;
  const detail::published_match match(from, s, all, to, how, report);
  for (const auto& [there, stored, here] : match.pieces())
    detail::with_numbers(*here, true, [&, t = there, from_stored = stored](auto* numbers) {
      detail::read_published(from, *from_stored, *t, numbers);
      if (t->tokens) detail::pad_with_mean(numbers, t->rows(), s.vocabulary, t->columns());
    });
  report.tensors = from.count() - static_cast<int>(report.left.size());
  return report;
}
/// From a directory, an index or a file.
inline published_report load_published(const std::string& path, const transformer_shape& s, const std::vector<parameter>& to, const published_reading& how = {}) {
  return load_published(safetensors_set::open(path, *how.calls), s, to, how);
}

/// Writes all parameters of a model, and its config.json, into a directory. Files of a model that was there are replaced.
inline void save_published(const std::string& directory, const transformer_shape& s, const std::vector<parameter>& from, const published_writing& how = {}) {
  const std::vector<published_tensor> all = published_tensors(s, how.vocabulary);
  detail::with_stored(how.type, [](auto) {});
  std::vector<stored_tensor> stored;
  std::vector<std::pair<const published_tensor*, const parameter*>> uses;  // the first of each tensor
  for (const parameter& p : from) {
    const auto pieces = detail::pieces_of(all, p.name.str());
    const std::int64_t wanted = detail::numbers_of(pieces, s);
    if (pieces.empty()) throw error(text("stretto: parameter ", p.name, " has no published name in a model of that shape; leave layers of your own out of the list").str());
    if (p.count != wanted) throw error(text("stretto: parameter ", p.name, " has ", p.count, " numbers where the shape has ", wanted, "; give the shape that the model was made with").str());
    for (const published_tensor* t : pieces) {
      const auto first = std::find_if(uses.begin(), uses.end(), [&](const auto& u) { return u.first->name == t->name; });
      if (first == uses.end()) {
        stored.push_back({t->name, how.type, t->shape});
        uses.emplace_back(t, &p);
      } else if (first->second->type != p.type || !detail::same_numbers(entries_of({*first->second}).front(), entries_of({p}).front(), p.count * (p.type == number_type::float64 ? 8 : 4))) {
        throw error(text("stretto: parameters ", first->second->name, " and ", p.name, " differ, and are stored as one tensor '", t->name, "'; write them when no step is under way").str());
      }
    }
  }
  for (const published_tensor& t : all)
    if (std::none_of(stored.begin(), stored.end(), [&](const stored_tensor& o) { return o.name == t.name; }))
      throw error(text("stretto: parameter ", t.parameter, " of tensor '", t.name, "' isn't among those that are given; write where all of a model are, one that has loaded a checkpoint for instance").str());
  sharded_safetensors_options o;
  o.most_bytes = how.most_bytes, o.metadata = {{"format", "pt"}}, o.calls = how.calls;
  sharded_safetensors_writer out(directory, stored, std::move(o));
  for (const stored_tensor& next : out.tensors()) {
    const auto use = std::find_if(uses.begin(), uses.end(), [&](const auto& u) { return u.first->name == next.name; });
    detail::with_numbers(*use->second, false, [&](const auto* numbers) { detail::write_published(out, *use->first, how.type, numbers); });
  }
  out.finish();
  for (const std::string& name : list_directory(directory, *how.calls)) {  // of a model before
    bool ours = name == "model.safetensors.index.json" && out.shards() > 1;
    for (int k = 0; k < out.shards(); ++k) ours = ours || name == out.name(k);
    if (!ours && detail::names_weights(name)) remove_file(directory + "/" + name, *how.calls);
  }
  const std::string_view dtype = how.type == stored_type::float64 ? "float64" : how.type == stored_type::bfloat16 ? "bfloat16" : how.type == stored_type::float16 ? "float16" : "float32";
  replace_file(directory + "/config.json", to_json(published_config(s, how.vocabulary, dtype), 2) + "\n", *how.calls);
}

}  // namespace stretto::inline v0
