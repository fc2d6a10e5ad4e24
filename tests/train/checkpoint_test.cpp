// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Checkpoints: what is saved comes back, whatever breaks leaves the old or the new one, and what doesn't fit changes nothing.
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include <stretto/core/random.hpp>
#include <stretto/train/checkpoint.hpp>

#include "catch.hpp"

using namespace stretto;

namespace {

struct run_folder {
  std::string path = (std::filesystem::temp_directory_path() / ("stretto_checkpoint_" + std::to_string(::getpid()))).string();
  run_folder() { std::filesystem::remove_all(path); }
  ~run_folder() { std::filesystem::remove_all(path); }
};

/// Numbers of a little model with one tied parameter.
struct numbers {
  std::vector<float> weight, first, last, moment;
  std::vector<double> bias;
  explicit numbers(float x = 0) : weight(600, x), first(7, 2 * x), last(7, 2 * x), moment(600, 3 * x), bias(5, static_cast<double>(x) / 3) {}

  checkpoint_contents contents(const json& state = json::object()) {
    parameter_list list;
    std::vector<float> g(7);
    list("weight", weight);
    list.layer(1);
    list("table", first, g, tied{"embedding"});
    list("bias", bias);
    list.layer(2);
    list("head", last, g, tied{"embedding"});
    checkpoint_contents c;
    c.weights = entries_of({list.all().begin(), list.all().end()});
    c.optimizer = {state_entry_of(c.weights[0], 0, moment.data())};
    c.state = state;
    return c;
  }
  bool all(float x) const {
    numbers o(x);
    return weight == o.weight && first == o.first && last == o.last && moment == o.moment && bias == o.bias;
  }
};

std::string what_of(auto&& act) {
  try {
    act();
  } catch (const error& e) {
    return e.what();
  }
  return "";
}

void change_byte(const std::string& path, std::int64_t at) {
  std::fstream f(path, std::ios::in | std::ios::out | std::ios::binary);
  f.seekg(at);
  const char c = static_cast<char>(f.get() ^ 1);
  f.seekp(at);
  f.put(c);
}

#ifdef STRETTO_SANITIZED
constexpr int every_call = 7;  // a fork takes a tenth of a second then
#else
constexpr int every_call = 1;
#endif

/// The system's calls, until the n-th: then they end the process, or fail.
struct breaking {
  static inline int left = 0;       // calls to go, -1: never
  static inline int number = 0;     // errno of the one that fails; 0: the process ends there
  static inline bool torn = false;  // of a write, half is done before

  static bool now(bool halfway = false) {
    if (left < 0 || left-- > 0) return false;
    left = -1;
    if (number == 0 && !halfway) ::_exit(7);
    errno = number;
    return true;
  }
  static const file_calls& calls() {
    static const file_calls all = [] {
      file_calls c;
      c.open = [](const char* p, int flags, unsigned mode) { return now() ? -1 : file_calls{}.open(p, flags, mode); };
      c.read = [](int d, void* to, unsigned long n, long at) { return now() ? -1 : file_calls{}.read(d, to, n, at); };
      c.write = [](int d, const void* from, unsigned long n, long at) {
        if (!now(true)) return file_calls{}.write(d, from, n, at);
        if (torn) file_calls{}.write(d, from, n / 2, at);
        if (number == 0) ::_exit(8);
        return -1l;
      };
      c.sync = [](int) { return now() ? -1 : 0; };
      c.rename = [](const char* from, const char* to) { return now() ? -1 : file_calls{}.rename(from, to); };
      c.remove = [](const char* p) { return now() ? -1 : file_calls{}.remove(p); };
      c.make_directory = [](const char* p) { return now() ? -1 : file_calls{}.make_directory(p); };
      c.remove_directory = [](const char* p) { return now() ? -1 : file_calls{}.remove_directory(p); };
      return c;
    }();
    return all;
  }
};

/// The system's calls, but what is synced is left to the system: disks are slow, and no machine stops here.
const file_calls& unsynced() {
  static const file_calls all = [] {
    file_calls c;
    c.sync = [](int) { return 0; };
    return c;
  }();
  return all;
}

/// Which of two values the newest checkpoint of a run holds, all of it.
float held(const std::string& run, float one, float other) {
  const checkpoint c = checkpoints(run).open_latest();
  numbers n;
  c.load(n.contents());
  return n.all(one) ? one : n.all(other) ? other : -1;
}

const std::string whole_copy = "; take a whole copy of the checkpoint";

}  // namespace

