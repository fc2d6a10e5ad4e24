// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The options of a program, from its command line and from a file. An option is a variable that already holds its default.
//
//     arguments args("train", "Trains a small model.");
//     args.add("steps", steps, "updates of the weights", {.unit = "steps", .least = 1, .most = 1'000'000});
//     args.add("schedule", schedule, "order of the passes", {.choices = {"gpipe", "1f1b"}});
//     args.add("resume", resume, "goes on from the last checkpoint");
//     if (!args.read(argc, argv)) return std::fputs(args.help().c_str(), stdout), 0;
//     std::fputs(args.table().c_str(), stdout);              all options, what they are, and who said so
//
//     --steps 100   --steps=100   --resume   --resume=no   --config train.conf   --help
//     # train.conf; what the command line says counts more
//     steps = 100
//     data  = "my tokens.bin"     # quotes keep blanks and #; \" and \\ stand for themselves; '…' keeps all as it is
// It is strict: an unknown name, a number with something behind it, a value out of range, an option given twice are errors
// with a sentence. Cost: what is given is looked up among all names.
#pragma once

#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/train/log_file.hpp>
#include <stretto/train/nearest_word.hpp>
#include <stretto/train/number_words.hpp>

namespace stretto::inline v0 {

/// What values of an option are allowed.
template <class Number>
struct number_rule {
  std::string unit = "";
  Number least = std::numeric_limits<Number>::lowest();
  Number most = (std::numeric_limits<Number>::max)();
};
struct word_rule {
  std::string unit = "";
  std::vector<std::string> choices = {};  ///< empty: any word
};

class arguments {
 public:
  arguments(std::string program, std::string summary) : program_(std::move(program)), summary_(std::move(summary)) {}

  /// Declares options. A variable must outlive this. Throws stretto::error for a name that is none, or is there twice.
  arguments& add(const std::string& name, int& value, std::string help, const number_rule<int>& rule = {}) {
    return put({name, std::move(help), rule.unit, &value, rule.least, rule.most, 0, 0, {}, {}, {}});
  }
  arguments& add(const std::string& name, std::int64_t& value, std::string help, const number_rule<std::int64_t>& rule = {}) {
    return put({name, std::move(help), rule.unit, &value, rule.least, rule.most, 0, 0, {}, {}, {}});
  }
  arguments& add(const std::string& name, double& value, std::string help, const number_rule<double>& rule = {}) {
    return put({name, std::move(help), rule.unit, &value, 0, 0, rule.least, rule.most, {}, {}, {}});
  }
  arguments& add(const std::string& name, std::string& value, std::string help, const word_rule& rule = {}) {
    return put({name, std::move(help), rule.unit, &value, 0, 0, 0, 0, rule.choices, {}, {}});
  }
  arguments& add(const std::string& name, bool& value, std::string help) { return put({name, std::move(help), "", &value, 0, 0, 0, 0, {}, {}, {}}); }

  /// Reads main's arguments. False: --help is among them, and nothing else was read. Throws stretto::error.
  bool read(int argc, const char* const* argv) {
    struct given {
      option* of;
      std::string_view value;
    };
    std::vector<given> all;
    std::string_view config;
    bool has_config = false;
    for (int i = 1; i < argc; ++i) {
      const std::string_view word = argv[i];
      if (word == "--help" || word == "-h") return false;
      const option* const of = word.substr(0, 2) == "--" ? find(word.substr(2)) : nullptr;
      if ((of != nullptr && !of->is_flag()) || word == "--config") ++i;  // its value
    }
    for (int i = 1; i < argc; ++i) {
      const std::string_view word = argv[i];
      if (word.size() < 3 || word.substr(0, 2) != "--")
        throw error(text("stretto: '", detail::shown(word), "' is no option; options begin with --, and --help shows all").str());
      const std::size_t equals = word.find('=');
      const std::string_view name = word.substr(2, equals == word.npos ? word.npos : equals - 2);
      option* const of = find(name);
      if (of == nullptr && name != "config") refuse_name("--" + std::string(name), name, "", {}, "--");
      std::string_view value = equals == word.npos ? std::string_view() : word.substr(equals + 1);
      if (equals == word.npos && of != nullptr && of->is_flag()) {
        value = "yes";
      } else if (equals == word.npos) {
        if (i + 1 >= argc || std::string_view(argv[i + 1]).substr(0, 2) == "--")
          throw error(text("stretto: --", name, " has no value; write --", name, " ", of == nullptr ? "file" : of->placeholder()).str());
        value = argv[++i];
      }
      bool twice = of == nullptr && has_config;
      for (const given& g : all) twice = twice || (of != nullptr && g.of == of);
      if (twice) throw error(text("stretto: --", name, " is given twice; give it once").str());
      if (of == nullptr) has_config = true, config = value;
      else all.push_back({of, value});
    }
    if (has_config) read_file(std::string(config));
    for (const given& g : all) set(*g.of, g.value, "--" + g.of->name, "command line", {});
    return true;
  }

