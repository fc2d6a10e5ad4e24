// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What streams don't wait for is found, whichever mistake a program makes; a program without one has no faults.
#include <algorithm>
#include <string>
#include <vector>

#include <stretto/cuda/checked.hpp>
#include <stretto/cuda/queue.hpp>

#include "catch.hpp"

using namespace stretto;
using namespace stretto::cuda;

namespace {

using device_tensor = tensor<float, 1, basic_memory<checked>>;
struct nothing_to_say {
  int unused = 0;
};
void kernel(nothing_to_say) {}

/// The faults of a program, which makes its own streams and memory.
template <class Program>
std::vector<std::string> faults_of(Program&& program) {
  checked::begin();
  program();
  return checked::finish();
}
/// The one fault that there is.
template <class Program>
std::string fault_of(Program&& program) {
  const auto all = faults_of(program);
  return all.size() == 1 ? all[0] : std::to_string(all.size()) + " faults" + (all.empty() ? "" : ": " + all[0] + (all.size() > 1 ? " | " + all[1] : ""));
}

void put_write(int s, const device_tensor& x, const char* name = "write") {
  const touch t = touch_of(x, true);
  checked::launch(name, kernel, {}, s, nothing_to_say{}, &t, 1);
}
void put_read(int s, const device_tensor& x, const char* name = "read") {
  const touch t = touch_of(x, false);
  checked::launch(name, kernel, {}, s, nothing_to_say{}, &t, 1);
}

}  // namespace

TEST_CASE("a program that waits for what it needs has no faults") {
  CHECK(faults_of([] {
    basic_stream<checked> a, b;
    basic_event<checked> written, used;
    device_tensor x({64});
    for (int again = 0; again < 3; ++again) {
      used.hold(a.get());
      put_write(a.get(), x);
      written.record(a.get());
      written.hold(b.get());
      put_read(b.get(), x);
      used.record(b.get());
    }
    b.synchronize();
    basic_memory<checked>::zero(x.data(), 4);
    a.synchronize();
  }).empty());
}