TEST_CASE("a checkpoint comes back with weights, optimizer and state") {
  const run_folder f;
  checkpoints saves(f.path + "/deep/run");
  numbers n(4);
  std::int64_t last = 0, whole = 0;
  checkpoint_options told;
  told.progress = [&](std::int64_t done, std::int64_t all) { last = done, whole = all; };
  checkpoints(f.path + "/deep/run", told).save(12, n.contents(json::object().set("seed", 7).set("loader", json::object().set("shard", 2))));
  CHECK(last == 600 * 4 + 7 * 4 + 5 * 8 + 600 * 4);
  CHECK(whole == last + 7 * 4);  // of a tied parameter one use is written
  CHECK(list_directory(f.path + "/deep/run") == std::vector<std::string>{"latest", "step_00000012"});
  CHECK(list_directory(f.path + "/deep/run/step_00000012") == std::vector<std::string>{"manifest.json", "optimizer.safetensors", "state.json", "weights.safetensors"});
  CHECK(read_file(f.path + "/deep/run/latest", 100) == "step_00000012\n");
  const checkpoint c = saves.open_latest();
  CHECK(c.step() == 12);
  CHECK(c.skipped().empty());
  CHECK(c.state().at("step").integer() == 12);
  CHECK(c.state().at("loader").at("shard").integer() == 2);
  CHECK(c.weights().count() == 3);
  CHECK(c.weights().at("0.weight").count() == 600);
  CHECK(c.weights().at("tied.embedding").count() == 7);
  CHECK(c.optimizer().at("0.weight.state.0").type == stored_type::float32);
  CHECK(c.manifest().files.size() == 3);
  numbers back;
  c.load(back.contents());
  CHECK(back.all(4));
  numbers weights;
  c.load({.weights = weights.contents().weights});
  CHECK((weights.weight == n.weight && weights.moment == std::vector<float>(600, 0)));
  std::vector<double> bias(5);
  c.load_part({.weights = {entry_of("1.bias", bias.data(), {5, 1})}});
  CHECK(bias == n.bias);
  CHECK(saves.open(12).step() == 12);
  CHECK_THROWS_WITH(saves.open(13), "stretto: '" + f.path + "/deep/run' has no checkpoint of step 13; ask for one that steps() names");
}