  /// Reads a file of options.
  void read_file(const std::string& path) {
    std::string all;
    detail::each_piece(path, false, [&](std::string_view piece) {
      all += piece;
      return all.size() <= most_bytes;
    });
    read_config(all, path);
  }

  /// Reads the text of such a file; `file` is what sentences call it.
  void read_config(std::string_view config, std::string_view file) {
    const std::string called = "'" + detail::shown(file) + "'";
    if (config.size() > most_bytes) throw error(text("stretto: the configuration ", called, " has more than 1,048,576 bytes; give a text of lines name = value").str());
    if (config.substr(0, 3) == "\xEF\xBB\xBF") config.remove_prefix(3);
    std::vector<std::pair<option*, int>> lines;
    for (int line = 1; !config.empty(); ++line) {
      std::string_view rest = config.substr(0, config.find('\n'));
      config.remove_prefix((std::min)(config.size(), rest.size() + 1));
      rest = trimmed(rest);
      if (rest.empty() || rest[0] == '#') continue;
      const error_place place{.line = line};
      const std::string here = "line " + std::to_string(line) + " of " + called;
      const std::size_t equals = rest.find('=');
      const std::string_view name = trimmed(rest.substr(0, equals));
      if (equals == rest.npos || name.empty()) throw error(text("stretto: ", here, " is not name = value; mend it, or begin it with #").str(), place);
      option* const of = find(name);
      if (of == nullptr) refuse_name(name, name, " in " + here, place, "");
      for (const auto& [other, earlier] : lines)
        if (other == of) throw error(text("stretto: ", of->name, " in ", here, " stands in line ", earlier, " too; take one out").str(), place);
      lines.emplace_back(of, line);
      set(*of, value_of(trimmed(rest.substr(equals + 1)), here, place), of->name + " in " + here, called, place);
    }
  }

  /// What --help shows: aligned columns, in at most 100.
  std::string help() const {
    constexpr std::size_t most = 100, widest = 32;
    std::vector<std::pair<std::string, std::string>> rows;
    for (const option& o : options_) rows.emplace_back("  --" + o.name + (o.is_flag() ? "" : " " + o.placeholder()), o.help + " (" + o.rule() + ")");
    rows.emplace_back(R"(  --config file)", R"(reads options from lines name = value; the command line counts more)");
    rows.emplace_back("  --help", R"(shows this)");
    std::size_t column = 0;
    for (const auto& row : rows)
      if (row.first.size() <= widest) column = (std::max)(column, row.first.size());
    std::string out = program_ + ": ";
    wrap(out, out.size(), 0, most, summary_);
    out += "\n";
    for (const auto& [left, right] : rows) {
      out += left;
      if (left.size() > column) out += "\n" + std::string(column, ' ');
      else out.append(column - left.size(), ' ');
      out += "  ";
      wrap(out, column + 2, column + 2, most, right);
    }
    return out;
  }