TEST_CASE("ten mistakes are each found") {
  // 1. Nobody waits for what is written.
  CHECK(fault_of([] {
    basic_stream<checked> a, b;
    device_tensor x({64});
    put_write(a.get(), x);
    put_read(b.get(), x);
  }) == "stretto: 'read' on stream 1 reads a block of 256 bytes (memory), which 'write' on stream 0 writes, and nothing orders the one behind the other; record an event behind the first and wait for it");
  // 2. The object is filled again while its reader still reads.
  CHECK(fault_of([] {
    basic_stream<checked> a, b;
    basic_event<checked> written;
    device_tensor x({64});
    put_write(a.get(), x, "first");
    written.record(a.get());
    written.hold(b.get());
    put_read(b.get(), x);
    put_write(a.get(), x, "second");
  }) == "stretto: 'second' on stream 0 writes to a block of 256 bytes (memory), which 'read' on stream 1 reads, and nothing orders the one behind the other; record an event behind the first and wait for it");
  // 3. The event is recorded before the work that it stands for.
  CHECK(fault_of([] {
    basic_stream<checked> a, b;
    basic_event<checked> written;
    device_tensor x({64});
    written.record(a.get());
    put_write(a.get(), x);
    written.hold(b.get());
    put_read(b.get(), x);
  }).find("which 'write' on stream 0 writes, and nothing orders") != std::string::npos);
  // 4. The event that is waited for was never recorded.
  CHECK(fault_of([] {
    basic_stream<checked> a;
    checked::wait(a.get(), checked::make_event());
  }) == "stretto: stream 0 waits for an event that was never recorded, which holds nothing back; record it first");
  // 5. The other stream waits.
  CHECK(fault_of([] {
    basic_stream<checked> a, b, c;
    basic_event<checked> written;
    device_tensor x({64});
    put_write(a.get(), x);
    written.record(a.get());
    written.hold(c.get());
    put_read(b.get(), x);
  }).find("'read' on stream 1 reads") != std::string::npos);
  // 6. Memory is given back in the order of one stream while another uses it.
  CHECK(fault_of([] {
    basic_stream<checked> a, b;
    basic_event<checked> taken;
    const ordered<checked> room(256, a.get());
    const touch t{room.data(), 256, true};
    taken.record(a.get());
    taken.hold(b.get());
    checked::launch("late", kernel, {}, b.get(), nothing_to_say{}, &t, 1);
  }) == "stretto: 'giving it back' on stream 0 writes to a block of 256 bytes (memory of a stream), which 'late' on stream 1 writes, and nothing orders the one behind the other; record an event behind the first and wait for it");
  // 7. Memory is used when it has been given back.
  CHECK(fault_of([] {
    basic_stream<checked> a;
    touch t{nullptr, 256, true};
    {
      const ordered<checked> room(256, a.get());
      t.first = room.data();
    }
    checked::launch("after", kernel, {}, a.get(), nothing_to_say{}, &t, 1);
  }).find("'after' on stream 0 writes to a block of 256 bytes (memory of a stream), which was given back on stream 0; keep it until then") != std::string::npos);
  // 8. Nobody has written what is read.
  CHECK(fault_of([] {
    basic_stream<checked> a;
    const ordered<checked> room(256, a.get());
    const touch t{room.data(), 100, true}, all{room.data(), 256, false};
    checked::launch("part", kernel, {}, a.get(), nothing_to_say{}, &t, 1);
    checked::launch("whole", kernel, {}, a.get(), nothing_to_say{}, &all, 1);
  }) == "stretto: 'whole' on stream 0 reads a block of 256 bytes (memory of a stream) from byte 100 on, where nobody has written; write or zero it first");
  // 9. The CPU reads before the copy to it is done.
  CHECK(fault_of([] {
    basic_stream<checked> a;
    device_tensor x({4});
    pinned<checked, float> here(4);
    checked::copy(here.data(), x.data(), 16, a.get());
    here.read(1);
  }) == "stretto: 'reading pinned memory' on the host reads a block of 16 bytes (pinned memory), which 'copy' on stream 0 writes, and nothing orders the one behind the other; record an event behind the first and wait for it");
  // 10. The CPU writes the next numbers over those that are still being copied.
  CHECK(fault_of([] {
    basic_stream<checked> a;
    device_tensor x({4});
    pinned<checked, float> here(4);
    checked::copy(x.data(), here.data(), 16, a.get());
    here.write(0, 1);
  }).find("'writing pinned memory' on the host writes to a block of 16 bytes (pinned memory), which 'copy' on stream 0 reads") != std::string::npos);
}

TEST_CASE("what is beyond a block, of the CPU, given back twice or never is found, too") {
  CHECK(fault_of([] {
    basic_stream<checked> a;
    device_tensor x({4});
    const touch t{x.data() + 2, 16, true};
    checked::launch("far", kernel, {}, a.get(), nothing_to_say{}, &t, 1);
  }) == "stretto: 'far' on stream 0 writes 16 bytes from byte 8 on of a block of 16 bytes (memory); stay within it");
  CHECK(fault_of([] {
    basic_stream<checked> a;
    const float here[4] = {};
    const touch t{here, 16, false};
    checked::launch("near", kernel, {}, a.get(), nothing_to_say{}, &t, 1);
  }) == "stretto: 'near' on stream 0 reads memory that isn't the device's; copy it there first");
  CHECK(fault_of([] { checked::take(16); }) == "stretto: a block of 16 bytes (memory) is never given back; give it back");
  stream_order order;
  const int s = order.add_stream();
  int block[4];
  order.taken(block, 16, "memory");
  order.given_back(block, s);
  order.given_back(block, s);
  order.given_back(block + 1, s);
  CHECK(order.faults() == std::vector<std::string>{"stretto: stream 0 gives back a block of 16 bytes (memory) a second time; give it back once",
                                                   "stretto: stream 0 gives back memory that nobody took; give back what was taken, once"});
}

TEST_CASE("parts of a block are told apart, and an order over several streams counts") {
  CHECK(faults_of([] {
    basic_stream<checked> a, b, c;
    device_tensor x({64});
    const touch left{x.data(), 128, true}, right{x.data() + 32, 128, true};
    checked::launch("left", kernel, {}, a.get(), nothing_to_say{}, &left, 1);
    checked::launch("right", kernel, {}, b.get(), nothing_to_say{}, &right, 1);
    basic_event<checked> first, second;
    first.record(a.get());
    first.hold(b.get());
    second.record(b.get());
    second.hold(c.get());
    put_read(c.get(), x);
  }).empty());
}