TEST_CASE("what doesn't fit a checkpoint is told all at once, and nothing is changed") {
  const run_folder f;
  checkpoints saves(f.path, {.calls = &unsynced()});
  numbers n(4);
  saves.save(1, n.contents());
  const checkpoint c = saves.open(1);
  numbers other(9);
  checkpoint_contents to = other.contents();
  std::vector<float> two(2);
  to.weights.erase(to.weights.begin() + 2);  // 1.bias
  to.weights.push_back(entry_of("3.new", two.data(), {2}));
  to.weights[0].shape = {601};
  to.optimizer[0].type = stored_type::float64;
  CHECK_THROWS_WITH(c.load(to), "stretto: '" + f.path + "/step_00000001' doesn't fit what it is loaded into, in 4 tensors: '0.weight' is stored as F32 (600) and wanted as F32 (601), '3.new' is missing, "
                                "'1.bias' is stored and not wanted, '0.weight.state.0' is stored as F32 (600) and wanted as F64 (600); load it into the model it was saved from, or a part of it by load_part");
  CHECK_THROWS_WITH(c.load_part(to), Catch::Matchers::ContainsSubstring("in 3 tensors: "));
  CHECK(other.all(9));
  to = other.contents();
  to.weights[0].room = nullptr;
  CHECK_THROWS_WITH(c.load(to), Catch::Matchers::ContainsSubstring("in 1 tensor: '0.weight' has no room to be loaded to; "));
  CHECK_THROWS_WITH(c.load(to), Catch::Matchers::EndsWith("; load it into the model it was saved from"));
  to.weights[0].partial = true;
  CHECK_THROWS_WITH(c.load(to), Catch::Matchers::EndsWith("; load it into the model it was saved from, each process its part by load_part"));
  CHECK_THROWS_WITH(c.load_part(to), Catch::Matchers::EndsWith("; load it into the model it was saved from"));
  to.weights.clear();
  for (int i = 0; i < 20; ++i) to.weights.push_back(entry_of("x" + std::to_string(i), two.data(), {2}));
  CHECK_THROWS_WITH(c.load_part(to), Catch::Matchers::ContainsSubstring("in 20 tensors: ") && Catch::Matchers::ContainsSubstring("'x7' is missing and 12 more; "));
  CHECK(other.all(9));
  // Flat is as good as any shape of that size, another shape isn't.
  to = other.contents();
  to.weights[0].shape = {20, 30};
  c.load(to);
  CHECK(other.all(4));
  std::vector<float> grid(6);
  saves.save(2, {.weights = {entry_of("grid", grid.data(), {2, 3})}});
  CHECK_THROWS_AS(saves.open(2).load({.weights = {entry_of("grid", grid.data(), {3, 2})}}), error);
}

TEST_CASE("what can't be saved is refused before anything is written") {
  const run_folder f;
  checkpoints saves(f.path, {.calls = &unsynced()});
  numbers n(1);
  checkpoint_contents c = n.contents();
  n.last[3] = 5;
  CHECK_THROWS_WITH(saves.save(1, c), "stretto: uses of tensor 'tied.embedding' differ, and it is stored once; give each tensor its own name, or all uses the same numbers");
  n.last[3] = 2;
  c.weights[0].data = nullptr;
  CHECK_THROWS_WITH(saves.save(1, c), "stretto: tensor '0.weight' is to be saved and has no data; set it");
  c.weights[0].shape = {INT64_MAX, 4};
  CHECK_THROWS_WITH(saves.save(1, c), "stretto: tensor '0.weight' is to be saved with shape (9223372036854775807, 4); give extents of 0 or more, and not more than there are addresses");
  CHECK_THROWS_WITH(saves.save(-1, n.contents()), "stretto: step -1 can't be saved; give 0 or more");
  CHECK_THROWS_WITH(saves.save(1, n.contents(json(3))), "stretto: the state of a checkpoint is no JSON object; give json::object() and what is set in it");
  c = n.contents();
  c.weights[1].partial = true;
  CHECK_THROWS_WITH(saves.save(1, c), "stretto: 'tied.embedding' is of a model whose other weights are in other processes, and save would leave them out; call save_together in all of them");
  c.weights[1].partial = false, c.weights[0].partial = true;
  CHECK(state_entry_of(c.weights[0], 1, n.moment.data()).partial);
  CHECK_THROWS_WITH(checkpoints(f.path + "/new").save(1, {.optimizer = {state_entry_of(c.weights[0], 1, n.moment.data())}}),
                    "stretto: '0.weight.state.1' is of a model whose other weights are in other processes, and save would leave them out; call save_together in all of them");
  CHECK_THROWS_WITH(checkpoints(f.path, {.keep = -1}), "stretto: checkpoints can't be kept with keep = -1 and every = 0; give 0 or more of both");
  CHECK(list_directory(f.path).empty());
  CHECK_THROWS_WITH(saves.open_latest(), "stretto: '" + f.path + "' has no checkpoint; save one first, or correct the path");
  CHECK_THROWS_AS(checkpoints(f.path + "/none").open_latest(), error);
  CHECK(saves.steps().empty());
}