  /// All options, what they are now, and who said so.
  std::string table() const {
    std::vector<std::vector<std::string>> rows{{"option", "value", "unit", "from"}};
    for (const option& o : options_) rows.push_back({o.name, o.words(), o.unit, o.from.empty() ? "default" : o.from});
    std::size_t widths[3] = {};
    for (const auto& row : rows)
      for (unsigned c = 0; c < 3; ++c) widths[c] = (std::max)(widths[c], (std::min)(row[c].size(), std::size_t{60}));
    std::string out;
    for (const auto& row : rows) {
      for (unsigned c = 0; c < 3; ++c) out += row[c] + std::string(widths[c] > row[c].size() ? widths[c] - row[c].size() + 2 : 2, ' ');
      out += row[3] + "\n";
    }
    return out;
  }

  /// The options as a file that read_config takes, to keep beside what the program made.
  std::string config() const {
    std::string out;
    for (const option& o : options_) out += o.name + " = " + o.words() + "\n";
    return out;
  }

 private:
  static constexpr std::size_t most_bytes = 1 << 20;

  struct option {
    std::string name, help, unit;
    std::variant<int*, std::int64_t*, double*, std::string*, bool*> value;
    std::int64_t least, most;
    double real_least, real_most;
    std::vector<std::string> choices;
    std::string preset, from;  // its default in words, and who set it

    bool is_flag() const { return value.index() == 4; }
    std::string placeholder() const { return !unit.empty() ? unit : value.index() == 3 ? "word" : value.index() == 2 ? "number" : "N"; }

    /// The value as a file has it.
    std::string words() const {
      if (const auto* p = std::get_if<int*>(&value)) return std::to_string(**p);
      if (const auto* p = std::get_if<std::int64_t*>(&value)) return std::to_string(**p);
      if (const auto* p = std::get_if<bool*>(&value)) return **p ? "yes" : "no";
      std::string out;
      if (const auto* p = std::get_if<double*>(&value)) {
        detail::put_exact(out, **p);
        return out;
      }
      out += '"';
      for (char c : *std::get<std::string*>(value)) out += c == '"' || c == '\\' ? std::string{'\\', c} : std::string{c};
      return out + '"';
    }

    /// "yes or no", "1 to 100", "gpipe, 1f1b".
    std::string range() const {
      std::string out;
      if (is_flag()) return "yes or no";
      if (value.index() == 3) {
        for (const std::string& c : choices) out += (out.empty() ? "" : ", ") + c;
      } else if (value.index() == 2) {
        if (real_least <= -1e308 && real_most >= 1e308) return out;
        detail::put_exact(out, real_least);
        out += " to ";
        detail::put_exact(out, real_most);
      } else if (least > (std::numeric_limits<int>::min)() || most < (std::numeric_limits<int>::max)()) {
        out = std::to_string(least) + " to " + std::to_string(most);
      }
      return out;
    }
    std::string rule() const {
      const std::string allowed = is_flag() ? "" : range();
      return (allowed.empty() ? "" : allowed + "; ") + "default " + (preset.size() > 60 ? detail::shown(preset) : preset);
    }
  };

  arguments& put(option o) {
    bool sound = !o.name.empty() && o.name != "help" && o.name != "config" && o.name.size() <= 64 && find(o.name) == nullptr;
    for (char c : o.name) sound = sound && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.');
    if (!sound) throw error(text("stretto: '", detail::shown(o.name), "' can't be the name of an option; take a new one of up to 64 of a to z, 0 to 9, - _ .").str());
    o.preset = o.words();
    options_.push_back(std::move(o));
    return *this;
  }

  option* find(std::string_view name) {
    for (option& o : options_)
      if (o.name == name) return &o;
    return nullptr;
  }

  [[noreturn]] void refuse_name(std::string_view written, std::string_view name, std::string_view where, const error_place& place, const char* dashes) const {
    std::vector<std::string> names;
    for (const option& o : options_) names.push_back(o.name);
    if (*dashes != 0) names.insert(names.end(), {"config", "help"});
    const std::string meant = detail::nearest_word(name, names);
    text t("stretto: there is no option '", detail::shown(written), "'", where, "; ");
    if (meant.empty()) t.add("--help shows all");
    else t.add("did you mean ", dashes, meant, "?");
    throw error(t.str(), place);
  }

