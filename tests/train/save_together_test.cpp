// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A checkpoint that ranks save together, each what it has: it loads under another number of ranks, a tensor of several is stored
// once, and what fails on one rank fails on all, with the checkpoint of before in its place. Ranks are threads with an end of the
// transport each, as processes have.
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

#include "catch.hpp"
#include "run/toy.hpp"
#include <stretto/transport/endpoint.hpp>
#include <stretto/train/save_together.hpp>

using namespace stretto;

namespace {

struct together_folder {
  std::string path = (std::filesystem::temp_directory_path() / ("stretto_together_" + std::to_string(::getpid()))).string();
  together_folder() { std::filesystem::remove_all(path); }
  ~together_folder() { std::filesystem::remove_all(path); }
};

const pipeline_options options{.seed = 3, .samples = toy::rows, .clip = 0.5};
constexpr int blocks = 9, layers = blocks + 3, shares = 4;

template <class P>
checkpoint_contents contents_of(P& p) {
  return {.weights = entries_of(p.parameters()), .optimizer = state_entries_of(p.parameters()), .state = json::object().set("seed", 3)};
}

/// Calls work(endpoint, pipeline) on a thread for each rank; gives what each threw.
template <class Work>
std::vector<std::string> on_ranks(int ranks, const toy::data& data, Work&& work) {
  threads t(ranks, {.deadline = 20});
  std::vector<std::string> thrown(static_cast<std::size_t>(ranks));
  std::vector<std::thread> all;
  for (int r = 0; r < ranks; ++r)
    all.emplace_back([&, r] {
      try {
        endpoint mine(t, r);
        pipeline p(mine, toy::model_of(blocks), toy::cut_of(layers, ranks), make_plan(one_f_one_b{}, {.ranks = ranks, .micro_batches = shares}), adamw{.rate = 0.01}, options);
        toy::feed(p, data);
        work(mine, p);
      } catch (const error& e) {
        thrown[static_cast<std::size_t>(r)] = e.what();
      }
    });
  for (std::thread& one : all) one.join();
  return thrown;
}

/// The system's calls, but those of one rank's thread fail when they open a file.
thread_local bool has_no_disk = false;
const file_calls& broken_on_one() {
  static const file_calls all = [] {
    file_calls c;
    c.open = [](const char* path, int flags, unsigned mode) {
      if (has_no_disk) return errno = ENOSPC, -1;
      return file_calls{}.open(path, flags, mode);
    };
    c.sync = [](int) { return 0; };
    return c;
  }();
  return all;
}

}  // namespace

TEST_CASE("what ranks save together goes on under another number of ranks, with the same bits") {
  const together_folder folder;
  const toy::data data(shares);
  std::vector<double> due;
  const checkpoint_options how{.calls = &broken_on_one()};
  for (const std::string& words : on_ranks(4, data, [&](auto& mine, auto& p) {
         checkpoints saves(folder.path, how);
         toy::train(p, 2, shares * toy::rows);
         save_together(mine, saves, 2, contents_of(p));
         const auto later = toy::train(p, 3, shares * toy::rows).losses;
         if (mine.local(0)) due = later;
       }))
    CHECK(words == "");
  const checkpoint saved = checkpoints(folder.path).open_latest();
  CHECK(saved.step() == 2);
  CHECK(saved.state().at("seed").integer() == 3);
  CHECK(saved.manifest().files.size() == 4 + 4 + 1);
  int tied = 0;
  for (int i = 0; i < saved.weights().files(); ++i)
    for (const stored_tensor& t : saved.weights().file(i).tensors()) tied += t.name == "tied.embedding";
  CHECK(tied == 1);  // the first and the last rank have it

  pipeline_options from = options;
  from.first_step = 2;
  pipeline alone(toy::model_of(blocks), toy::cut_of(layers, 1), make_plan(gpipe{}, {.ranks = 1, .micro_batches = shares}), adamw{.rate = 0.01}, from);
  toy::feed(alone, data);
  saved.load(contents_of(alone));
  alone.weights_changed();
  CHECK(toy::train(alone, 3, shares * toy::rows).losses == due);

  std::atomic<int> same = 0;
  threads t(2, {.deadline = 20});
  std::vector<std::thread> all;
  for (int r = 0; r < 2; ++r)
    all.emplace_back([&, r] {
      endpoint mine(t, r);
      pipeline p(mine, toy::model_of(blocks), toy::cut_of(layers, 2), make_plan(one_f_one_b{}, {.ranks = 2, .micro_batches = shares}), adamw{.rate = 0.01}, from);
      toy::feed(p, data);
      saved.load_part(contents_of(p));
      p.weights_changed();
      same += toy::train(p, 3, shares * toy::rows).losses == due;
    });
  for (std::thread& one : all) one.join();
  CHECK(same == 2);
}