TEST_CASE("the last checkpoints stay, and those of every n steps") {
  const run_folder f;
  checkpoints saves(f.path, {.keep = 2, .every = 100, .calls = &unsynced()});
  numbers n(1);
  for (const std::int64_t step : {90, 100, 110, 200, 210, 220}) saves.save(step, n.contents());
  CHECK(saves.steps() == std::vector<std::int64_t>{220, 210, 200, 100});
  // Back to an earlier step: what is saved then is the newest, whatever its number.
  saves.save(205, numbers(2).contents());
  CHECK(saves.steps() == std::vector<std::int64_t>{205, 220, 200, 100});
  CHECK(saves.open_latest().step() == 205);
  // A step that is saved again.
  saves.save(220, numbers(3).contents());
  CHECK(saves.open_latest().step() == 220);
  CHECK(held(f.path, 3, 1) == 3);
  checkpoints(f.path, {.keep = 0, .calls = &unsynced()}).save(1, n.contents());
  CHECK(saves.steps().size() == 5);
  CHECK(list_directory(f.path).size() == 6);
}

TEST_CASE("a checkpoint that isn't whole says why, and the one before is taken") {
  const run_folder f;
  checkpoints saves(f.path, {.calls = &unsynced()});
  const std::string dir = f.path + "/step_00000002", weights = dir + "/weights.safetensors", manifest = dir + "/manifest.json";
  const auto again = [&] {
    std::filesystem::remove_all(f.path);
    saves.save(1, numbers(1).contents());
    saves.save(2, numbers(2).contents());
  };
  const auto falls_back = [&](const std::string& sentence) {
    const checkpoint c = saves.open_latest();
    CHECK(c.step() == 1);
    CHECK(c.skipped() == std::vector<std::string>{sentence});
    CHECK(what_of([&] { saves.open(2); }) == sentence);
    CHECK(held(f.path, 1, 2) == 1);
  };
  again();
  change_byte(weights, 900);
  falls_back("stretto: '" + weights + "' has another SHA-256 than its manifest says, so its bytes were changed" + whole_copy);
  CHECK(checkpoints(f.path, {.digests = false}).open_latest().step() == 2);
  again();
  std::filesystem::resize_file(weights, 1000);
  falls_back("stretto: '" + weights + "' has 1000 bytes, and its manifest says 2708" + whole_copy);
  CHECK(checkpoints(f.path, {.digests = false}).open_latest().step() == 1);
  again();
  std::filesystem::remove(dir + "/state.json");
  falls_back("stretto: '" + dir + "/state.json' can't be opened (No such file or directory); correct the path, or mend what the system names");
  again();
  std::filesystem::remove(manifest);
  falls_back("stretto: '" + manifest + "' can't be opened (No such file or directory); correct the path, or mend what the system names");
  again();
  std::filesystem::resize_file(manifest, 100);
  CHECK(saves.open_latest().step() == 1);
  again();
  std::filesystem::rename(dir, f.path + "/step_00000003");
  CHECK_THROWS_WITH(saves.open(3), "stretto: the manifest of '" + f.path + "/step_00000003' is of step 2; give the directory its name back");
  CHECK(saves.open_latest().step() == 1);
  again();
  change_byte(weights, 900);
  change_byte(f.path + "/step_00000001/weights.safetensors", 900);
  CHECK_THROWS_WITH(saves.open_latest(), "stretto: none of the checkpoints in '" + f.path + "' is whole, 2 in all, the first because '" + weights +
                                             "' has another SHA-256 than its manifest says, so its bytes were changed; take a whole copy of one");
  // Directories that only look alike are nobody's business.
  again();
  for (const char* name : {"step_", "step_3", "step_00000009x", "step_000000010", "step_-0000001", "step_99999999999999999999", "other"}) std::filesystem::create_directory(f.path + "/" + name);
  CHECK(saves.steps() == std::vector<std::int64_t>{2, 1});
}