  static std::string_view trimmed(std::string_view s) {
    const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
    while (!s.empty() && blank(s.front())) s.remove_prefix(1);
    while (!s.empty() && blank(s.back())) s.remove_suffix(1);
    return s;
  }

  /// The value that stands behind an =, without quotes and comment.
  static std::string value_of(std::string_view s, const std::string& here, const error_place& place) {
    std::string out;
    if (s.empty() || s[0] == '#') throw error(text("stretto: ", here, " has no value; write one, in quotes where it is empty").str(), place);
    if (s[0] != '"' && s[0] != '\'') {
      for (std::size_t i = 1; i < s.size(); ++i)
        if (s[i] == '#' && (s[i - 1] == ' ' || s[i - 1] == '\t')) return std::string(trimmed(s.substr(0, i)));
      return std::string(s);
    }
    std::size_t i = 1;
    for (; i < s.size() && s[i] != s[0]; ++i) {
      if (s[0] == '"' && s[i] == '\\' && i + 1 < s.size() && (s[i + 1] == s[0] || s[i + 1] == '\\')) ++i;
      out += s[i];
    }
    if (i >= s.size()) throw error(text("stretto: ", here, " has a quote that doesn't end; close it").str(), place);
    const std::string_view behind = trimmed(s.substr(i + 1));
    if (!behind.empty() && behind[0] != '#') throw error(text("stretto: ", here, " has something behind its closing quote; take it out, or begin it with #").str(), place);
    return out;
  }

  /// Reads all of `s` as a number.
  template <class Number>
  static bool reads(std::string_view s, Number& into) {
    const auto [end, fault] = std::from_chars(s.data(), s.data() + s.size(), into);
    return fault == std::errc() && end == s.data() + s.size();
  }

  static void set(option& o, std::string_view s, const std::string& where, const std::string& from, const error_place& place) {
    const auto refuse = [&](const char* kind) {
      const std::string range = o.range();
      throw error(text("stretto: ", where, " is '", detail::shown(s), "'; ", kind, range.empty() || o.is_flag() ? "" : o.value.index() == 3 ? " " : " from ", o.is_flag() ? "" : range).str(), place);
    };
    if (auto* const p = std::get_if<double*>(&o.value)) {
      double v = 0;
      if (!reads(s, v) || !std::isfinite(v) || v < o.real_least || v > o.real_most) refuse("give a number");
      **p = v;
    } else if (auto* const word = std::get_if<std::string*>(&o.value)) {
      for (char c : s)
        if (static_cast<unsigned char>(c) < ' ' || c == 127) throw error(text("stretto: ", where, " holds a character that isn't printed; take it out").str(), place);
      bool known = o.choices.empty();
      for (const std::string& c : o.choices) known = known || c == s;
      if (!known) refuse("give one of");
      **word = s;
    } else if (auto* const flag = std::get_if<bool*>(&o.value)) {
      if (s != "yes" && s != "no") refuse("give yes or no");
      **flag = s == "yes";
    } else {
      std::int64_t v = 0;
      if (!reads(s, v) || v < o.least || v > o.most) refuse("give a whole number");
      if (auto* const count = std::get_if<int*>(&o.value)) **count = static_cast<int>(v);
      else *std::get<std::int64_t*>(o.value) = v;
    }
    o.from = from;
  }

  /// Adds words, broken so that no line is longer than `most`; a line begins with `indent` blanks, the first stands at `at`.
  static void wrap(std::string& out, std::size_t at, std::size_t indent, std::size_t most, std::string_view words) {
    bool first = true;
    while (!words.empty()) {
      std::string_view word = words.substr(0, words.find(' '));
      if (word.size() > most - indent) word = word.substr(0, most - indent);
      words.remove_prefix(word.size());
      if (!words.empty() && words[0] == ' ') words.remove_prefix(1);
      if (!first && at + 1 + word.size() > most) out += "\n" + std::string(indent, ' '), at = indent, first = true;
      if (!first) out += ' ', ++at;
      out += word;
      at += word.size();
      first = false;
    }
    out += '\n';
  }

  std::string program_, summary_;
  std::vector<option> options_;
};

}  // namespace stretto::inline v0