TEST_CASE("what one rank can't save is told to all, and the checkpoint of before is there") {
  const together_folder folder;
  const toy::data data(shares);
  const checkpoint_options how{.calls = &broken_on_one()};
  for (const int broken : {0, 2}) {
    const auto thrown = on_ranks(3, data, [&](auto& mine, auto& p) {
      checkpoints saves(folder.path, how);
      save_together(mine, saves, 1, contents_of(p));
      has_no_disk = mine.local(broken);
      save_together(mine, saves, 2, contents_of(p));
    });
    for (const std::string& words : thrown) {
      CHECK(words.find("can't be") != std::string::npos);
      CHECK(words.find("No space left on device") != std::string::npos);
      CHECK(words == thrown[0]);
    }
    CHECK(checkpoints(folder.path).open_latest().step() == 1);
    CHECK_FALSE(std::filesystem::exists(folder.path + "/step_00000002.part"));
  }
}

TEST_CASE("what a rank throws without words, or as no exception, is told to all, too") {
  const together_folder folder;
  const toy::data data(shares);
  struct silent : std::exception {
    const char* what() const noexcept override { return ""; }
  };
  for (const bool is_exception : {true, false}) {
    const auto thrown = on_ranks(2, data, [&](auto& mine, auto& p) {
      const bool breaks = mine.local(1);
      checkpoints saves(folder.path, {.progress = [=](std::int64_t, std::int64_t) {
        if (!breaks) return;
        if (is_exception) throw silent{};
        throw 7;
      }, .calls = &broken_on_one()});
      save_together(mine, saves, 1, contents_of(p));
    });
    for (const std::string& words : thrown) CHECK(words == "stretto: rank 1 can't save its part of a checkpoint, and what it threw has no words; see its program");
    CHECK_FALSE(std::filesystem::exists(folder.path + "/step_00000001"));
  }
}

TEST_CASE("a process can't save or load its part as if it were the whole") {
  const together_folder folder;
  const toy::data data(shares);
  std::atomic<int> parts = 0;
  const auto thrown = on_ranks(2, data, [&](auto& mine, auto& p) {
    for (const parameter& one : p.parameters()) parts += !one.partial;
    for (const checkpoint_entry& one : state_entries_of(p.parameters())) parts += !one.partial;
    checkpoints saves(folder.path, {.calls = &broken_on_one()});
    if (mine.local(0)) {
      const std::string first(entries_of(p.parameters())[0].name);
      CHECK_THROWS_WITH(saves.save(1, contents_of(p)), "stretto: '" + first + "' is of a model whose other weights are in other processes, and save would leave them out; call save_together in all of them");
      CHECK_FALSE(std::filesystem::exists(folder.path));
    }
    save_together(mine, saves, 1, contents_of(p));
    saves.open_latest().load(contents_of(p));
  });
  CHECK(parts == 0);
  for (const std::string& words : thrown) {
    CHECK(words.find(" is stored and not wanted") != std::string::npos);
    CHECK(words.substr(words.rfind("; ")) == "; load it into the model it was saved from, each process its part by load_part");
  }
  const checkpoint saved = checkpoints(folder.path).open_latest();
  pipeline alone(toy::model_of(blocks), toy::cut_of(layers, 2), make_plan(one_f_one_b{}, {.ranks = 2, .micro_batches = shares}), adamw{.rate = 0.01}, options);
  saved.load(contents_of(alone));  // over threads the parameters are the whole
  checkpoints(folder.path).save(2, contents_of(alone));
  CHECK(checkpoints(folder.path).open_latest().step() == 2);
}

TEST_CASE("ranks of one process save as one") {
  const together_folder folder;
  threads t(2);
  checkpoints saves(folder.path);
  CHECK_THROWS_WITH(save_together(t, saves, 1, {}), "stretto: save_together is for ranks that are processes, and this process has several; use checkpoints::save");
}