TEST_CASE("a manifest that is none is refused") {
  const auto refused = [](const std::string& s) { return what_of([&] { read_manifest(s, "m"); }); };
  const std::string digest(64, 'a');
  const auto with = [&](const std::string& file) { return R"({"format":"stretto checkpoint","version":1,"step":2,"serial":3,"files":[)" + file + "]}"; };
  const checkpoint_manifest m = read_manifest(to_json(checkpoint_manifest{2, 3, {{"w", "weights", 5, digest}}}), "m");
  CHECK((m.step == 2 && m.serial == 3 && m.files.size() == 1 && m.files[0].name == "w" && m.files[0].role == "weights" && m.files[0].bytes == 5 && m.files[0].sha256 == digest));
  CHECK(refused(with("")) == "");
  CHECK(refused("[]") == "stretto: m has no format 'stretto checkpoint'" + whole_copy);
  CHECK(refused(R"({"format":"stretto checkpoint"})") == "stretto: m has no version of 1 or more" + whole_copy);
  CHECK(refused(R"({"format":"stretto checkpoint","version":2})") == "stretto: m is of version 2, and version 1 is read; load it with a newer Stretto");
  CHECK(refused(R"({"format":"stretto checkpoint","version":1,"step":-2})") == "stretto: m has no step of 0 or more" + whole_copy);
  CHECK(refused(R"({"format":"stretto checkpoint","version":1,"step":2,"serial":"3"})") == "stretto: m has no serial number of 0 or more" + whole_copy);
  CHECK(refused(R"({"format":"stretto checkpoint","version":1,"step":2,"serial":3})") == "stretto: m has no list of files" + whole_copy);
  CHECK(refused(with("7")) == "stretto: m has no name of a file beside it for each file" + whole_copy);
  CHECK(refused(with(R"({"name":"../x","role":"weights","bytes":1,"sha256":")" + digest + "\"}")) == "stretto: m has no name of a file beside it for each file" + whole_copy);
  CHECK(refused(with(R"({"name":"x","role":"weights","bytes":-1,"sha256":")" + digest + "\"}")) == "stretto: m has no role, size and SHA-256 for each file" + whole_copy);
  CHECK(refused(with(R"({"name":"x","role":"weights","bytes":1,"sha256":"abc"})")) == "stretto: m has no role, size and SHA-256 for each file" + whole_copy);
}

TEST_CASE("weights may lie in several files of a checkpoint") {
  const run_folder f;
  make_directories(f.path);
  numbers n(3);
  const checkpoint_contents c = n.contents();
  checkpoint_draft d(f.path, 5);
  d.add_tensors("weights", "weights-rank00000.safetensors", {c.weights[0], c.weights[1]});
  d.add_tensors("weights", "weights-rank00001.safetensors", {c.weights[2]});
  CHECK(checkpoints(f.path).steps().empty());  // it is none yet
  d.publish(1);
  checkpoints saves(f.path, {.calls = &unsynced()});
  saves.published(5);
  const checkpoint back = saves.open_latest();
  CHECK(back.weights().files() == 2);
  numbers to;
  back.load({.weights = to.contents().weights});
  CHECK((to.weight == n.weight && to.bias == n.bias && to.last == n.last));
}

TEST_CASE("a crash at any call leaves the old checkpoint or the new one") {
  const run_folder f;
  // A new step, and one that is saved again.
  for (const bool again : {false, true}) {
    int old_ones = 0, new_ones = 0, torn_writes = 0;
    breaking::left = -1;
    bool ended = false;
    for (int n = 0; !ended; n += every_call) {
      bool write = true;
      for (const bool torn : {false, true}) {
        if (torn && !write) continue;
        std::filesystem::remove_all(f.path);
        checkpoints(f.path, {.calls = &unsynced()}).save(2, numbers(2).contents());
        const ::pid_t child = ::fork();
        if (child == 0) {
          breaking::left = n, breaking::number = 0, breaking::torn = torn;
          const std::string sentence = what_of([&] { checkpoints(f.path, {.keep = 1, .calls = &breaking::calls()}).save(again ? 2 : 3, numbers(3).contents()); });
          ::_exit(sentence.empty() ? 0 : 9);
        }
        int status = 0;
        REQUIRE(::waitpid(child, &status, 0) == child);
        REQUIRE(WIFEXITED(status));
        INFO("call " << n << (torn ? ", torn" : "") << (again ? ", again" : ""));
        REQUIRE(WEXITSTATUS(status) != 9);
        ended = WEXITSTATUS(status) == 0, write = WEXITSTATUS(status) == 8;
        torn_writes += torn;
        const float x = held(f.path, 2, 3);
        REQUIRE(x > 0);
        ++(x < 2.5f ? old_ones : new_ones);
        if (n % 3 == 0) {  // the next save goes through and leaves nothing else behind
          checkpoints(f.path, {.keep = 1, .calls = &unsynced()}).save(4, numbers(4).contents());
          REQUIRE(held(f.path, 4, 3) == 4);
          REQUIRE(list_directory(f.path) == std::vector<std::string>{"latest", "step_00000004"});
        }
      }
    }
    CHECK(torn_writes > 5 / every_call);
    CHECK(old_ones > 20 / every_call);
    CHECK(new_ones > 5 / every_call);
  }
}

