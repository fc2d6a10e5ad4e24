// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The tool's work: this project's own pages become tokens and text again; what is cut and left out; the command line.
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>
#include <vector>

#include <stretto/train/make_tokens_words.hpp>
#include <stretto/train/token_file.hpp>

#include "catch.hpp"

using namespace stretto;

namespace {

struct text_folder {
  std::filesystem::path path = std::filesystem::temp_directory_path() / ("stretto_make_tokens_" + std::to_string(::getpid()));
  text_folder() { std::filesystem::create_directories(path); }
  text_folder(const text_folder&) = delete;
  ~text_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::string operator/(const std::string& name) const { return (path / name).string(); }
  void put(const std::string& name, const std::string& letters) const {
    std::filesystem::create_directories((path / name).parent_path());
    std::ofstream(path / name, std::ios::binary) << letters;
  }
};

std::string content_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// The text of a file of tokens, with | where a text ends.
template <class T>
std::string text_of(const T& tokenizer, const std::string& path) {
  const token_file f(path);
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(f.size()));
  f.read(0, f.size(), tokens.data());
  std::string s;
  for (const std::int32_t t : tokens) s += t == tokenizer.end_of_text() ? "|" : tokenizer.decode({&t, 1});
  return s;
}

using list = std::vector<std::string>;

}  // namespace

TEST_CASE("the pages of this project become tokens and text again") {
  const text_folder dir;
  const std::string docs = std::string(STRETTO_TESTS_DIR) + "/../docs";
  int learned = 0;
  const made_tokens made = make_tokens({.sources = {docs + "/schedules.md", docs + "/plans.md", docs + "/glossary.md"}, .output = dir / "docs", .vocabulary = 700, .validation = 0.1},
                                       [&](std::string_view what, std::int64_t done, std::int64_t all) {
                                         REQUIRE((done >= 1 && done <= all));
                                         learned += what == "learning";
                                       });
  CHECK(learned == 700 - 257);
  CHECK((made.files == 3 && made.left_out == 0 && made.vocabulary == 700));
  CHECK(made.written == list{dir / "docs.pairs", dir / "docs_train.bin", dir / "docs_val.bin"});
  const pair_tokenizer t = pair_tokenizer::load(dir / "docs.pairs");
  const std::string whole = content_of(docs + "/schedules.md") + content_of(docs + "/plans.md") + content_of(docs + "/glossary.md");
  std::string train = text_of(t, dir / "docs_train.bin"), held = text_of(t, dir / "docs_val.bin");
  CHECK(token_file(dir / "docs_train.bin").size() == made.training);
  CHECK(made.training * 2 < static_cast<std::int64_t>(train.size()));  // it is worth it
  CHECK(train.back() == '\n');
  std::string both;
  for (const char c : train + held) both += c == '|' ? std::string() : std::string(1, c);
  std::string bare;
  for (const char c : whole) bare += c == '|' ? std::string() : std::string(1, c);  // pages have bars, too
  CHECK(both == bare);
  CHECK(static_cast<double>(held.size()) / static_cast<double>(whole.size()) == Catch::Approx(0.1).margin(0.01));

  const made_tokens again = make_tokens({.sources = {docs + "/glossary.md"}, .output = dir / "again", .vocabulary = 300, .pairs = dir / "docs.pairs", .format = token_format::raw16});
  CHECK(again.vocabulary == 700);
  CHECK(again.written == list{dir / "again_train.bin"});
  CHECK(token_file(dir / "again_train.bin").format() == token_format::raw16);
}