TEST_CASE("uploads are copies, and wait for those that they replace") {
  CHECK(faults_of([] {
    basic_queue<checked> q({.scratch_bytes = 4096, .upload_bytes = 256, .uploads = 2});
    std::vector<float> numbers(64);
    for (int i = 0; i < 7; ++i) {
      for (float& n : numbers) n = static_cast<float>(i);
      const auto there = q.upload(view<const float>{numbers.data(), 64});
      tensor<float, 1, basic_memory<checked>> kept({64});
      q.copy(there, kept);
      for (float& n : numbers) n = -1;
      q.synchronize();
      std::vector<float> back(64);
      to_host(kept, back.data());
      CHECK(back == std::vector<float>(64, static_cast<float>(i)));
    }
  }).empty());
}

TEST_CASE("memory that is given back and taken again in another cut has no faults of before") {
  stream_order order;
  const int s = order.add_stream();
  char room[512];
  order.taken(room + 256, 64, "a small block");
  order.given_back(room + 256, stream_order::host);
  order.taken(room, 512, "a large block");
  const touch writes{room + 200, 100, true}, reads{room + 256, 32, false};
  order.work(s, "write", &writes, 1);
  order.work(s, "read", &reads, 1);
  order.synchronize_stream(s);
  order.given_back(room, stream_order::host);
  order.finish();
  CHECK(order.faults().empty());
}

TEST_CASE("an event that is recorded on two streams holds whoever waits for the later one, and not for ever") {
  for (std::uint32_t seed = 0; seed < 40; ++seed) {
    checked::begin({.seed = seed});
    {
      cuda::basic_stream<checked> a, b, c;
      cuda::basic_event<checked> e;
      e.record(a.get()), e.record(b.get());
      e.hold(c.get());
      c.synchronize();
    }
    CHECK(checked::finish().empty());
  }
}

TEST_CASE("neither a stream that goes nor memory of another device is a wait") {
  const auto read_after = [](auto&& instead_of_waiting) {
    checked::begin({.devices = 2});
    {
      cuda::basic_queue<checked> q({.scratch_bytes = 64});
      tensor<float, 1, cuda::basic_memory<checked>> x({4});
      cuda::pinned<checked, float> h(4);
      {
        cuda::basic_stream<checked> s;
        checked::copy(h.data(), x.data(), 16, s.get());
        instead_of_waiting(s);
      }
      h.read(0);
    }
    const auto faults = checked::finish();
    return std::any_of(faults.begin(), faults.end(), [](const std::string& f) { return f.find("'reading pinned memory' on the host reads") != f.npos; });
  };
  CHECK(read_after([](auto&) {}));
  CHECK(read_after([](auto&) {
    const cuda::on_device<checked> other(1);
    tensor<float, 1, cuda::basic_memory<checked>> goes({4});
  }));
  CHECK_FALSE(read_after([](auto& s) { s.synchronize(); }));
}

TEST_CASE("a launch by a thread that uses another device is found, and a copy beyond a block isn't done") {
  struct nothing_to_do {};
  checked::begin({.devices = 2});
  {
    cuda::basic_queue<checked> q({.device = 1, .scratch_bytes = 64});
    CHECK(checked::current() == 0);  // making it changed nothing for this thread
    q.launch("far", static_cast<void (*)(nothing_to_do)>(nullptr), {.blocks = 1}, {});
    tensor<float, 1, cuda::basic_memory<checked>> here({4}), little({2});
    cuda::basic_stream<checked> s;
    checked::copy(little.data(), here.data(), 1 << 20, s.get());
    s.synchronize();
  }
  const auto faults = checked::finish();
  REQUIRE(faults.size() == 3);
  CHECK(faults[0] == "stretto: 'far' is launched on stream 0 of device 1 by a thread that uses device 0, which fails; use the stream's device there");
  CHECK(faults[1].find("'copy' on stream 1 reads 1048576 bytes") != std::string::npos);
  CHECK(faults[2].find("'copy' on stream 1 writes 1048576 bytes") != std::string::npos);
}