TEST_CASE("a call that fails leaves the old checkpoint or the new one, and a sentence") {
  const run_folder f;
  for (const int number : {ENOSPC, EIO}) {
    int told = 0;
    for (int n = number == EIO ? 0 : 1;; n += number == EIO ? 1 : 3) {
      std::filesystem::remove_all(f.path);
      checkpoints(f.path, {.calls = &unsynced()}).save(2, numbers(2).contents());
      breaking::left = n, breaking::number = number, breaking::torn = n % 2 == 0;
      const std::string sentence = what_of([&] { checkpoints(f.path, {.keep = 1, .calls = &breaking::calls()}).save(n % 3 == 0 ? 2 : 3, numbers(3).contents()); });
      const bool reached = breaking::left < 0;
      breaking::left = -1;
      INFO("call " << n << ": " << sentence);
      const float x = held(f.path, 2, 3);
      REQUIRE(x > 0);
      if (!reached) break;
      if (sentence.empty()) {
        REQUIRE(x > 2.5f);  // reading an old manifest may fail
        continue;
      }
      ++told;
      REQUIRE(sentence.find(number == EIO ? "(Input/output error); " : "(No space left on device); ") != std::string::npos);
      REQUIRE(list_directory(f.path + "/" + checkpoints(f.path).open_latest().path().substr(f.path.size() + 1)).size() == 4);
    }
    CHECK(told > (number == EIO ? 25 : 8));
  }
}

namespace {

struct order_of_calls {
  static inline std::vector<std::string> done;
  static inline std::vector<std::string> open;
  static std::string path_of(int d) { return std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(d)).filename().string(); }
};

}  // namespace

TEST_CASE("all files of a checkpoint are synced before it has its name, and directories behind") {
  const run_folder f;
  using o = order_of_calls;
  o::done.clear();
  file_calls c;
  c.write = [](int d, const void* from, unsigned long n, long at) {
    if (o::done.empty() || o::done.back() != "write " + o::path_of(d)) o::done.push_back("write " + o::path_of(d));
    return file_calls{}.write(d, from, n, at);
  };
  c.sync = [](int d) { return o::done.push_back("sync " + o::path_of(d)), file_calls{}.sync(d); };
  c.rename = [](const char* from, const char* to) { return o::done.push_back("rename " + std::filesystem::path(to).filename().string()), file_calls{}.rename(from, to); };
  checkpoints(f.path).save(1, numbers(1).contents());
  checkpoints(f.path, {.calls = &c}).save(2, numbers(2).contents());
  const std::string run = std::filesystem::path(f.path).filename().string();
  CHECK(o::done == std::vector<std::string>{"write weights.safetensors", "sync weights.safetensors", "write optimizer.safetensors", "sync optimizer.safetensors", "write state.json", "sync state.json",
                                            "write manifest.json", "sync manifest.json", "sync step_00000002.part", "rename step_00000002", "sync " + run, "write latest.part", "sync latest.part",
                                            "rename latest", "sync " + run});
}