TEST_CASE("each file of a folder is a text in the order of names") {
  const text_folder dir;
  dir.put("in/b.txt", "bb");
  dir.put("in/a/z.txt", "z\n");
  dir.put("in/a/.hidden", "no");
  dir.put("in/.git/x.txt", "no");
  dir.put("in/empty", "");
  dir.put("in/picture", std::string("a\0b", 3));
  dir.put("c.txt", "c");
  std::filesystem::create_directory_symlink(dir / "in", dir / "in/a/round");
  const made_tokens made = make_tokens({.sources = {dir / "c.txt", dir / "in"}, .output = dir / "out"});
  CHECK(text_of(byte_tokenizer(), dir / "out_train.bin") == "c|z\n|bb|");
  CHECK((made.files == 3 && made.left_out == 5 && made.bytes == 5 && made.training == 8 && made.vocabulary == 257));
  CHECK(words_of(made) == "3 files of 5 bytes, 5 that are no text left out\n8 tokens to train on, 0 held out, a vocabulary of 257\nwrote " + (dir / "out_train.bin") + "\n");
}

TEST_CASE("the validation begins behind a line") {
  const text_folder dir;
  dir.put("a", "11\n22\n33\n");
  dir.put("b", "4444\n5555\n6");
  const auto cut = [&](double share) {
    make_tokens({.sources = {dir / "a", dir / "b"}, .output = dir / "o", .validation = share});
    return text_of(byte_tokenizer(), dir / "o_train.bin") + "#" + text_of(byte_tokenizer(), dir / "o_val.bin");
  };
  CHECK(cut(0.05) == "11\n22\n33\n|4444\n5555\n#6|");
  CHECK(cut(0.25) == "11\n22\n33\n|4444\n5555\n#6|");
  CHECK(cut(0.5) == "11\n22\n33\n|4444\n#5555\n6|");
  CHECK(cut(0.55) == "11\n22\n33\n|#4444\n5555\n6|");  // where a text ends, nothing moves
  CHECK(cut(0.9) == "11\n#22\n33\n|4444\n5555\n6|");
  CHECK_THROWS_WITH(make_tokens({.sources = {dir / "b"}, .output = dir / "o", .validation = 0.99999}),
                    "stretto: 11 bytes of text can't be cut behind a line into a training and a validation of that share; give more text, or another share");
}

TEST_CASE("large texts are encoded piece by piece as if they were whole") {
  const text_folder dir;
  std::string s;
  for (int i = 0; s.size() < 1100000; ++i) s += "line " + std::to_string(i * 7919) + (i % 5 == 0 ? "\n\n  \n" : "\n");
  const std::size_t piece = std::size_t{1} << 20, line = s.rfind("line", piece - 8);
  s = std::string(piece - line - 3, 'x') + "\n" + s;  // a piece would end within a word
  REQUIRE(s.substr(piece - 2, 4) == "line");
  dir.put("large", s);
  const made_tokens made = make_tokens({.sources = {dir / "large"}, .output = dir / "o", .vocabulary = 300});
  const pair_tokenizer t = pair_tokenizer::load(dir / "o.pairs");
  std::vector<std::int32_t> whole = t.encode(s), read(static_cast<std::size_t>(made.training));
  whole.push_back(256);
  token_file(dir / "o_train.bin").read(0, made.training, read.data());
  CHECK(read == whole);
  CHECK(detail::slab_of(std::string(1500000, 'x')) == 1 << 20);
}

