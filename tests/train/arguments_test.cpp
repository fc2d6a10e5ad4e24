// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Options from a command line and from a file: what is read, what is refused and how, --help and the table letter by letter.
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <unistd.h>

#include <stretto/train/arguments.hpp>

#include "catch.hpp"

using namespace stretto;

namespace {

struct some_options {
  std::int64_t steps = 400;
  int ranks = 2;
  double rate = 3e-4;
  std::string data = "my \"tokens\".bin", schedule = "1f1b";
  bool resume = false;
  arguments args{"train", "Trains a small model on the CPU."};

  some_options() {
    args.add("steps", steps, "updates of the weights", {.unit = "steps", .least = 1, .most = 1'000'000});
    args.add("ranks", ranks, "threads that each hold a stage");
    args.add("rate", rate, "learning rate", {.least = 0, .most = 1});
    args.add("data", data, "file of tokens", {.unit = "file"});
    args.add("schedule", schedule, "order of the passes", {.choices = {"gpipe", "1f1b"}});
    args.add("resume", resume, "goes on from the last checkpoint");
  }
  bool read(std::vector<const char*> words) {
    words.insert(words.begin(), "train");
    return args.read(static_cast<int>(words.size()), words.data());
  }
};

void refused(std::vector<const char*> words, const std::string& sentence) {
  some_options o;
  CHECK_THROWS_WITH(o.read(words), sentence);
}

void refused_text(std::string_view text, int line, const std::string& sentence) {
  some_options o;
  CHECK_THROWS_WITH(o.args.read_config(text, "a.conf"), sentence);
  try {
    some_options again;
    again.args.read_config(text, "a.conf");
  } catch (const error& e) {
    CHECK(e.place().line == line);
  }
}

}  // namespace

TEST_CASE("options are read in both forms") {
  some_options o;
  CHECK(o.read({"--steps", "7", "--rate=1e-2", "--data", "", "--resume", "--schedule=gpipe", "--ranks=4"}));
  CHECK(o.steps == 7);
  CHECK(o.rate == 0.01);
  CHECK(o.data.empty());
  CHECK(o.resume);
  CHECK(o.schedule == "gpipe");
  CHECK(o.ranks == 4);
  some_options flag;
  CHECK(flag.read({"--resume=no", "--data=a=b"}));
  CHECK_FALSE(flag.resume);
  CHECK(flag.data == "a=b");
  some_options none;
  CHECK(none.read({}));
  CHECK(none.steps == 400);
  CHECK(arguments("a", "b").read(0, nullptr));
}

TEST_CASE("help is asked for anywhere and reads nothing") {
  for (const char* word : {"--help", "-h"}) {
    some_options o;
    CHECK_FALSE(o.read({"--steps", "7", "--nonsense", word}));
    CHECK(o.steps == 400);
    some_options as_value;
    CHECK((as_value.read({"--data", "-h"}) && as_value.data == "-h"));  // the value of an option is none
  }
}

TEST_CASE("a command line that is wrong is refused in words") {
  refused({"--stpes", "7"}, "stretto: there is no option '--stpes'; did you mean --steps?");
  refused({"--confg=x"}, "stretto: there is no option '--confg'; did you mean --config?");
  refused({"--frobnicate"}, "stretto: there is no option '--frobnicate'; --help shows all");
  refused({"--="}, "stretto: there is no option '--'; --help shows all");
  refused({"steps"}, "stretto: 'steps' is no option; options begin with --, and --help shows all");
  refused({"--"}, "stretto: '--' is no option; options begin with --, and --help shows all");
  refused({"\x1b[31m"}, "stretto: '?[31m' is no option; options begin with --, and --help shows all");
  refused({"--steps"}, "stretto: --steps has no value; write --steps steps");
  refused({"--ranks", "--resume"}, "stretto: --ranks has no value; write --ranks N");
  refused({"--config"}, "stretto: --config has no value; write --config file");
  refused({"--steps=1", "--steps=1"}, "stretto: --steps is given twice; give it once");
  refused({"--config=a", "--config=b"}, "stretto: --config is given twice; give it once");
  for (const char* bad : {"0", "1000001", "7x", "", " 7", "+7", "1e3", "99999999999999999999", "-1"})
    refused({"--steps", bad}, std::string("stretto: --steps is '") + bad + "'; give a whole number from 1 to 1000000");
  refused({"--ranks", "3000000000"}, "stretto: --ranks is '3000000000'; give a whole number");
  for (const char* bad : {"2", "nan", "inf", "1e999", "0x1", "1,5"}) refused({"--rate", bad}, std::string("stretto: --rate is '") + bad + "'; give a number from 0 to 1");
  refused({"--schedule", "2f2b"}, "stretto: --schedule is '2f2b'; give one of gpipe, 1f1b");
  refused({"--resume=maybe"}, "stretto: --resume is 'maybe'; give yes or no");
  refused({"--data", "a\nb"}, "stretto: --data holds a character that isn't printed; take it out");
}

TEST_CASE("a file of options is read, and the command line counts more") {
  const std::filesystem::path path = std::filesystem::temp_directory_path() / ("stretto_arguments_" + std::to_string(::getpid()) + ".conf");
  detail::log_file::make(path.string()).append("\xEF\xBB\xBF# a comment\r\n\r\n  steps = 5   # five\r\nrate=0.5\ndata = \"a # \\\"b\\\" \\\\\"  # quoted\nresume = yes\nschedule = 'gpipe'");
  some_options o;
  CHECK(o.read({"--steps=6", "--config", path.c_str(), "--resume=no"}));
  CHECK(o.steps == 6);
  CHECK(o.rate == 0.5);
  CHECK(o.data == "a # \"b\" \\");
  CHECK(o.schedule == "gpipe");
  CHECK_FALSE(o.resume);
  CHECK(o.args.table() ==
        "option    value           unit   from\n"
        "steps     6               steps  command line\n"
        "ranks     2                      default\n"
        "rate      0.5                    '" + path.string() + "'\n"
        "data      \"a # \\\"b\\\" \\\\\"  file   '" + path.string() + "'\n"
        "schedule  \"gpipe\"                '" + path.string() + "'\n"
        "resume    no                     command line\n");
  std::filesystem::remove(path);
  CHECK_THROWS_WITH(o.read({"--config", path.c_str()}), "stretto: the file '" + path.string() + "' can't be read (No such file or directory); give a file that can");
  CHECK_THROWS_WITH(o.args.read_file("/"), "stretto: the file '/' can't be read (Is a directory); give a file that can");
}

TEST_CASE("what is written as a file reads the same") {
  some_options o;
  CHECK(o.args.config() == "steps = 400\nranks = 2\nrate = 3e-04\ndata = \"my \\\"tokens\\\".bin\"\nschedule = \"1f1b\"\nresume = no\n");
  o.read({"--data", "\\\"#'\\", "--rate=0.1"});
  some_options again;
  again.args.read_config(o.args.config(), "written");
  CHECK(again.args.config() == o.args.config());
  CHECK(again.data == o.data);
}

TEST_CASE("a file of options that is wrong is refused in words with its line") {
  refused_text("\nstpes = 7", 2, "stretto: there is no option 'stpes' in line 2 of 'a.conf'; did you mean steps?");
  refused_text("config = b", 1, "stretto: there is no option 'config' in line 1 of 'a.conf'; --help shows all");
  refused_text("steps", 1, "stretto: line 1 of 'a.conf' is not name = value; mend it, or begin it with #");
  refused_text("#\n= 7", 2, "stretto: line 2 of 'a.conf' is not name = value; mend it, or begin it with #");
  refused_text("steps = # 7", 1, "stretto: line 1 of 'a.conf' has no value; write one, in quotes where it is empty");
  refused_text("steps = 7\nrate = 0\nsteps = 7", 3, "stretto: steps in line 3 of 'a.conf' stands in line 1 too; take one out");
  refused_text("steps = 7 8", 1, "stretto: steps in line 1 of 'a.conf' is '7 8'; give a whole number from 1 to 1000000");
  refused_text("data = \"a", 1, "stretto: line 1 of 'a.conf' has a quote that doesn't end; close it");
  refused_text("data = \"a\\\"", 1, "stretto: line 1 of 'a.conf' has a quote that doesn't end; close it");
  refused_text("data = 'a' b", 1, "stretto: line 1 of 'a.conf' has something behind its closing quote; take it out, or begin it with #");
  refused_text(std::string_view("data = a\0b", 10), 1, "stretto: data in line 1 of 'a.conf' holds a character that isn't printed; take it out");
  refused_text(std::string(1 << 20, '\n') + "\n", -1, "stretto: the configuration 'a.conf' has more than 1,048,576 bytes; give a text of lines name = value");
  CHECK_THROWS_WITH(some_options().args.read_config("rate = " + std::string(100'000, '1'), "a.conf"),
                    "stretto: rate in line 1 of 'a.conf' is '" + std::string(60, '1') + "...'; give a number from 0 to 1");
}

TEST_CASE("names that an option can not have are refused in words") {
  int value = 0;
  arguments args("a", "b");
  args.add("fine-1.x_y", value, "");
  for (const char* bad : {"", "help", "config", "Big", "a b", "a=b", "fine-1.x_y"})
    CHECK_THROWS_WITH(args.add(bad, value, ""), std::string("stretto: '") + bad + "' can't be the name of an option; take a new one of up to 64 of a to z, 0 to 9, - _ .");
}

TEST_CASE("help stands in aligned columns") {
  CHECK(some_options().args.help() ==
        "train: Trains a small model on the CPU.\n\n"
        "  --steps steps    updates of the weights (1 to 1000000; default 400)\n"
        "  --ranks N        threads that each hold a stage (default 2)\n"
        "  --rate number    learning rate (0 to 1; default 3e-04)\n"
        "  --data file      file of tokens (default \"my \\\"tokens\\\".bin\")\n"
        "  --schedule word  order of the passes (gpipe, 1f1b; default \"1f1b\")\n"
        "  --resume         goes on from the last checkpoint (default no)\n"
        "  --config file    reads options from lines name = value; the command line counts more\n"
        "  --help           shows this\n");
}

TEST_CASE("no line of help is longer than 100 columns") {
  std::string value(500, 'v');
  arguments args("a-program", std::string(40, 's') + " " + std::string(300, 'x') + " and so on");
  args.add("a-name-that-is-as-long-as-names-that-nobody-wants-to-write", value, "one two three " + std::string(250, 'y') + " four five six seven eight nine ten");
  args.add("short", value, "many words that are here to be broken into lines, each of which begins where the column begins, so that names stand out");
  const std::string help = args.help();
  for (std::size_t at = 0; at < help.size();) {
    const std::size_t end = help.find('\n', at);
    INFO(help.substr(at, end - at));
    CHECK(end - at <= 100);
    at = end + 1;
  }
  CHECK(help.find("\n" + std::string(17, ' ')) != std::string::npos);
}