TEST_CASE("what no tokens can be made of is refused") {
  const text_folder dir;
  const std::string d = dir.path.string();
  dir.put("a", "a\n");
  dir.put("zero", std::string("a\0b", 3));
  std::filesystem::create_directory(dir / "bare");
  CHECK_THROWS_WITH(make_tokens({}), "stretto: there is no text to make tokens of; name files or folders");
  CHECK_THROWS_WITH(make_tokens({.sources = {dir / "none"}}), "stretto: file '" + d + "/none' can't be opened (No such file or directory); check its name and who may read it");
  CHECK_THROWS_WITH(make_tokens({.sources = {dir / "zero"}}), "stretto: file '" + d + "/zero' has zero bytes and is no text; leave it out");
  CHECK_THROWS_WITH(make_tokens({.sources = {dir / "bare"}}), "stretto: '" + d + "/bare' and what else was named have no text files; name others");
  CHECK_THROWS_WITH(make_tokens({.sources = {dir / "a"}, .validation = 1}), "stretto: make_tokens_options::validation isn't from 0 to below 1; give the share that goes to another file");
  CHECK_THROWS_WITH(make_tokens({.sources = {dir / "a"}, .vocabulary = 5}), "stretto: a vocabulary of 5 tokens is asked for; choose from 257 (bytes) to 65536");
  CHECK_THROWS_WITH(make_tokens({.sources = {dir / "a"}, .output = dir / "no/o"}), "stretto: file '" + d + "/no/o_train.bin' can't be written (No such file or directory); check the folder, and the room on its disk");
  if (::geteuid() != 0) {
    std::filesystem::create_directory(dir / "shut");
    std::filesystem::permissions(dir / "shut", std::filesystem::perms::none);
    CHECK_THROWS_WITH(make_tokens({.sources = {dir / "shut"}}), "stretto: folder '" + d + "/shut' can't be searched (Permission denied); check who may read what is in it");
  }
  dir.put("grows/a", "a\n");
  int seen = 0;
  CHECK_THROWS_WITH(make_tokens({.sources = {dir / "grows"}, .output = dir / "o", .vocabulary = 300},
                                [&](std::string_view, std::int64_t, std::int64_t) {
                                  if (seen++ == 0) dir.put("grows/a", "abc");
                                }),
                    "stretto: file '" + d + "/grows/a' changed while it was read; wait until it is written");
}

TEST_CASE("the command line of the maker of tokens") {
  const make_tokens_command c = make_tokens_words({"a", "-o", "x", "--vocabulary=512", "--validation", "5%", "--format", "raw16", "-q", "--", "-b"});
  CHECK(c.options.sources == list{"a", "-b"});
  CHECK((c.options.output == "x" && c.options.vocabulary == 512 && c.options.validation == 0.05 && c.options.format == token_format::raw16 && c.quiet && !c.help));
  CHECK(make_tokens_words({"a"}).options.vocabulary == 257);
  CHECK(make_tokens_words({"a", "--tokenizer", "pairs"}).options.vocabulary == 4096);
  CHECK(make_tokens_words({"a", "--pairs", "p"}).options.pairs == "p");
  CHECK(make_tokens_words({"a", "--validation", "0.25"}).options.validation == 0.25);
  CHECK(make_tokens_words({"--help"}).help);
  CHECK(std::string(make_tokens_help()).find("--vocabulary N") != std::string::npos);
  const auto refused = [](const list& words, const std::string& sentence) { CHECK_THROWS_WITH(make_tokens_words(words), "stretto: " + sentence); };
  refused({}, "there is no text to make tokens of; name files or folders");
  refused({"a", "-o"}, "-o is the last word and needs another behind it; stretto-tokens --help says which");
  refused({"a", "--colour=1"}, "there is no option '--colour'; stretto-tokens --help lists them");
  refused({"a", "--tokenizer", "words"}, "there is no tokenizer 'words'; choose bytes or pairs");
  refused({"a", "--format", "idx"}, "there is no format 'idx' to write; choose llmc or raw16");
  refused({"a", "-o", ""}, "--output is empty; give what the names of the files begin with");
  for (const char* n : {"257", "65537", "-1", "1e3", "99999999999999", "4k"}) refused({"a", "--vocabulary", n}, "'" + std::string(n) + "' is no number for --vocabulary; give one from 258 to 65536");
  for (const char* n : {"", "1", "100%", "-0.1", "nan", "1e-3", "5%%", "0.1.2", "."}) refused({"a", "--validation", n}, "'" + std::string(n) + "' is no share for --validation; give a number from 0 to below 1, or a percentage");
  refused({"a", "--tokenizer", "bytes", "--vocabulary", "300"}, "of --tokenizer bytes, --vocabulary and --pairs only one may be given; leave the others out");
  refused({"a", "--pairs", "p", "--vocabulary", "300"}, "of --tokenizer bytes, --vocabulary and --pairs only one may be given; leave the others out");
}
